"""What is read at once is read as the long way reads it, and nothing is let through that the long way refuses."""

from __future__ import annotations

from typing import Any

import pytest

from cityhub.model.entity import NULL
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import CORE
from cityhub.model.ngsild import attribute
from cityhub.model.ngsild.parse import parse_entity
from cityhub.model.ngsild.plain import plain_instance

POINT = {"type": "Point", "coordinates": [108.5, 29]}
VALUES: list[Any] = [1, 1.5, "x", "", True, None, NULL, 2**64, -(2**63) - 1, float("inf"), [1], {"a": 1}, POINT, {**POINT, "coordinates": [1]},
                     {**POINT, "coordinates": [1, "2"]}, {**POINT, "coordinates": [True, 2]}, {**POINT, "coordinates": [1e10, 2]}, "urn:a:1", "no uri"]  # fmt: skip
MEMBERS: list[dict[str, Any]] = [{}, {"unitCode": "CEL"}, {"unitCode": ""}, {"unitCode": NULL}, {"unitCode": 1}, {"observedAt": "2026-11-23T06:00:00Z"},
                                 {"observedAt": "2026-11-23T06:00:00.000Z"}, {"observedAt": "yesterday"}, {"observedAt": 1}, {"datasetId": "urn:d"},
                                 {"unitCode": "CEL", "observedAt": "2026-11-23T06:00:00.5Z"}, {"accuracy": 1}, {"object": "urn:a:1"}]  # fmt: skip


def read(name: str, document: Any) -> Any:
    try:
        return parse_entity({"id": "urn:e:1", "type": "T", name: document}, CORE)["attrs"]
    except BadRequestData as error:
        return error.detail


@pytest.mark.parametrize("name", ["level", "location", "ngsildproof"])
@pytest.mark.parametrize("kind", ["Property", "GeoProperty", "Relationship", "Unknown", None])
def test_the_short_way_and_the_long_way_agree(name: str, kind: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "object" if kind == "Relationship" else "value"
    documents = [{"type": kind, key: value, **members} for value in VALUES for members in MEMBERS]
    short = [read(name, document) for document in documents]
    assert kind not in ("Property", "GeoProperty", "Relationship") or any(map(plain_instance, documents))
    monkeypatch.setattr(attribute, "plain_instance", lambda document: None)
    monkeypatch.setattr("cityhub.model.ngsild.parse.plain_instance", lambda document: None)
    assert short == [read(name, document) for document in documents]
