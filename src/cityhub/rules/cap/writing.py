"""A CAP message as XML."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from lxml import etree

from cityhub.rules.cap.checking import check_message
from cityhub.rules.cap.lists import written_items, written_references
from cityhub.rules.cap.message import NAMESPACE, ORDER, Message

HEIGHT_DECIMALS: Final = 3
"""Of feet as they are written."""


def tree_of(message: Message) -> etree._Element:
    """The message as an element. Raises BadRequestData for a message that is not right."""
    check_message(message)
    root = etree.Element(f"{{{NAMESPACE}}}alert", nsmap={None: NAMESPACE})
    _fill(root, message)
    return root


def write_message(message: Message) -> bytes:
    """The message as an XML document, not signed. Raises BadRequestData for a message that is not right."""
    return document_of(tree_of(message))


def document_of(root: etree._Element) -> bytes:
    """An element as a document in UTF-8."""
    written: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return written


def _fill(parent: etree._Element, part: msgspec.Struct) -> None:
    for name in ORDER[type(part)]:
        tag = f"{{{NAMESPACE}}}{element_name(name)}"
        for value in _values(name, getattr(part, name)):
            child = etree.SubElement(parent, tag)
            if isinstance(value, msgspec.Struct):
                _fill(child, value)
            else:
                child.text = value


def _values(name: str, value: Any) -> Iterator[Any]:
    """What stands in the elements of a name; nothing for what is absent."""
    if name == "references":
        value = written_references(value)
    elif name in ("addresses", "incidents"):
        value = written_items(value)
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, int | float):
            yield f"{one:.{HEIGHT_DECIMALS}f}".rstrip("0").rstrip(".") if isinstance(one, float) else str(one)
        elif one is not None and one != "":
            yield one


def element_name(name: str) -> str:
    """The element of a member: "area_desc" is "areaDesc"."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
