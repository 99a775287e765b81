"""Entities for readers of earlier versions. Source: GS CIM 009 clause 4.3.6.8."""

from __future__ import annotations

from typing import Any

import pytest

from cityhub.model.ngsild.conformance import amended, read_version

ENTITY: dict[str, Any] = {
    "id": "urn:a", "type": ["A", "B"], "scope": "/x", "expiresAt": "t",
    "p": [{"type": "Property", "value": 1, "datasetId": "urn:d"}, {"type": "Property", "value": 2, "unitCode": "M", "observedAt": "t"}],
    "m": {"type": "LanguageProperty", "languageMap": {"en": "x"}, "previousLanguageMap": {"en": "y"}},
    "j": {"type": "JsonProperty", "json": {"value": 1}},
    "v": {"type": "VocabProperty", "vocab": "x"},
    "l": {"type": "ListProperty", "valueList": [1, 2], "valueType": "Int", "sub": {"type": "VocabProperty", "vocab": "y"}},
    "r": {"type": "ListRelationship", "objectList": [{"object": "urn:b"}], "objectType": "T"},
}  # fmt: skip


def test_the_current_version_is_left_alone() -> None:
    assert amended(ENTITY, (1, 9)) is ENTITY


def test_what_1_8_does_not_know() -> None:
    shown = amended(ENTITY, (1, 8))
    assert "expiresAt" not in shown and "valueType" not in shown["l"]
    assert shown["m"] == ENTITY["m"] and shown["r"] == ENTITY["r"] and shown["j"] == ENTITY["j"]


def test_what_1_3_does_not_know() -> None:
    shown = amended(ENTITY, (1, 3))
    assert "scope" not in shown and shown["type"] == ["A", "B"]
    assert shown["p"] == ENTITY["p"]
    assert shown["m"] == {"type": "Property", "value": {"en": "x"}, "previousValue": {"en": "y"}}
    assert shown["j"] == {"type": "Property", "value": {"value": 1}}
    assert shown["l"] == {"type": "Property", "value": [1, 2], "sub": {"type": "Property", "value": "y"}}
    assert shown["r"] == {"type": "Relationship", "object": ["urn:b"]}


def test_what_1_0_does_not_know() -> None:
    shown = amended(ENTITY, (1, 0))
    assert shown["type"] == "A"
    assert shown["p"] == {"type": "Property", "value": 2}


def test_other_representations() -> None:
    assert amended({"id": "urn:a", "m": {"languageMap": {"en": "x"}}, "p": 5, "q": {"a": 1}}, (1, 3)) == {
        "id": "urn:a", "m": {"en": "x"}, "p": 5, "q": {"a": 1},
    }  # fmt: skip


def test_versions() -> None:
    assert read_version("1.6") == (1, 6) and read_version("1.10") > (1, 9)
    for wrong in ("1", "a.b", "1.", ".1", "1.2.3", "-1.0"):
        with pytest.raises(ValueError, match="not a version"):
            read_version(wrong)
