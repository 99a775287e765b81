"""Templates of messages: texts in two languages with FEEL expressions in {braces}; "{{" and "}}" are braces themselves.

    {severity} alert: {title}, level {level} m{if hours > 3 then ", for hours already" else ""}
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
import orjson

from cityhub.model.errors import BadRequestData
from cityhub.model.feel import Expression, FeelSyntaxError, compile_expression, to_json

LANGUAGES: Final = ("zh", "en")
MISSING: Final = "—"
"""Stands where an expression has no value."""
MOST_TEXT: Final = 5_000
MOST_RESULT: Final = 20_000
MOST_STEPS: Final = 20_000
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")


class Template(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is said on an occasion.

    Attributes:
        id: Letters, digits, "-" and "_".
        title: What it is for, by language ("zh", "en"), as `subject`, `text` and `short`.
        subject: One line.
        text: The whole.
        short: For text messages of telephones; empty: the text.
        version: Counted by the hub.
    """

    id: str
    title: dict[str, str]
    subject: dict[str, str]
    text: dict[str, str]
    short: dict[str, str] = {}
    version: int = 1


class Wording(msgspec.Struct, frozen=True):
    """What is said: a subject, the whole text, the short one, and why parts of it are missing."""

    subject: str
    text: str
    short: str
    problems: list[str] = []


def check_template(template: Template) -> None:
    """Raises BadRequestData naming the member that is wrong and what would be right."""
    if not _ID.fullmatch(template.id):
        raise BadRequestData("'id' must be 1 to 64 letters, digits, '-' and '_'")
    for name in ("title", "subject", "text", "short"):
        texts: dict[str, str] = getattr(template, name)
        if set(texts) - set(LANGUAGES) or (set(texts) != set(LANGUAGES) and not (name == "short" and not texts)):
            raise BadRequestData(f"'{name}' must have exactly the members {' and '.join(LANGUAGES)}")
        for language, text in texts.items():
            where = f"{name}.{language}"
            if not text.strip() or len(text) > MOST_TEXT:
                raise BadRequestData(f"'{where}' must be a text of 1 to {MOST_TEXT} characters")
            if name != "title":
                phrases(text, where)


@lru_cache(maxsize=2_000)
def phrases(text: str, where: str = "the template") -> tuple[str | Expression, ...]:
    """The parts of a text: what is said as it is, and expressions. Raises BadRequestData with the place.

    >>> [part if isinstance(part, str) else part.text for part in phrases("{a + 1} of {{b}}")]
    ['a + 1', ' of {b}']
    """
    made: list[str | Expression] = []
    for part, is_expression in _split(text, where):
        if not is_expression:
            made.append(part)
            continue
        try:
            made.append(compile_expression(part))
        except FeelSyntaxError as error:
            raise BadRequestData(f"'{where}': in {{{part[:100]}}}: {error.detail}") from None
    return tuple(made)


def _split(text: str, where: str) -> Iterator[tuple[str, bool]]:
    plain, at = "", 0
    while at < len(text):
        sign = text[at]
        if text[at : at + 2] in ("{{", "}}"):
            plain, at = plain + sign, at + 2
        elif sign == "}":
            raise BadRequestData(f"'{where}': a '}}' at character {at + 1} has no '{{' before it; a brace itself is written '}}}}'")
        elif sign == "{":
            end = _end(text, at + 1, where)
            if plain:
                yield plain, False
            yield text[at + 1 : end], True
            plain, at = "", end + 1
        else:
            plain, at = plain + sign, at + 1
    if plain:
        yield plain, False


def _end(text: str, start: int, where: str) -> int:
    """Where the expression that begins at `start` ends: braces and quotation marks inside it belong to it."""
    depth, quoted, at = 0, False, start
    while at < len(text):
        sign = text[at]
        if quoted:
            at += sign == "\\"
            quoted = sign != '"'
        elif sign == '"':
            quoted = True
        elif sign == "}" and depth == 0:
            return at
        else:
            depth += (sign == "{") - (sign == "}")
        at += 1
    raise BadRequestData(f"'{where}': the '{{' at character {start} has no '}}'; a brace itself is written '{{{{'")


def worded(template: Template, language: str, values: Mapping[str, Any], zone: ZoneInfo) -> Wording:
    """What a template says of values in a language; times of day are those of the zone.

    A part that cannot be worked out is "—", and the problems say why: a message with a gap is better than none.
    """
    problems: list[str] = []

    def said(texts: Mapping[str, str]) -> str:
        return _said(texts.get(language) or texts.get(LANGUAGES[0], ""), language, values, zone, problems)

    subject = " ".join(said(template.subject).split())
    text = said(template.text)
    return Wording(subject[:300], text, said(template.short) if template.short else text, list(dict.fromkeys(problems)))


def _said(text: str, language: str, values: Mapping[str, Any], zone: ZoneInfo, problems: list[str]) -> str:
    made = []
    for part in phrases(text):
        if isinstance(part, str):
            made.append(part)
            continue
        value, warnings = part.evaluate(_in_language(values, language), steps=MOST_STEPS)
        if value is None:
            problems.append(f"{{{part.text}}} has no value" + (f": {warnings[0]}" if warnings else ""))
        made.append(shown(to_json(value), language, zone))
    return "".join(made)[:MOST_RESULT]


def _in_language(value: Any, language: str) -> Any:
    """Values in which texts by language are those of one language."""
    if isinstance(value, dict):
        if value and value.keys() <= set(LANGUAGES):
            return value.get(language) or next(iter(value.values()))
        return {name: _in_language(one, language) for name, one in value.items()}
    return [_in_language(one, language) for one in value] if isinstance(value, list) else value


def shown(value: Any, language: str, zone: ZoneInfo) -> str:
    """A value as people read it.

    >>> shown(["2026-11-23T06:05:00Z", 4.5, True, None], "zh", ZoneInfo("Asia/Shanghai"))
    '2026-11-23 14:05、4.5、是、—'
    """
    if value is None or value == {} or value == []:
        return MISSING
    if isinstance(value, bool):
        return {"zh": ("否", "是"), "en": ("no", "yes")}[language][value]
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, list):
        return ("、" if language == "zh" else ", ").join(shown(one, language, zone) for one in value)
    if isinstance(value, dict):
        return orjson.dumps(value).decode()
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        return _local(value, zone)
    return str(value)


def _local(text: str, zone: ZoneInfo) -> str:
    try:
        return datetime.fromisoformat(text).astimezone(zone).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError):
        return text
