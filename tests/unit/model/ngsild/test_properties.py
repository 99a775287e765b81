"""Properties that hold for every entity: round trips, and transitions that never change what they are given."""

from __future__ import annotations

import copy
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cityhub.model.entity import NULL, Entity
from cityhub.model.errors import CityHubError
from cityhub.model.jsonld import term_map
from cityhub.model.ngsild import merge
from cityhub.model.ngsild.geojson import render_feature
from cityhub.model.ngsild.language import parse_languages
from cityhub.model.ngsild.parse import parse_attribute, parse_entity, parse_fragment
from cityhub.model.ngsild.patch import merge_entity
from cityhub.model.ngsild.render import render_entity
from cityhub.model.ngsild.view import CONCISE, NORMALIZED, SIMPLIFIED, View, parse_projection

T0, T1 = "2026-01-01T00:00:00.000000Z", "2026-01-02T00:00:00.000000Z"
TERMS = term_map({"水位": "https://example.org/level", "ex": "https://example.org/", "b": "https://example.org/b"})

NAMES = st.sampled_from(["a", "b", "水位", "ex:c", "https://example.org/d", "name", "urn:x:y"])
KEYS = st.sampled_from(["k", "b", "水位", "type", "value", "object", "json", "datasetId", "observedAt", "k k", "", "languageMap"])
URIS = st.sampled_from(["urn:ngsi-ld:A:1", "https://example.org/x", "urn:区:1"])
TIMES = st.sampled_from(["2026-11-23T06:05:00Z", "2026-11-23T06:05:00.000Z", "2026-11-23T06:05:00,5Z", "2026-11-23T06:05:00.1234567Z"])
SCALARS = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5), URIS, TIMES
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)), max_leaves=6
)
POSITIONS = st.lists(st.floats(-90, 90), min_size=2, max_size=3)
GEOMETRIES = st.one_of(
    st.builds(lambda at: {"type": "Point", "coordinates": at}, POSITIONS),
    st.builds(lambda line: {"type": "LineString", "coordinates": line}, st.lists(POSITIONS, min_size=2, max_size=4)),
    st.builds(lambda ring: {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}, st.lists(POSITIONS, min_size=3, max_size=4)),
)
LANGUAGES = st.dictionaries(st.sampled_from(["zh", "en-US", "@none"]), st.one_of(st.text(max_size=3), st.lists(st.text(max_size=3), min_size=1)), min_size=1)
JSON_OBJECTS = st.dictionaries(KEYS, st.one_of(st.none(), VALUES), max_size=3)
WORDS = st.sampled_from(["red", "b", "ex:c"])


