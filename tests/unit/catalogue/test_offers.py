"""What the hub offers: the lake's own columns in the catalogue's words."""

from __future__ import annotations

import pytest

from cityhub.catalogue.lake_words import LAKE


def test_the_lakes_tables_are_told_as_they_are() -> None:
    schema = pytest.importorskip("cityhub.history.lake.schema")
    kinds = {"string": "text", "timestamptz": "datetime", "double": "number", "long": "integer", "int": "integer"}
    for name, table in (("observations", schema.OBSERVATIONS_SCHEMA), ("entity_versions", schema.ENTITY_VERSIONS_SCHEMA)):
        told = [(field.name, field.type) for field in LAKE[name][2]]
        assert told == [(field.name, kinds[str(field.field_type)]) for field in table.fields]
