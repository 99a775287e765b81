"""GeoReport's answers as JSON or XML, errors too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from xml.etree import ElementTree

import orjson

from cityhub.web.http import Response

FORMATS: Final = {"json": "application/json; charset=utf-8", "xml": "text/xml; charset=utf-8"}
Item = dict[str, Any]


def answer(format: str, root: str, item: str, items: Sequence[Item], status: int = 200) -> Response:
    """A list as the standard has it: in JSON the list alone, in XML elements in a root element.

    >>> answer("xml", "errors", "error", [{"code": 404, "description": "no such service"}], 404).body.decode().splitlines()[1]
    '<errors><error><code>404</code><description>no such service</description></error></errors>'
    """
    if format == "json":
        return Response(status, orjson.dumps(items), media_type=FORMATS["json"])
    element = ElementTree.Element(root)
    for one in items:
        _add(element, item, one)
    return _document(element, status)


def single(format: str, root: str, item: Item, names: dict[str, str]) -> Response:
    """One object. `names`: of each list in it, what its elements are called in XML."""
    if format == "json":
        return Response(200, orjson.dumps(item), media_type=FORMATS["json"])
    element = ElementTree.Element(root)
    _fill(element, item, names)
    return _document(element, 200)


def refusal(format: str, status: int, description: str) -> Response:
    """An error in the standard's form."""
    return answer(format, "errors", "error", [{"code": status, "description": description}], status)


def _document(element: ElementTree.Element, status: int) -> Response:
    body = b'<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(element, "utf-8")
    return Response(status, body, media_type=FORMATS["xml"])


def _add(parent: ElementTree.Element, name: str, value: Any, names: dict[str, str] | None = None) -> None:
    element = ElementTree.SubElement(parent, name)
    if isinstance(value, dict):
        _fill(element, value, names or {})
    elif isinstance(value, list):
        for one in value:
            _add(element, (names or {}).get(name, "item"), one, names)
    elif value is not None:
        element.text = ("true" if value else "false") if isinstance(value, bool) else str(value)


def _fill(element: ElementTree.Element, members: Item, names: dict[str, str]) -> None:
    for name, value in members.items():
        _add(element, name, value, names)