def _instances(subs: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    common: dict[str, Any] = {"observedAt": TIMES, "expiresAt": TIMES}
    value = {"unitCode": st.just("MTR"), "valueType": st.just("xsd:double"), **common}
    link = {"objectType": st.one_of(WORDS, st.lists(WORDS, min_size=2, max_size=2, unique=True)), **common}

    def of(kind: str, optional: dict[str, Any], **needed: Any) -> st.SearchStrategy[dict[str, Any]]:
        body = st.fixed_dictionaries({"type": st.just(kind), **needed}, optional=optional)
        return st.builds(lambda members, more: {**more, **members}, body, subs)

    return st.one_of(
        of("Property", value, value=VALUES),
        of("GeoProperty", common, value=GEOMETRIES),
        of("Relationship", link, object=st.one_of(URIS, st.lists(URIS, min_size=1, max_size=2))),
        of("LanguageProperty", common, languageMap=LANGUAGES),
        of("JsonProperty", common, json=st.one_of(JSON_OBJECTS, st.lists(JSON_OBJECTS, max_size=2))),
        of("VocabProperty", common, vocab=st.one_of(WORDS, st.lists(WORDS, min_size=1, max_size=2))),
        of("ListProperty", value, valueList=st.lists(VALUES, max_size=3)),
        of("ListRelationship", link, objectList=st.lists(st.builds(lambda uri: {"object": uri}, URIS), max_size=2)),
    )


def _attribute(instances: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[Any]:
    def spread(found: list[dict[str, Any]]) -> Any:
        several = [{**one, "datasetId": f"urn:d:{number}"} if number else one for number, one in enumerate(found)]
        return several if len(several) > 1 else several[0]

    return st.builds(spread, st.lists(instances, min_size=1, max_size=3))


LEAVES = _attribute(_instances(st.just({})))
ATTRIBUTES = st.dictionaries(NAMES, _attribute(_instances(st.dictionaries(NAMES, LEAVES, max_size=1))), max_size=3)
ENTITIES = st.builds(
    lambda attributes, more: {"id": "urn:ngsi-ld:T:1", "type": "T", **attributes, **more},
    ATTRIBUTES,
    st.fixed_dictionaries({}, optional={"scope": st.just("/a/b"), "expiresAt": TIMES, "type": st.just(["T", "ex:U"])}),
)


def _is_plain(value: Any) -> bool:
    """Whether a value, simplified, does not look like that of a LanguageProperty or JsonProperty."""
    return not isinstance(value, dict) or list(value) not in (["languageMap"], ["json"])


KEY_VALUES = st.builds(
    lambda attributes: {"id": "urn:ngsi-ld:T:1", "type": "T", **attributes},
    st.dictionaries(NAMES, st.one_of(VALUES.filter(_is_plain), GEOMETRIES, LANGUAGES.map(lambda one: {"languageMap": one})), max_size=3),
)
# Fragments as clients may send them, with nulls anywhere, most of them broken.
LOOSE = st.recursive(
    st.one_of(SCALARS, st.none(), st.just(NULL), GEOMETRIES),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(NAMES, st.sampled_from(["type", "value", "object", "languageMap", "json", "vocab", "valueList", "objectList",
                                              "observedAt", "unitCode", "datasetId", "objectType", "expiresAt", "scope", "id", "@type"])),
            st.one_of(inner, st.sampled_from(["Property", "Relationship", "LanguageProperty", "GeoProperty", "JsonProperty", NULL])),
            max_size=4,
        ),
    ),
    max_leaves=10,
)  # fmt: skip
FRAGMENTS = st.one_of(ATTRIBUTES, st.dictionaries(NAMES, LOOSE, max_size=3), LOOSE)


def read(document: Any, **settings_: Any) -> Entity | None:
    """The parsed document; None where keys inside a value mean the same."""
    try:
        return parse_entity(document, TERMS, **settings_)
    except CityHubError as error:
        assert "mean the same" in error.detail, error.detail
        return None


checked = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
thoroughly = settings(checked, max_examples=300)


@checked
@given(ENTITIES)
def test_normalized_and_concise_lose_nothing(document: dict[str, Any]) -> None:
    entity = read(document)
    if entity is not None:
        for view in (View(sys_attrs=True), View(format="concise", sys_attrs=True)):
            rendered = orjson.loads(orjson.dumps(render_entity(entity, TERMS, view)))
            assert parse_entity(rendered, TERMS) == entity


@checked
@given(KEY_VALUES)
def test_simplified_gives_back_what_came(document: dict[str, Any]) -> None:
    entity = read(document, simplified=True)
    if entity is not None:
        again = render_entity(parse_entity(render_entity(entity, TERMS, SIMPLIFIED), TERMS, simplified=True), TERMS, SIMPLIFIED)
        assert again == render_entity(entity, TERMS, SIMPLIFIED)


VIEWS = [
    NORMALIZED, CONCISE, SIMPLIFIED, View(sys_attrs=True), View(languages=parse_languages("zh,*;q=0.1")),
    View(format="simplified", languages=parse_languages("en")), View(pick=parse_projection("id,a{b},name", TERMS, "pick")),
    View(omit=parse_projection("a", TERMS, "omit"), join_level=2), View(dataset_ids=frozenset(("urn:d:1", "@none"))),
]  # fmt: skip


