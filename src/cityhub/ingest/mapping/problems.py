"""What is said of a record that cannot be mapped."""

from __future__ import annotations

from typing import Any, Final

LONGEST: Final = 100
"""Of a value that is quoted, in characters."""


class MappingError(ValueError):
    """A record does not fit its mapping. The message says which entity, attribute and expression, and what the value was."""


class Unfit(ValueError):
    """A value that cannot be what it should; the message says why, without where."""


def shown(value: Any) -> str:
    """A value as it is quoted in messages, cut where it is long."""
    text = f"'{value}'" if isinstance(value, str) else "null" if value is None else repr(value)
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."
