"""Temporal answers: pairs, pages, aggregations, scopes over time. Source: GS CIM 009 V1.9.1 clauses 4.5.9, 4.5.19, 6.3.10, C.5.16."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityhub.model.entity import NULL
from cityhub.model.jsonld import CORE
from cityhub.model.ngsild.scope import parse_scope_q
from cityhub.model.ngsild.temporal import Aggregation, Period, TemporalQuery
from cityhub.model.ngsild.temporal_aggregate import aggregate, aggregated_body
from cityhub.model.ngsild.temporal_page import cut
from cityhub.model.ngsild.temporal_render import instances_body, pairs_body, render_evolution
from cityhub.model.ngsild.temporal_scope import Validity
from cityhub.model.ngsild.view import View
from cityhub.model.ports import Evolution
from cityhub.model.time import to_text

START = datetime(2026, 1, 1, tzinfo=UTC)
E = Evolution("urn:e:1", ["https://uri.etsi.org/ngsi-ld/default-context/T"], to_text(START), to_text(START))


def at(minutes: float) -> str:
    return to_text(START + timedelta(minutes=minutes))


def shown(minutes: float) -> str:
    return at(minutes).replace(".000000Z", "Z")


def measured(value: Any, minutes: float, **members: Any) -> dict[str, Any]:
    time = at(minutes)
    return {"type": "Property", "value": value, "observedAt": time, "createdAt": time, "modifiedAt": time, "instanceId": f"urn:i:{minutes}", **members}


# -- Pairs and instances -------------------------------------------------------------------------------------------------


def test_pairs_stand_in_one_object_for_each_dataset() -> None:
    body = pairs_body(CORE, View(), "observedAt")
    one, other = measured(1, 0), measured(2, 1, datasetId="urn:d:1")
    assert body("https://a/s", [one]) == {"type": "Property", "values": [[1, shown(0)]]}
    assert body("https://a/s", [one, other]) == [
        {"type": "Property", "values": [[1, shown(0)]]},
        {"type": "Property", "datasetId": "urn:d:1", "values": [[2, shown(1)]]},
    ]


@pytest.mark.parametrize(
    ("instance", "expected"),
    [
        ({"type": "LanguageProperty", "languageMap": {"en": "a"}}, {"type": "LanguageProperty", "languageMaps": [[{"languageMap": {"en": "a"}}, shown(0)]]}),
        ({"type": "LanguageProperty", "languageMap": NULL}, {"type": "LanguageProperty", "languageMaps": [[{"languageMap": {"@none": NULL}}, shown(0)]]}),
        ({"type": "JsonProperty", "json": {"a": 1}}, {"type": "JsonProperty", "jsons": [[{"json": {"a": 1}}, shown(0)]]}),
        ({"type": "Relationship", "object": NULL}, {"type": "Relationship", "objects": [[NULL, shown(0)]]}),
        ({"type": "ListProperty", "valueList": [1, 2]}, {"type": "ListProperty", "valueLists": [[[1, 2], shown(0)]]}),
        ({"type": "ListRelationship", "objectList": ["urn:x:1"]}, {"type": "ListRelationship", "objectLists": [[["urn:x:1"], shown(0)]]}),
    ],
)
def test_pairs_of_every_type(instance: dict[str, Any], expected: dict[str, Any]) -> None:
    assert pairs_body(CORE, View(), "observedAt")("https://a/s", [{**instance, "observedAt": at(0), "modifiedAt": at(9)}]) == expected


def test_a_language_that_was_asked_for_makes_a_property() -> None:
    instance = {"type": "LanguageProperty", "languageMap": {"en": "a", "fr": "b"}, "observedAt": at(0), "modifiedAt": at(0)}
    assert pairs_body(CORE, View(languages=("fr",)), "observedAt")("https://a/s", [instance]) == {"type": "Property", "values": [["b", shown(0)]]}


def test_instances_are_lists_with_ids_and_the_view_chooses() -> None:
    view = View(sys_attrs=True, attrs=frozenset(("https://a/s",)))
    document = render_evolution(E, {"https://a/s": [measured(1, 1)], "https://a/t": [measured(2, 2)]}, CORE, view, instances_body(E, CORE, view))
    assert document == {
        "id": "urn:e:1", "type": "T", "createdAt": shown(0), "modifiedAt": shown(0),
        "https://a/s": [{"type": "Property", "value": 1, "observedAt": shown(1), "instanceId": "urn:i:1", "createdAt": shown(1), "modifiedAt": shown(1)}],
    }  # fmt: skip


# -- Pages ---------------------------------------------------------------------------------------------------------------


def test_a_small_answer_is_whole() -> None:
    attrs = [{"a": [measured(1, 1)], "b": [measured(1, 2)]}]
    assert cut(attrs, TemporalQuery(), 2).content_range is None


@pytest.mark.parametrize(
    ("query", "values", "content_range"),
    [
        (TemporalQuery(), [0, 1, 2], f"date-time {shown(0)}-{shown(2)}/*"),
        (TemporalQuery("after", at(-9)), [0, 1, 2], f"date-time {shown(-9)}-{shown(2)}/*"),
        (TemporalQuery("before", at(99)), [0, 1, 2], f"date-time {shown(0)}-{shown(2)}/*"),
        (TemporalQuery("between", at(-9), at(99)), [0, 1, 2], f"date-time {shown(-9)}-{shown(2)}/*"),
        (TemporalQuery(last_n=9), [7, 8, 9], f"date-time {shown(9)}-{shown(7)}/9"),
        (TemporalQuery("before", at(99), last_n=9), [7, 8, 9], f"date-time {shown(99)}-{shown(7)}/9"),
        (TemporalQuery("between", at(-9), at(99), last_n=9), [7, 8, 9], f"date-time {shown(99)}-{shown(7)}/9"),
        (TemporalQuery("after", at(-9), last_n=9), [7, 8, 9], f"date-time {shown(9)}-{shown(7)}/9"),
    ],
)
def test_a_page_says_which_span_it_covers(query: TemporalQuery, values: list[int], content_range: str) -> None:
    page = cut([{"a": [measured(minute, minute) for minute in range(10)]}], query, 3)
    assert [one["value"] for one in page.attrs[0]["a"]] == values
    assert page.content_range == content_range


def test_an_attribute_beyond_the_page_stays_empty() -> None:
    page = cut([{"a": [measured(m, m) for m in range(5)], "b": [measured(m, 100 + m) for m in range(5)]}], TemporalQuery(), 4)
    assert [len(page.attrs[0][name]) for name in "ab"] == [4, 0]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 12)), max_size=40), st.integers(1, 12), st.booleans())
def test_pages_follow_each_other_without_a_gap(points: list[tuple[str, int]], size: int, latest: bool) -> None:
    attrs: dict[str, list[Any]] = {}
    for name, minute in sorted(points, key=lambda point: point[1]):
        attrs.setdefault(name, []).append(measured(minute, minute))
    page = cut([attrs], TemporalQuery(last_n=99 if latest else None), size)
    kept = {one["observedAt"] for instances in page.attrs[0].values() for one in instances}
    count = sum(map(len, page.attrs[0].values()))
    assert count <= size or len(kept) == 1
    for name, instances in attrs.items():
        rest = [one for one in instances if one not in page.attrs[0][name]]
        assert all(one["observedAt"] < min(kept) if latest else one["observedAt"] > max(kept) for one in rest)


# -- Aggregation ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "values", "expected"),
    [
        ("totalCount", [1, "a", [1]], 3),
        ("distinctCount", [1, 1, {"a": 1, "b": 2}, {"b": 2, "a": 1}], 2),
        ("sum", [1, 2], 3),
        ("sum", [0.1] * 10, 1.0),
        ("avg", [1, 2], 1.5),
        ("min", [3, 1.5], 1.5),
        ("max", [True, False], 1),
        ("sum", [True, True, False], 2),
        ("stddev", [10, 20, 30], pytest.approx(8.16496580927726)),
        ("sumsq", [10, 20, 30], 1400),
        ("max", ["idle", "running"], "running"),
        ("sum", ["a"], None),
        ("avg", [["a"], ["a", "b"]], 1.5),
        ("stddev", [["a"]], None),
        ("min", [{"a": 1}], None),
        ("avg", [1, "a"], None),
        ("sumsq", [2**62, 2**62], 2.0**125),
        ("sum", [1e308, 1e308], None),
        ("stddev", [1e308, -1e308], None),
    ],
)
def test_methods(method: str, values: list[Any], expected: Any) -> None:
    assert aggregate(method, values) == expected


def test_periods_begin_with_the_span_or_with_the_first_instance() -> None:
    instances = [measured(10, 7), measured(20, 67), measured(30, 70), measured(40, 300)]
    hourly = Aggregation(("avg",), Period(0, 3600))
    after = aggregated_body(hourly, TemporalQuery("after", at(3)), at(7))("a", instances)
    assert after == {"type": "Property", "avg": [[10, shown(3), shown(63)], [25, shown(63), shown(123)], [40, shown(243), shown(303)]]}
    alone = aggregated_body(hourly, TemporalQuery(), at(7))("a", instances)
    assert alone["avg"][0] == [10, shown(7), shown(67)]
    between = aggregated_body(hourly, TemporalQuery("between", at(3), at(290)), at(7))("a", instances[:3])
    assert between["avg"][-1] == [25, shown(63), shown(123)]
    cut_off = aggregated_body(hourly, TemporalQuery("between", at(3), at(100)), at(7))("a", instances[:3])
    assert cut_off["avg"][-1] == [25, shown(63), shown(100)]


def test_without_a_period_there_is_one_for_all() -> None:
    instances = [measured(10, 7), measured(20, 67, datasetId="urn:d:1"), measured(30, 70)]
    whole = aggregated_body(Aggregation(("sum",)), TemporalQuery("between", at(0), at(99)), at(7))("a", instances)
    assert whole == [{"type": "Property", "sum": [[40, shown(0), shown(99)]]}, {"type": "Property", "datasetId": "urn:d:1", "sum": [[20, shown(0), shown(99)]]}]


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=30), st.sampled_from([Period(0, 60), Period(1), Period(1, 3600), Period(0, 86_400)]))
def test_every_instance_falls_into_one_period(minutes: list[int], period: Period) -> None:
    minutes = sorted(minutes)
    body = aggregated_body(Aggregation(("totalCount", "min", "max"), period), TemporalQuery(), at(minutes[0]))
    found = body("a", [measured(minute, minute) for minute in minutes])
    assert sum(figure for figure, _, _ in found["totalCount"]) == len(minutes)
    for (low, start, end), (high, _, _) in zip(found["min"], found["max"], strict=True):
        assert start <= shown(low) and shown(high) < end
    ends = [end for _, _, end in found["totalCount"]]
    starts = [start for _, start, _ in found["totalCount"]]
    assert all(end <= start for end, start in zip(ends, starts[1:], strict=False))


# -- Scopes --------------------------------------------------------------------------------------------------------------


def scope(value: list[str], minutes: float) -> dict[str, Any]:
    return {"type": "Property", "value": value, "modifiedAt": at(minutes), **({"observedAt": at(minutes)} if value else {"deletedAt": at(minutes)})}


def restricted(scopes: list[dict[str, Any]], wanted: str, query: TemporalQuery) -> list[Any]:
    attrs = {"a": [measured(minute, minute) for minute in range(0, 100, 10)]}
    return [one["value"] for one in Validity(scopes, parse_scope_q(wanted), query).restrict(attrs, query).get("a", [])]


def test_only_instances_from_when_the_scope_held_count() -> None:
    query = TemporalQuery("between", at(0), at(100))
    scopes = [scope(["/A/B"], -10), scope(["/C"], 30), scope([], 60)]
    assert restricted(scopes, "/A/#", query) == [0, 10, 20]
    assert restricted(scopes, "/C", query) == [30, 40, 50]
    assert restricted(scopes, "/#", query) == [0, 10, 20, 30, 40, 50]
    assert restricted(scopes, "/D", query) == []
    assert restricted([], "/#", query) == []
    assert restricted([scope(["/A"], 200)], "/A", query) == []


def test_a_scope_set_before_the_span_is_shown() -> None:
    query = TemporalQuery("between", at(0), at(100))
    found = Validity([scope(["/A"], -10), scope(["/B"], 200)], parse_scope_q("/A"), query).restrict({"a": [measured(1, 1)]}, query)
    assert [one["value"] for one in found["scope"]] == [["/A"]]
