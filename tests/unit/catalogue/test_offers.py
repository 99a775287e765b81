"""What the hub offers: the lake's own columns in the catalogue's words."""

from __future__ import annotations

import pytest

from cityhub.catalogue.lake_words import LAKE
from cityhub.catalogue.offers import ID, lake_tables, view_of
from cityhub.model.ports import OfferedDataset, OfferedField


def test_the_lakes_tables_are_told_as_they_are() -> None:
    schema = pytest.importorskip("cityhub.history.lake.schema")
    kinds = {"string": "text", "timestamptz": "datetime", "double": "number", "long": "integer", "int": "integer"}
    for name, table in (("observations", schema.OBSERVATIONS_SCHEMA), ("entity_versions", schema.ENTITY_VERSIONS_SCHEMA)):
        told = [(field.name, field.type) for field in LAKE[name][2]]
        assert told == [(field.name, kinds[str(field.field_type)]) for field in table.fields]


def test_a_type_has_a_view_of_its_past_and_the_tables_are_made_of_all() -> None:
    fields = [ID, OfferedField("name", iri="n"), OfferedField("location", "geometry", iri="l"), OfferedField("level", "number", {}, "MTR", "v")]
    types = [OfferedDataset("entity type", f"https://example.org/{name}", fields=fields, facts={"simulated": True}) for name in "AB"]
    view = view_of(types[0])
    assert view.statement == 'SELECT * FROM "A"'
    assert [field.name for field in view.fields] == ["entity", "time", "name", "location_lon", "location_lat", "level"]
    assert view.upstream == [("entity type", "https://example.org/A"), ("lake table", "observations")]
    assert [table.upstream for table in lake_tables(types)] == [[("entity type", offer.key) for offer in types]] * 2
