"""The examples that ship in the package of the Smart Data Models go in and come out the same."""

from __future__ import annotations

import copy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
import pytest

from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import CORE
from cityhub.model.ngsild.parse import parse_entity
from cityhub.model.ngsild.render import render_entity
from cityhub.model.ngsild.view import CONCISE, NORMALIZED, SIMPLIFIED


def examples(pattern: str) -> list[Path]:
    """The example files; the package itself is not imported, as that loads its whole data base."""
    spec = find_spec("pysmartdatamodels")
    assert spec is not None
    assert spec.origin
    return sorted(Path(spec.origin).parent.glob(f"**/examples/{pattern}"))


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(path.read_bytes())
    document.pop("@context", None)
    return document


def test_key_value_examples() -> None:
    documents = [load(path) for path in (*examples("example.json"), *examples("example.jsonld"))]
    assert documents
    for document in documents:
        assert render_entity(parse_entity(document, CORE, simplified=True), CORE, SIMPLIFIED) == document
        assert render_entity(parse_entity(document, CORE), CORE, CONCISE) == document
        assert render_entity(parse_entity(document, CORE), CORE, SIMPLIFIED) == document


def test_normalized_examples() -> None:
    """The package has one, a template with three slips of the pen; without them it is an entity."""
    [document] = [load(path) for path in examples("example-normalized.jsonld")]
    slips = {
        "template__date": ("type", "Peoperty", "Property"),
        "template__email": ("type", "Text", "Property"),
        "template__relationship": ("value", "uri:ngsi-ld:sample:other_entity:4321", None),
    }
    for name, (member, wrong, right) in slips.items():
        assert document[name][member] == wrong
        with pytest.raises(BadRequestData, match=name):
            parse_entity({"id": "urn:a:b", "type": "T", name: document[name]}, CORE)
        document[name] = {**document[name], "type": right} if right else {"type": "Relationship", "object": wrong}
    before = copy.deepcopy(document)
    assert render_entity(parse_entity(document, CORE), CORE, NORMALIZED) == document == before
