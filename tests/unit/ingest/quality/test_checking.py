"""Checks of values against range, past and clock; flags, score and memory."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityhub.ingest.feed import Check, Feed
from cityhub.ingest.quality import FLAGS, Quality, checks_of
from cityhub.ingest.quality.trace import DAY_S, LEAST_OF_DAY
from cityhub.model.errors import BadRequestData
from cityhub.model.ports import EntityUpdate
from cityhub.model.time import to_text

START = 1_795_363_200.0  # 2026-11-23 00:00 in China
LEVEL = "https://example.org/level"


def names(name: str) -> str:
    return f"https://example.org/{name}"


def moment(at: float) -> str:
    from datetime import UTC, datetime

    return to_text(datetime.fromtimestamp(at, UTC))


class Gauge:
    """A gauge whose values are checked; it tells the flags of each."""

    def __init__(self, quality: Quality, id: str = "urn:x:1") -> None:
        self.quality, self.id = quality, id

    def says(self, value: Any, at: float, *, arrived: float | None = None, **more: Any) -> list[str]:
        update = EntityUpdate(self.id, ["urn:t"], {LEVEL: [{"type": "Property", "value": value, "observedAt": moment(at), **more}]})
        (found,) = self.quality.flag([update], moment(at if arrived is None else arrived))
        instance = found.attributes[LEVEL][0]
        assert instance["value"] == value or value != value  # nothing is ever changed or left out
        flags = instance.get("attrs", {}).get(names("quality"), [{"value": []}])[0]["value"]
        assert set(flags) <= set(FLAGS)
        assert (found is update) == (not flags) or "attrs" in more
        assert self.quality.is_flagged(found) == bool(flags)
        return list(flags)


def gauge(skew_s: float = 60.0, things: int = 100, **check: Any) -> Gauge:
    return Gauge(Quality({LEVEL: Check(**check)}, skew_s, names("quality"), things))


def test_range() -> None:
    checked = gauge(minimum=0, maximum=10)
    assert [checked.says(value, START + number) for number, value in enumerate([0, 10, 10.1, -0.1, "20", True])] == [[], [], ["range"], ["range"], [], []]


def test_jump_is_by_time_and_against_the_last_plausible_value() -> None:
    checked = gauge(jump=0.1)
    assert checked.says(4.0, START) == []
    assert checked.says(4.9, START + 10) == []
    assert checked.says(99.0, START + 20) == ["jump"]
    assert checked.says(5.0, START + 30) == []  # not flagged for coming back
    assert checked.says(9.0, START + 35) == ["jump"]
    assert checked.says(9.0, START + 75) == []  # slowly it may have got there
    assert checked.says(0.0, START + 50) == []  # late: no rate backwards


def test_stuck() -> None:
    checked = gauge(stuck_s=3600)
    assert [checked.says(4.0, START + 1800 * number) for number in range(4)] == [[], [], [], ["stuck"]]
    assert checked.says(4.1, START + 9000) == []
    assert checked.says(4.1, START + 9001) == []


def test_drift() -> None:
    checked = gauge(drift=0.5)
    flags = []
    for day, mean in enumerate([4.0, 4.1, 3.9, 4.0, 4.9]):
        for number in range(24):
            flags.append(checked.says(mean + 0.01 * (number % 3 - 1), START + day * DAY_S + number * 3600))
    assert not any(flags[: 4 * 24 + LEAST_OF_DAY - 1])
    assert flags[4 * 24 + LEAST_OF_DAY - 1 :] == [["drift"]] * (24 - LEAST_OF_DAY + 1)
    assert checked.says(3.0, START + 1) == []  # late: its day is counted already


def test_drift_needs_a_day_with_enough_values() -> None:
    checked = gauge(drift=0.5)
    for number in range(LEAST_OF_DAY - 1):
        checked.says(4.0, START + number)
    assert not any(checked.says(9.0, START + DAY_S + number) for number in range(20))


def test_clock() -> None:
    checked = gauge(skew_s=60)
    assert checked.says(1, START + 59, arrived=START) == []
    assert checked.says(1, START + 61, arrived=START) == ["clock"]
    other = Gauge(Quality({}, 60, names("quality")))
    assert other.says(1, START + 61, arrived=START) == ["clock"]  # without any check for the attribute, too


def test_duplicates() -> None:
    checked = gauge(maximum=10)
    assert checked.says(1, START) == []
    assert checked.says(2, START + 60) == []
    assert checked.says(1, START) == ["duplicate"]
    assert checked.says(11, START + 60) == ["duplicate", "range"]
    assert gauge(repeats=False).says(1, START) == []
    again = gauge(repeats=False)
    assert [again.says(1, START), again.says(1, START)] == [[], []]


def test_flags_join_those_of_the_mapping() -> None:
    checked = gauge(maximum=1)
    mark = {names("quality"): [{"type": "Property", "value": ["outside"]}], names("simulated"): [{"type": "Property", "value": True}]}
    assert checked.says(5, START, attrs=mark) == ["outside", "range"]
    assert mark[names("quality")] == [{"type": "Property", "value": ["outside"]}]


def test_datasets_have_their_own_past() -> None:
    checked = gauge(jump=0.1)
    assert checked.says(4.0, START) == []
    assert checked.says(90.0, START + 1, datasetId="urn:d") == []
    assert checked.says(4.0, START + 1) == []


def test_score() -> None:
    checked = gauge(maximum=10)
    assert checked.quality.score() == checked.quality.score("urn:x:1") == 1.0
    for number in range(4):
        checked.says(20 if number == 3 else 1, START + number)
    assert checked.quality.score("urn:x:1") == pytest.approx(0.75)
    assert checked.quality.score() == pytest.approx(0.75)
    for number in range(500):
        checked.says(1, START + 10 + number)
    assert checked.quality.score("urn:x:1") > 0.98


def test_memory_is_bounded() -> None:
    quality = Quality({LEVEL: Check(jump=0.1)}, 60, names("quality"), things=3)
    for number in range(5):
        Gauge(quality, f"urn:x:{number}").says(1, START)
    assert list(quality.snapshot()["things"]) == ["urn:x:2", "urn:x:3", "urn:x:4"]
    checked = Gauge(quality, "urn:x:4")
    for number in range(500):
        checked.says(number, START, datasetId=f"urn:d:{number}")
    assert len(json.dumps(quality.snapshot())) < 20_000


def test_what_is_remembered_can_be_kept() -> None:
    checked = gauge(jump=0.1, stuck_s=100, drift=1)
    for number in range(30):
        checked.says(4.0 + number % 2, START + number * 60)
    kept = json.loads(json.dumps(checked.quality.snapshot()))
    again = gauge(jump=0.1, stuck_s=100, drift=1)
    again.quality.restore(kept)
    assert again.quality.snapshot() == checked.quality.snapshot()
    assert again.says(99.0, START + 1801) == checked.says(99.0, START + 1801) == ["jump"]
    without = Quality({}, 60, names("quality"))
    without.restore(kept)
    assert without.snapshot()["things"]["urn:x:1"][2] == {}


@pytest.mark.parametrize("snapshot", [{}, {"score": 1, "things": {}}, {"score": [1, 2], "things": {"a": [1, 2, {LEVEL: [1]}]}}, {"score": [1, 2], "things": []}, {"score": ["x", 2], "things": {}}])
def test_what_is_no_snapshot(snapshot: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a snapshot"):
        gauge().quality.restore(snapshot)


def feed(**more: Any) -> Feed:
    entity = {"type": "Gauge", "id": '"urn:x"', "attributes": {"level": {"value": "v"}}}
    return msgspec.convert({"id": "f", "protocol": "http", "entities": [entity], **more}, Feed)


def test_checks_of_a_feed() -> None:
    assert Gauge(checks_of(feed(checks={"level": {"maximum": 3}}, skew_s=5), names)).says(4, START) == ["range"]


@pytest.mark.parametrize(("checks", "reason"), [
    ({"depth": {}}, "no mapping writes; the attributes are level"), ({"level": {"minimum": 3, "maximum": 2}}, "'minimum' must not be above"), ({"level": {"jump": -1}}, "'jump' must not be negative"),
])  # fmt: skip
def test_checks_that_contradict_themselves(checks: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadRequestData, match=reason):
        checks_of(feed(checks=checks), names)


@given(st.lists(st.tuples(st.one_of(st.floats(), st.integers(), st.none(), st.text(max_size=3), st.lists(st.integers())), st.floats(0, 1e9)), max_size=40))
def test_nothing_is_lost_and_nothing_fails(values: list[tuple[Any, float]]) -> None:
    checked = gauge(minimum=0, maximum=100, jump=1, stuck_s=60, drift=1)
    for value, at in values:
        checked.says(value, at)
    assert 0.0 <= checked.quality.score() <= 1.0
    again = gauge(minimum=0, maximum=100, jump=1, stuck_s=60, drift=1)
    again.quality.restore(checked.quality.snapshot())


def test_what_is_delivered_again_is_no_duplicate() -> None:
    quality = gauge(maximum=10).quality
    update = EntityUpdate("urn:x:1", ["urn:t"], {LEVEL: [{"type": "Property", "value": 1, "observedAt": moment(START)}]})
    assert quality.flag([update], moment(START)) == [update]
    assert quality.flag([update], moment(START), redelivered=True) == [update]
    assert quality.is_flagged(quality.flag([update], moment(START))[0])