@checked
@given(ENTITIES, st.sampled_from(VIEWS))
def test_rendering_changes_nothing_and_is_json(document: dict[str, Any], view: View) -> None:
    entity = read(document)
    if entity is not None:
        current = merge.create(entity, T0)
        before = copy.deepcopy(current)
        orjson.dumps([render_entity(current, TERMS, view, {"urn:ngsi-ld:A:1": current}), render_feature(current, TERMS, view)])
        assert current == before


@thoroughly
@given(ENTITIES, FRAGMENTS, st.booleans())
def test_writes_change_nothing_that_they_are_given(document: dict[str, Any], body: Any, simplified: bool) -> None:
    entity = read(document)
    if entity is None:
        return
    current = merge.create(entity, T0)
    before, body_before = copy.deepcopy(current), copy.deepcopy(body)
    for after in _written(current, body, simplified):
        assert (after["id"], after["createdAt"]) == (current["id"], T0)
        assert after is current or after["modifiedAt"] == T1
        document = render_entity(after, TERMS, View(sys_attrs=True))
        assert NULL not in orjson.dumps(_without_json(document)).decode()
        parse_entity(document, TERMS)
    assert current == before
    assert body == body_before


def _written(current: Entity, body: Any, simplified: bool) -> Any:
    """What each operation makes of the body, where it takes it."""
    for nulls, partial in ((False, False), (True, False), (True, True)):
        try:
            fragment = parse_fragment(body, TERMS, nulls=nulls, partial=partial, simplified=simplified)
        except CityHubError:
            continue
        kept = copy.deepcopy(fragment.attrs)
        try:
            if partial:
                yield merge_entity(current, fragment, T1, TERMS, T1, "zh")
            elif nulls:
                yield merge.update_attributes(current, fragment, T1)[0]
            else:
                yield merge.append_attributes(current, fragment, T1, True)[0]
                yield merge.append_attributes(current, fragment, T1, False)[0]
                yield merge.replace_entity(current, {"id": "", "type": [], "attrs": fragment.attrs}, T1)
        except CityHubError:
            pass
        assert fragment.attrs == kept
    for name in ("a", "b", "name"):
        try:
            instances = parse_attribute(name, body, TERMS, nulls=True, partial=True, simplified=simplified)
            yield merge.partial_update(current, TERMS.expand(name), instances, T1, TERMS)
            yield merge.replace_attribute(current, TERMS.expand(name), parse_attribute(name, body, TERMS), T1)
            yield merge.set_value(current, TERMS.expand(name), body, T1, TERMS)
            yield merge.delete_attribute(current, TERMS.expand(name), None, False, T1)
        except CityHubError:
            continue


def _without_json(document: Any) -> Any:
    """A document without the content of JsonProperties, which may hold anything."""
    if isinstance(document, dict):
        return {key: _without_json(value) for key, value in document.items() if key != "json"}
    return [_without_json(item) for item in document] if isinstance(document, list) else document


@thoroughly
@given(LOOSE, st.booleans(), st.booleans())
def test_whatever_comes_in_is_read_or_refused(document: Any, simplified: bool, wrapped: bool) -> None:
    if wrapped or not isinstance(document, dict):
        document = {"id": "urn:a:b", "type": "T", "a": document}
    before = copy.deepcopy(document)
    try:
        entity = parse_entity(document, TERMS, simplified=simplified)
        orjson.dumps(render_entity(entity, TERMS))
        assert parse_entity(render_entity(entity, TERMS), TERMS)["attrs"] == entity["attrs"]
    except CityHubError:
        pass
    assert document == before


@checked
@given(ENTITIES)
def test_writing_the_same_again_gives_the_same_content(document: dict[str, Any]) -> None:
    entity = read(document)
    if entity is not None:
        current = merge.create(entity, T0)
        fragment = parse_fragment(render_entity(current, TERMS, View(sys_attrs=True)), TERMS, nulls=True, partial=True)
        for after in (merge.replace_entity(current, entity, T1), merge_entity(current, fragment, T1, TERMS)):
            assert render_entity(after, TERMS, View()) == render_entity(current, TERMS, View())
