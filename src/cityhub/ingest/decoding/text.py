"""Text taken apart by a regular expression, in time that grows with its length only (RE2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cityhub.ingest.decoding.bounds import bounded
from cityhub.ingest.decoding.cells import cell
from cityhub.ingest.decoding.encoding import text_of
from cityhub.ingest.decoding.options import TextOptions

_MAX_MEMORY: Final = 8 * 1024 * 1024  # of a compiled pattern


def text_decoder(options: TextOptions) -> Callable[[bytes], list[Any]]:
    """Reads lines or whole payloads. Raises ValueError when the pattern is none or names no group."""
    import re2

    settings = re2.Options()
    settings.max_mem = _MAX_MEMORY
    settings.log_errors = False
    try:
        pattern = re2.compile(options.pattern, options=settings)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"'pattern' is not a regular expression of RE2: {reason}") from None
    names = {place: name for name, place in pattern.groupindex.items()}
    if not names:
        raise ValueError("'pattern' must have named groups such as (?P<level>[0-9.]+)")

    def record(text: str, where: str) -> dict[str, Any] | None:
        found = pattern.search(text)
        if found is None:
            if options.others == "skip":
                return None
            raise ValueError(f"{where} does not match the pattern: '{text[:100]}'")
        return {name: _value(found.group(place), options.numbers) for place, name in names.items()}

    def decode(body: bytes) -> list[Any]:
        text = text_of(body, options.encoding)
        if not options.lines:
            found = record(text, "the payload")
            return [found] if found is not None else []
        lines = bounded(text.splitlines())
        records = (record(line, f"line {number}") for number, line in enumerate(lines, 1) if line.strip())
        return [found for found in records if found is not None]

    return decode


def _value(text: str | None, numbers: bool) -> Any:
    if not text:
        return None
    return cell(text.strip()) if numbers else text
