"""XML as a tree of plain elements, read without document types, entities or outside references.

A document type is refused as such: without one there is nothing that an XML bomb could be made of.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from cityhub.model.errors import BadRequestData, TooLarge

MAX_BYTES: Final = 10_000_000
MAX_ELEMENTS: Final = 200_000
MAX_DEPTH: Final = 200


@dataclass(slots=True)
class Element:
    """An element.

    Attributes:
        namespace: Its namespace, "" without one.
        name: Its name within that.
        attributes: Values by name; those of other namespaces as `namespace}name`.
        line: Where it begins.
        children: The elements in it, in order.
        text: All text directly in it.
    """

    namespace: str
    name: str
    attributes: dict[str, str]
    line: int
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def get(self, name: str, default: str = "") -> str:
        """The value of an attribute."""
        return self.attributes.get(name, default)

    def all(self, name: str) -> list[Element]:
        """The children of a name, of this element's own namespace."""
        return [child for child in self.children if child.name == name and child.namespace == self.namespace]

    def first(self, name: str) -> Element | None:
        """The first child of a name."""
        found = self.all(name)
        return found[0] if found else None

    def text_of(self, name: str) -> str:
        """The text of the first child of a name, without the space around it."""
        child = self.first(name)
        return "" if child is None else child.text.strip()


class _Reader:
    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._count = 0
        self.parser = expat.ParserCreate(namespace_separator="}")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _doctype(self, *_: object) -> None:
        raise BadRequestData("The document has a document type (<!DOCTYPE>); right would be a document without one")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        line = self.parser.CurrentLineNumber
        if self._count > MAX_ELEMENTS or len(self._open) >= MAX_DEPTH:
            raise TooLarge(f"Line {line}: a document has at most {MAX_ELEMENTS} elements, {MAX_DEPTH} within each other")
        namespace, _, local = name.rpartition("}")
        element = Element(namespace, local, attributes, line)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _end(self, name: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        if self._open:
            self._open[-1].text += text


def read_xml(data: bytes) -> Element:
    """The outermost element of a document.

    Raises:
        BadRequestData: It is no well-formed XML, or has a document type.
        TooLarge: It has more bytes, elements or depth than the bounds of this module.
    """
    if len(data) > MAX_BYTES:
        raise TooLarge(f"The document has {len(data)} bytes; at most {MAX_BYTES} are read")
    reader = _Reader()
    try:
        reader.parser.Parse(data, True)
    except expat.ExpatError as error:
        place = f"Line {error.lineno}, column {error.offset + 1}"
        raise BadRequestData(f"{place}: no well-formed XML ({expat.errors.messages[error.code]})") from error
    if reader.root is None:
        raise BadRequestData("The document is empty; right would be XML")
    return reader.root
