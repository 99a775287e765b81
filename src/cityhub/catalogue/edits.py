"""What people changed of a dataset that comes by itself: told apart from the automatic part, and laid over it.

Both are plain documents in the form of `cityhub.catalogue.model.Dataset`; a member that is not there has its default.
"""

from __future__ import annotations

from typing import Any, Final

Document = dict[str, Any]

OWN: Final = frozenset(("id", "origin", "available", "created", "modified", "statement", "upstream", "state"))
"""Members that the catalogue keeps itself; nobody edits them."""


def edits_of(automatic: Document, wanted: Document, defaults: Document) -> Document:
    """What must be laid over the automatic document so that it becomes the wanted one; {} when nothing differs."""
    edits = {
        name: value
        for name, value in wanted.items()
        if name not in OWN and name != "distributions" and value != automatic.get(name, defaults.get(name))
    }
    distributions = wanted.get("distributions", [])
    if distributions != automatic.get("distributions", []):
        edits["distributions"] = _distribution_edits(automatic.get("distributions", []), distributions)
    return edits


def _distribution_edits(automatic: list[Document], wanted: list[Document]) -> Document:
    known = {item["id"]: item for item in automatic}
    return {
        "items": [
            {name: value for name, value in item.items() if name == "id" or item["id"] not in known or value != known[item["id"]].get(name)}
            for item in wanted
        ],
        "seen": sorted(known),
    }


def edited(automatic: Document, edits: Document) -> Document:
    """The automatic document with the edits laid over it. Automatic distributions that came after the edit are added at the end."""
    document = {**automatic, **edits}
    if "distributions" in edits:
        known = {item["id"]: item for item in automatic.get("distributions", [])}
        items = [{**known.get(item["id"], {}), **item} for item in edits["distributions"]["items"]]
        # One that was not automatic then, or is not any more, must still say what it is.
        items = [item for item in items if "url" in item]
        listed = {item["id"] for item in items}.union(edits["distributions"]["seen"])
        document["distributions"] = items + [item for id, item in known.items() if id not in listed]
    return document
