"""Queries over documents that are not entities: registrations (context source filter) and snapshots.

A name is looked up as it was written, then as IRI. What is found may be plain JSON, an attribute ({"type":
"Property", "value": ...}) or a list of attribute instances; sub-attributes and members stand in the attribute itself
or in its "attrs".

Source: GS CIM 009 clauses 4.9, 5.2.9, 5.7.2.4.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cityhub.model.entity import VALUE_KEY
from cityhub.model.ngsild.q_targets import ABSENT, Finder, member_of, reader
from cityhub.model.ngsild.q_tree import Path


def document_finder(path: Path, links: bool) -> Finder:
    """The finder of a path in plain documents; a path with hops finds nothing."""
    read = reader(path, links=links)
    names = tuple(zip(path.words, path.names, strict=True))
    members = tuple(zip(path.members, path.member_names, strict=True))

    def find(document: Any) -> Iterator[Any]:
        if path.hops:
            return
        for item in _reach(document, names):
            if _is_instance(item):
                yield read(item)
            elif item is not ABSENT:
                yield member_of(item, members)

    return find


def _reach(document: Any, names: tuple[tuple[str, str], ...]) -> Iterator[Any]:
    """What stands at the end of a path of names: attribute instances one by one, other JSON as it is."""
    for item in _instances(document, *names[0]):
        if len(names) == 1:
            yield item
        elif type(item) is dict:
            yield from _reach(item, names[1:])


def _instances(document: dict[str, Any], word: str, name: str) -> list[Any]:
    inner = document.get("attrs") if _is_instance(document) else None
    for holder in (document, inner):
        for key in (word, name):
            if isinstance(holder, dict) and key in holder:  # the store keeps documents in a class of its own
                found = holder[key]
                return found if type(found) is list and found and all(map(_is_instance, found)) else [found]
    return []


def _is_instance(item: Any) -> bool:
    return type(item) is dict and type(item.get("type")) is str and VALUE_KEY.get(item["type"]) in item
