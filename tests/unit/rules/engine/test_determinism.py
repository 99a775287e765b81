"""The same journal gives the same signals: in whatever blocks it is read, across restarts anywhere, and, within lateness, in any order."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from cityhub.model.change import Entry
from cityhub.model.jsonld import CORE
from cityhub.rules.engine.compiling import compile_rule
from cityhub.rules.engine.engine import Engine
from cityhub.rules.engine.moments import SECOND
from cityhub.rules.engine.state import EngineState, frozen, thaw
from cityhub.rules.rule import Figure, Level, Near, Rule, Watch
from cityhub.rules.sentinel_port import Signal
from tests.unit.rules.engine.scene import NOON, ZONE, Script, point, red, rule

NEAR = Near(Watch("Pump"), radius_m=500.0)
RULES: list[Rule] = [
    rule(red("level > 7", hold="PT1M", clear="level < 4"), Level("blue", "level > 5", clear_hold="PT30S"), id="state"),
    rule(red("mean > 6"), id="sliding", figures={"mean": Figure("average", "level", over="PT2M")}),
    rule(red("most - least > 5"), id="extremes", figures={
        "most": Figure("maximum", "level", over="PT2M"), "least": Figure("minimum", "level", over="PT2M")}),
    rule(red("total > 12"), id="group", group_by="area", figures={"total": Figure("sum", "level", over="PT5M")}),
    rule(red("n > 2"), id="session", figures={"n": Figure("count", "level", over="PT20S", window="session")}),
    rule(red("middle > 6"), id="tumbling", figures={"middle": Figure("median", "level", over="PT1M", window="tumbling")}),
    rule(red("silence > 45"), id="silence", figures={"silence": Figure("age", "level")}),
    rule(red("around > 12"), id="near", figures={"around": Figure("sum", "level", near=NEAR, over="PT3M")}),
    rule(red("level > 5"), id="linked", watches=Watch("Gauge", q="basin{Basin:wet}==true")),
]  # fmt: skip


def engine() -> Engine:
    """An engine with all kinds of rules."""
    made = Engine()
    made.arrange([compile_rule(one, CORE, ZONE) for one in RULES])
    return made


def again(former: Engine) -> Engine:
    """What another process makes of an engine's checkpoint."""
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(frozen(former)), type=EngineState)
    made = engine()
    thaw(made, kept)
    return made


said = st.tuples(
    st.sampled_from(["g1", "g2", "g3", "p1", "p2", "basin", "gone"]), st.integers(0, 9), st.integers(0, 40), st.integers(0, 60),
)  # fmt: skip
stories = st.lists(said, min_size=1, max_size=60)


def written(story: list[tuple[str, int, int, int]]) -> list[Entry]:
    """A journal of a story: who says what, how long after the one before, and how late."""
    script, now = Script(), 0
    script.say("urn:basin", 0, kind="Basin", wet=True)
    newest: dict[str, int] = {}
    for id, value, pause, late in story:
        now += pause
        if id == "gone":
            if "g3" in newest:
                script.delete("g3", now)
                del newest["g3"]
        elif id == "basin":
            script.say("urn:basin", now, kind="Basin", wet=value > 4)
        elif now - late < newest.get(id, -1):
            script.say_late(id, now - late, now, kind=_kind(id), level=value)
        else:
            newest[id] = now - late
            fixed: dict[str, Any] = {"area": "x", "basin": "urn:basin", "location": point(108.7, 29.5)}
            script.say(id, now - late, now, kind=_kind(id), level=value, **fixed)
    return script.entries


def _kind(id: str) -> str:
    return "Pump" if id.startswith("p") else "Gauge"


def whole(entries: list[Entry]) -> list[Signal]:
    """The signals of a journal that is read at once, and of an hour without anything."""
    made = engine()
    return made.take(entries) + made.tick(NOON + 10_000 * SECOND)


@given(stories, st.lists(st.integers(1, 7), min_size=1), st.data())
@settings(max_examples=60, deadline=None)
def test_blocks_and_restarts_change_nothing(story: list[tuple[str, int, int, int]], sizes: list[int], data: st.DataObject) -> None:
    entries = written(story)
    expected = whole(entries)
    running, signals, place = engine(), [], 0
    while place < len(entries):
        size = sizes[place % len(sizes)]
        if data.draw(st.booleans()):
            running = again(running)
        signals += running.take(entries[place : place + size])
        place += size
    assert signals + again(running).tick(NOON + 10_000 * SECOND) == expected


@given(stories, st.integers(0, 60), st.integers(0, 60))
@settings(max_examples=40, deadline=None)
def test_what_is_read_again_after_a_crash_is_said_again_word_for_word(story: list[tuple[str, int, int, int]], kept: int, read: int) -> None:
    entries = written(story)
    before, told = engine(), {}
    kept, read = sorted((min(kept, len(entries)), min(read, len(entries))))
    for one in before.take(entries[:kept]):
        told[one.alert, one.step] = one
    after = again(before)
    for one in before.take(entries[kept:read]):
        told[one.alert, one.step] = one
    for one in after.take(entries[kept:]):
        assert told.setdefault((one.alert, one.step), one) == one
    assert list(told.values()) == engine().take(entries)


@given(st.permutations(list(enumerate([3, 9, 4, 1, 7, 5, 8, 2, 6, 0]))))
@settings(max_examples=60, deadline=None)
def test_the_order_within_lateness_changes_no_window_and_no_alert_in_the_end(order: list[tuple[int, int]]) -> None:
    """It holds for rules whose condition is of windows, without hold and hysteresis: these are about the way, not only the end."""
    functions = ["sum", "average", "minimum", "maximum", "count", "median", "stddev", "first", "last", "increase"]
    figures = {name: Figure(name, "level", over="PT1M") for name in functions}  # type: ignore[arg-type]
    figures |= {"visit": Figure("count", "level", over="PT15S", window="session")}
    asked = rule(red("sum > 20 and last < 5"), figures=figures, lateness="PT10M")
    ends = []
    for sequence in (sorted(order), order):
        made, script, newest = Engine(), Script(), -1
        made.arrange([compile_rule(asked, CORE, ZONE)])
        for turn, (place, value) in enumerate(sequence):
            if place < newest:
                script.say_late("g", place * 10, 100 + turn, level=value)
            else:
                script.say("g", place * 10, 100 + turn, level=value)
            newest = max(newest, place)
        made.take(script.entries)
        subject = made.rules["r"].subjects["g"]
        ends.append(({name: subject.context[name] for name in figures}, bool(subject.alert)))
    assert ends[0] == ends[1]
