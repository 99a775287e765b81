"""XML: elements as records.

An element becomes an object of its attributes ("@name") and of its children by local name, those of one name a list; its text is `text`
where it has attributes or children, else the element is its text. Namespaces count in the path to the records only.

Source: XML 1.0; entities, document types and external references are refused as defusedxml does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError

from cityhub.ingest.decoding.bounds import MAX_DEPTH, bounded
from cityhub.ingest.decoding.cells import cell
from cityhub.ingest.decoding.options import XmlOptions

_TRIAL: Final = "<a/>"


def xml_decoder(options: XmlOptions) -> Callable[[bytes], list[Any]]:
    """Reads documents. Raises ValueError when the path to the records is none."""
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    _elements(fromstring(_TRIAL), options)

    def decode(body: bytes) -> list[Any]:
        try:
            document = fromstring(_declared(body), forbid_dtd=True)
        except DefusedXmlException:
            raise ValueError("the document has a document type or entities, which are not allowed") from None
        except ParseError as error:
            raise ValueError(f"the payload is not XML: {error}") from None
        except (LookupError, UnicodeError) as error:
            raise ValueError(f"the document states an encoding that cannot be read: {error}") from None
        return [_read(element, options.numbers) for element in bounded(_elements(document, options))]

    return decode


def _declared(body: bytes) -> bytes | str:
    """A document in a Chinese encoding as text, since the parser reads only UTF-8, UTF-16 and those of one byte."""
    head = body[:200].lower()
    for name in (b"gb18030", b"gbk", b"gb2312", b"big5"):
        if head.startswith(b"<?xml") and name in head.partition(b"?>")[0]:
            text = body.decode("big5" if name == b"big5" else "gb18030", "strict")
            return text.partition("?>")[2]
    return body


def _elements(document: Element, options: XmlOptions) -> list[Element]:
    if not options.records:
        return [document]
    try:
        return document.findall(options.records, options.namespaces)
    except (SyntaxError, KeyError, ValueError, TypeError, IndexError) as error:
        raise ValueError(f"'records' must be a path such as './/row' with its prefixes in 'namespaces': {error}") from None


def _read(element: Element, numbers: bool, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise ValueError(f"the document is nested more than {MAX_DEPTH} levels deep")
    text = (element.text or "").strip()
    value: Any = (cell(text) if numbers else text) if text else None
    if not len(element) and not element.attrib:
        return value
    found: dict[str, Any] = {f"@{_local(name)}": cell(item) if numbers else item for name, item in element.attrib.items()}
    for child in element:
        if type(child.tag) is str:
            _add(found, _local(child.tag), _read(child, numbers, depth + 1))
    if value is not None:
        found["text"] = value
    return found


def _add(found: dict[str, Any], name: str, value: Any) -> None:
    if name not in found:
        found[name] = value
    elif type(found[name]) is list:
        found[name].append(value)
    else:
        found[name] = [found[name], value]


def _local(name: str) -> str:
    return name.rpartition("}")[2]
