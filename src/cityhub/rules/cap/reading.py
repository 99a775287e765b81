"""A CAP message from XML: only what follows the schema of CAP 1.2, in its order."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, get_args, get_type_hints

import msgspec
from lxml import etree

from cityhub.model.errors import BadRequestData
from cityhub.rules.cap.checking import check_message
from cityhub.rules.cap.lists import read_items, read_references
from cityhub.rules.cap.message import NAMESPACE, ORDER, Area, Info, Message, NamedValue, Resource
from cityhub.rules.cap.safe_xml import read_tree
from cityhub.rules.cap.writing import element_name

SIGNATURE: Final = "{http://www.w3.org/2000/09/xmldsig#}Signature"
_PARTS: Final[dict[str, type[msgspec.Struct]]] = {
    "info": Info, "resource": Resource, "area": Area, "geocode": NamedValue, "event_code": NamedValue, "parameter": NamedValue,
}  # fmt: skip
_DECIMAL: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d{1,15}", re.ASCII)


def read_message(content: bytes) -> Message:
    """The message of a document; a signature in it is not looked at.

    Raises:
        BadRequestData: It is no CAP 1.2 message, or not a right one; names the element.
        TooLarge: It is larger than the bounds.
    """
    return message_of(read_tree(content))


def message_of(root: etree._Element) -> Message:
    """The message of an element. Raises BadRequestData."""
    if root.tag != f"{{{NAMESPACE}}}alert":
        raise BadRequestData(f"The outermost element is '{str(root.tag)[:100]}'; right would be 'alert' of CAP 1.2 ({NAMESPACE})")
    message: Message = _read(root, Message, "alert")
    check_message(message)
    return message


def _read(element: etree._Element, kind: type[msgspec.Struct], where: str) -> Any:
    order = {f"{{{NAMESPACE}}}{element_name(name)}": place for place, name in enumerate(ORDER[kind])}
    if element.attrib:
        raise BadRequestData(f"'{where}' has an attribute '{element.attrib.keys()[0][:50]}'; CAP has none")
    found: dict[str, list[Any]] = {}
    last = -1
    for child in element:
        if kind is Message and child.tag == SIGNATURE:
            last = len(order)
            continue
        place = order.get(str(child.tag))
        if place is None:
            raise BadRequestData(f"'{where}' has an element '{str(child.tag)[:100]}', which CAP 1.2 does not have there")
        if place < last:
            raise BadRequestData(f"'{where}.{etree.QName(child).localname}' stands too late: CAP's elements have a fixed order")
        last = place
        found.setdefault(ORDER[kind][place], []).append(_value(child, ORDER[kind][place], where))
    if (element.text or "").strip() or any((child.tail or "").strip() for child in element):
        raise BadRequestData(f"'{where}' has text between its elements")
    return _built(found, kind, where)


def _value(child: etree._Element, name: str, where: str) -> Any:
    inner = f"{where}.{element_name(name)}"
    if part := _PARTS.get(name):
        return _read(child, part, inner)
    if len(child) or child.attrib:
        raise BadRequestData(f"'{inner}' must be a text without elements or attributes")
    text = child.text or ""
    read = _TEXTS.get(name)
    return read(text, inner) if read else text


def _number(form: re.Pattern[str], make: Callable[[str], Any], what: str) -> Callable[[str, str], Any]:
    def read(text: str, where: str) -> Any:
        if not form.fullmatch(text.strip()) or len(text) > 40:
            raise BadRequestData(f"'{where}' is '{text[:50]}'; right would be {what}")
        return make(text.strip())

    return read


_TEXTS: Final[dict[str, Callable[[str, str], Any]]] = {
    "references": lambda text, where: read_references(text),
    "incidents": read_items,
    "addresses": read_items,
    "size": _number(_INTEGER, int, "a whole number of bytes"),
    "altitude": _number(_DECIMAL, float, "a number of feet"),
    "ceiling": _number(_DECIMAL, float, "a number of feet"),
}


def _built(found: dict[str, list[Any]], kind: type[msgspec.Struct], where: str) -> Any:
    values: dict[str, Any] = {}
    lists = _LISTS[kind]
    for name, items in found.items():
        if name not in lists and len(items) > 1:
            raise BadRequestData(f"'{where}.{element_name(name)}' stands there {len(items)} times; once is right")
        values[name] = items if name in lists else items[0]
    for field in msgspec.structs.fields(kind):
        if field.required and values.get(field.name) in (None, "", []):
            raise BadRequestData(f"'{where}.{field.encode_name}' is missing")
        _check_word(values.get(field.name), _WORDS[kind].get(field.name), f"{where}.{field.encode_name}")
    return kind(**{name: value for name, value in values.items() if value != ""})


def _check_word(value: Any, words: tuple[str, ...] | None, where: str) -> None:
    if words is None:
        return
    for one in value if isinstance(value, list) else [value]:
        if one is not None and one not in words:
            raise BadRequestData(f"'{where}' is '{str(one)[:50]}'; right would be one of {', '.join(words)}")


def _words(hint: Any) -> tuple[str, ...] | None:
    inner = get_args(hint)
    if inner and all(isinstance(word, str) for word in inner):
        return inner
    return _words(inner[0]) if inner else None


_WORDS: Final[dict[Any, dict[str, tuple[str, ...]]]] = {
    kind: {name: words for name, hint in get_type_hints(kind).items() if (words := _words(hint))} for kind in ORDER
}
_LISTS: Final[dict[Any, frozenset[str]]] = {
    kind: frozenset(
        name for name, hint in get_type_hints(kind).items()
        if getattr(hint, "__origin__", None) is list and name not in ("references", "incidents", "addresses")
    ) for kind in ORDER
}  # fmt: skip
"""Members that stand in one element each; the others of the lists are one text."""
