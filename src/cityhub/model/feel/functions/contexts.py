"""Functions of contexts.

Source: OMG DMN 1.5, 10.3.4.9, table 79.
"""

from __future__ import annotations

from typing import Any

from cityhub.model.feel.library import Library, declare
from cityhub.model.feel.values import Rejected


def value_at(context: dict[str, Any], key: str | list[Any]) -> Any:
    """The member of a name, or at the end of a list of names; null without one."""
    value: Any = context
    keys = key if isinstance(key, list) else [key]
    for name in keys or [None]:
        if not isinstance(value, dict) or type(name) is not str or name not in value:
            return None
        value = value[name]
    return value


def entries(context: dict[str, Any]) -> list[dict[str, Any]]:
    """A list of contexts with `key` and `value`."""
    return [{"key": key, "value": value} for key, value in context.items()]


def made(items: list[Any]) -> dict[str, Any]:
    """The context of such a list; each key once."""
    result: dict[str, Any] = {}
    for item in items:
        if not isinstance(item, dict) or type(item.get("key")) is not str or "value" not in item or item["key"] in result:
            raise Rejected("the entries have a 'key' each, each another text, and a 'value'")
        result[item["key"]] = item["value"]
    return result


def put(context: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """The context with one more member, or another value of it."""
    return {**context, key: value}


def put_deep(context: dict[str, Any], keys: list[Any], value: Any) -> dict[str, Any]:
    """The context with another value at the end of a list of names."""
    if not keys or type(keys[0]) is not str:
        raise Rejected("the keys are texts, at least one")
    if len(keys) == 1:
        return put(context, keys[0], value)
    inner = context.get(keys[0])
    if not isinstance(inner, dict) or len(keys) > 32:
        raise Rejected(f"'{keys[0]}' is no context")
    return put(context, keys[0], put_deep(inner, keys[1:], value))


def merged(contexts: list[Any]) -> dict[str, Any]:
    """One context of all members; of a name that comes again, the last."""
    result: dict[str, Any] = {}
    for context in contexts:
        if not isinstance(context, dict):
            raise Rejected("'context merge' takes a list of contexts")
        result.update(context)
    return result


def add_to(library: Library) -> None:
    """Declares the functions of this family."""
    declare(library, "get value(m: context, key: string)", value_at)
    declare(library, "get value(context: context, keys: list)", value_at)
    declare(library, "get entries(m: context)", entries)
    declare(library, "context(entries: list)", made)
    declare(library, "context put(context: context, key: string, value: any)", put)
    declare(library, "context put(context: context, keys: list, value: any)", put_deep)
    declare(library, "context merge(contexts: list)", merged)
