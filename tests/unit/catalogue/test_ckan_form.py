"""A dataset goes into CKAN's form and comes back the same."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityhub.catalogue.ckan_errors import ValidationError
from cityhub.catalogue.ckan_form import agency_form, agency_of, dataset_of, package_of, theme_form, theme_of
from cityhub.catalogue.model import Agency, Dataset, Distribution, Field, Relation, Rule, Theme
from cityhub.catalogue.register import Contents

AGENCY = Agency(id="agency-1", name="water-bureau", title={"zh": "水利局", "en": "Water Bureau"}, code="11500114MB0000000X")
THEME = Theme(id="theme-1", name="rivers", title={"zh": "河湖"}, concept="http://publications.europa.eu/resource/authority/data-theme/ENVI")
CONTENTS = Contents(1, [], [AGENCY], [THEME])
BASE = "http://hub.example"
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)
NAMES = st.fixed_dictionaries({"zh": TEXT}, optional={"en": TEXT})
TIME = "2026-11-23T06:05:00.123456Z"


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    """Datasets of all kinds."""
    distributions = [
        Distribution(
            id=f"resource-{number}", name=draw(TEXT), url=draw(st.sampled_from(["", "/api/x", "https://data.example/a.csv"])),
            format=draw(st.sampled_from(["", "CSV", "XLSX"])), size=draw(st.none() | st.integers(0, 10**9)),
            created=draw(st.sampled_from(["", "2026-01-01T00:00:00.000000Z"])), extras=draw(st.dictionaries(st.sampled_from(["language", "note"]), TEXT)),
        )
        for number in range(draw(st.integers(0, 3)))
    ]  # fmt: skip
    return Dataset(
        id="dataset-1", name="river-levels", title=draw(NAMES), description=draw(NAMES), owner=draw(st.sampled_from(["", "agency-1"])),
        author=draw(st.just("") | TEXT), contact=draw(st.just("") | TEXT), source=draw(st.just("") | TEXT), licence=draw(st.sampled_from(["notspecified", "cc-by-4.0"])),
        code=draw(st.just("") | TEXT), category=draw(st.sampled_from(["basic", "theme", "department"])), share=draw(st.sampled_from(["unconditional", "conditional", "none"])),
        share_condition=draw(st.just("") | TEXT), open=draw(st.booleans()), cycle=draw(st.sampled_from(["realtime", "daily", "once"])),
        period_s=draw(st.none() | st.floats(1, 1e6)), issued=draw(st.sampled_from(["", "2026-11-23"])), related=draw(st.lists(TEXT, max_size=2)),
        grade=draw(st.sampled_from(["general", "important", "core"])), private=draw(st.booleans()), simulated=draw(st.booleans()),
        bbox=draw(st.none() | st.just((108.5, 29.0, 109.0, 30.0))), themes=draw(st.sampled_from([[], ["rivers"]])), tags=sorted(draw(st.sets(TEXT.map(str.strip).filter(bool), max_size=3))),
        fields=draw(st.sampled_from([[], [Field("level", "number", {"zh": "水位"}, "MTR")]])), rules=draw(st.sampled_from([[], [Rule("between", "level", 0.0, 10.0)]])),
        distributions=distributions, relations=draw(st.sampled_from([[], [Relation("derives_from", "other", "why")]])),
        created=TIME, modified=TIME, extras=draw(st.dictionaries(st.sampled_from(["harvest_note", "来源系统"]), TEXT)),
    )  # fmt: skip


@given(datasets())
def test_there_and_back_changes_nothing(dataset: Dataset) -> None:
    package = package_of(dataset, CONTENTS, BASE)
    assert dataset_of(package, dataset, CONTENTS, BASE) == dataset
    # A catalogue that knows nothing of it makes the same package of it.
    again = dataset_of(package, None, CONTENTS, BASE)
    assert package_of(again, CONTENTS, BASE) == package
    assert msgspec.json.decode(msgspec.json.encode(package)) == package


def test_agencies_and_themes_there_and_back() -> None:
    assert agency_of(agency_form(AGENCY, 3), AGENCY) == AGENCY
    assert theme_of(theme_form(THEME, 0), THEME) == THEME


@pytest.mark.parametrize(
    ("package", "member"),
    [
        ({}, "name"), ({"name": "UPPER"}, "name"), ({"name": "a"}, "name"), ({"name": "ok-name", "owner_org": "nobody"}, "owner_org"),
        ({"name": "ok-name", "groups": [{"name": "nothing"}]}, "groups"), ({"name": "ok-name", "tags": "水位"}, "tags"),
        ({"name": "ok-name", "resources": ["x"]}, "resources"), ({"name": "ok-name", "extras": [{"value": 1}]}, "extras"),
        ({"name": "ok-name", "extras": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]}, "extras"),
        ({"name": "ok-name", "extras": [{"key": "share_type", "value": "maybe"}]}, "share_type"),
        ({"name": "ok-name", "extras": [{"key": "information_items", "value": "{"}]}, "extras"),
        ({"name": "ok-name", "tags": [{"name": "x" * 101}]}, "tags"), ({"name": "ok-name", "title": 5}, "title"),
        ({"name": "ok-name", "private": "perhaps"}, "private"), ({"name": "ok-name", "state": "gone"}, "state"),
        ({"name": "ok-name", "relationships_as_subject": [{"type": "loves", "object": "x"}]}, "relations"),
    ],
)  # fmt: skip
def test_faults_are_named_by_member(package: dict[str, Any], member: str) -> None:
    with pytest.raises(ValidationError) as fault:
        dataset_of(package, None, CONTENTS, BASE)
    assert list(fault.value.faults) == [member]


def test_foreign_packages_keep_what_the_catalogue_does_not_know() -> None:
    package = {
        "name": "from-elsewhere", "title": "别处", "extras": [{"key": "spatial", "value": '{"type":"Point","coordinates":[1,2]}'}],
        "resources": [{"url": "https://data.example/a b.csv", "qualität": "gut", "format": "csv"}],
    }  # fmt: skip
    dataset = dataset_of(package, None, CONTENTS, BASE)
    assert not dataset.open
    assert dataset.extras == {"spatial": '{"coordinates":[1,2],"type":"Point"}'}
    assert dataset.distributions[0].extras == {"qualität": "gut"}
