"""XML of strangers as an lxml tree: first looked through for what is not allowed, then read.

A document type is refused before anything in it is worked out, so there are no entities that could grow (XML bombs) and nothing
outside that could be fetched. Size, number of elements and depth are bounded.
"""

from __future__ import annotations

from typing import Final
from xml.parsers import expat

from lxml import etree

from cityhub.model.errors import BadRequestData, TooLarge

MOST_BYTES: Final = 2_000_000
MOST_ELEMENTS: Final = 50_000
MOST_DEPTH: Final = 30
MOST_ATTRIBUTES: Final = 50


class _Scout:
    """Looks through a document without keeping anything of it."""

    def __init__(self) -> None:
        self._count = 0
        self._depth = 0
        self.parser = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end

    def _doctype(self, *_: object) -> None:
        raise BadRequestData("The document has a document type (<!DOCTYPE>); right would be XML without one, and so without entities")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        self._depth += 1
        if self._count > MOST_ELEMENTS or self._depth > MOST_DEPTH or len(attributes) > MOST_ATTRIBUTES:
            bounds = f"{MOST_ELEMENTS} elements, {MOST_DEPTH} within each other, {MOST_ATTRIBUTES} attributes each"
            raise TooLarge(f"Line {self.parser.CurrentLineNumber}: a document has at most {bounds}")

    def _end(self, name: str) -> None:
        self._depth -= 1


def read_tree(content: bytes) -> etree._Element:
    """The outermost element of a document, without comments and processing instructions.

    Raises:
        BadRequestData: It is no well-formed XML, or has a document type.
        TooLarge: It is larger than the bounds of this module.
    """
    if len(content) > MOST_BYTES:
        raise TooLarge(f"The document has {len(content)} bytes; at most {MOST_BYTES} are read")
    scout = _Scout()
    try:
        scout.parser.Parse(content, True)
    except expat.ExpatError as error:
        reason = expat.errors.messages[error.code]
        raise BadRequestData(f"Line {error.lineno}, column {error.offset + 1}: no well-formed XML ({reason})") from None
    except (LookupError, ValueError) as error:
        raise BadRequestData(f"The document's encoding cannot be read: {error}") from None
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, remove_comments=True, remove_pis=True
    )
    try:
        return etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise BadRequestData(f"No well-formed XML: {error}") from None
