"""JSON Patch documents, applied.

Source: RFC 6902; RFC 6901 (JSON Pointer); OGC 18-088, 10.3 (JSON PATCH).
"""

from __future__ import annotations

import copy
from typing import Any, Final

from cityhub.ingest.sensorthings.bodies import read_object
from cityhub.model.errors import BadRequestData, Conflict

MAX_OPERATIONS: Final = 1_000
MEDIA_TYPE: Final = "application/json-patch+json"


def patched(document: dict[str, Any], operations: Any) -> dict[str, Any]:
    """A document with the operations applied, itself unchanged.

    Raises BadRequestData for what is no patch or does not fit the document, Conflict when a test fails.
    """
    if not isinstance(operations, list) or len(operations) > MAX_OPERATIONS:
        raise BadRequestData(f"A JSON Patch is a list of at most {MAX_OPERATIONS} operations")
    after: dict[str, Any] = copy.deepcopy(document)
    for given in operations:
        operation = read_object(given, "Each operation of a JSON Patch")
        _apply(after, operation)
    return after


def _apply(document: dict[str, Any], operation: dict[str, Any]) -> None:
    name, path = operation.get("op"), _pointer(operation.get("path"))
    if name in ("add", "replace", "test") and "value" not in operation:
        raise BadRequestData(f"The operation '{name}' of a JSON Patch must have a 'value'")
    match name:
        case "add":
            _put(document, path, operation["value"])
        case "replace":
            _take(document, path)
            _put(document, path, operation["value"])
        case "remove":
            _take(document, path)
        case "move":
            _put(document, path, _take(document, _pointer(operation.get("from"))))
        case "copy":
            _put(document, path, copy.deepcopy(_at(document, _pointer(operation.get("from")))))
        case "test":
            if _at(document, path) != operation["value"]:
                raise Conflict(f"The test at '{operation['path'][:100]}' does not hold, so nothing was changed")
        case _:
            raise BadRequestData(f"'{str(name)[:20]}' is no operation of a JSON Patch; there are add, replace, remove, move, copy, test")


def _pointer(text: Any) -> list[str]:
    if not isinstance(text, str) or not text.startswith("/"):
        raise BadRequestData("'path' and 'from' of a JSON Patch must look like /properties/name")
    return [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]


def _at(document: Any, path: list[str]) -> Any:
    for part in path:
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        else:
            raise BadRequestData(f"There is nothing at '/{'/'.join(path)[:100]}' to patch")
    return document


def _put(document: Any, path: list[str], value: Any) -> None:
    parent, last = _at(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list) and (last == "-" or (last.isdigit() and int(last) <= len(parent))):
        parent.insert(len(parent) if last == "-" else int(last), value)
    else:
        raise BadRequestData(f"Nothing can be put at '/{'/'.join(path)[:100]}'")


def _take(document: Any, path: list[str]) -> Any:
    value, parent = _at(document, path), _at(document, path[:-1])
    if isinstance(parent, dict):
        del parent[path[-1]]
    else:
        del parent[int(path[-1])]
    return value
