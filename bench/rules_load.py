"""A district's worth of rules, and the changes that they watch: mixed kinds, each change the concern of one to five of them."""

from __future__ import annotations

from typing import Any, Final

from cityhub.model.entity import DEFAULT_VOCAB, Entity
from cityhub.model.ports import EntityUpdate
from cityhub.rules.engine.moments import text_of
from cityhub.rules.rule import Figure, Level, Near, Rule, Watch

KINDS: Final = 100
"""Types of entities; five rules watch each of them."""
THINGS: Final = 100
"""Entities of each type."""
ATTRIBUTES: Final = ("level", "flow")
"""Each update brings these two: two attribute changes."""
_LOCATION: Final = "https://uri.etsi.org/ngsi-ld/location"


def rules() -> list[Rule]:
    """Five hundred rules: of each type one of state, of an average, of a sum of a group, of silence or of nearness, and of a rate."""
    return [rule for kind in range(KINDS) for rule in _of_kind(kind)]


def _of_kind(kind: int) -> list[Rule]:
    watch = Watch(f"Kind{kind}")
    other = Watch(f"Kind{(kind + 1) % KINDS}")
    near = {"around": Figure("average", "level", over="PT10M", near=Near(other, radius_m=500.0))}
    fourth: dict[str, Any] = {"figures": near, "levels": [Level("blue", "around > 9.9 and level > 9.9")]}
    if kind % 4:
        fourth = {"figures": {"silence": Figure("age", "level")}, "levels": [Level("blue", "silence > 1800")]}
    made: list[dict[str, Any]] = [
        {"levels": [Level("red", "level > 9.99", clear="level < 8"), Level("orange", "level > 9.9 and flow > 4", hold="PT1M")]},
        {"figures": {"mean": Figure("average", "level", over="PT10M")}, "levels": [Level("yellow", "mean > 9", clear_hold="PT5M")]},
        {
            "figures": {"total": Figure("sum", "flow", over="PT1H", window="tumbling")}, "group_by": "area",
            "levels": [Level("orange", "total > 1000000")],
        },
        fourth,
        {"figures": {"rise": Figure("rate", "flow", over="PT30M")}, "levels": [Level("yellow", "rise > 100000")]},
    ]  # fmt: skip
    return [Rule(f"k{kind}-{place}", {"en": "load"}, "bench", watch, **members) for place, members in enumerate(made)]


def thing(number: int) -> tuple[str, str]:
    """Id and type (IRI) of one of the entities."""
    return f"urn:ngsi-ld:Thing:{number}", f"{DEFAULT_VOCAB}Kind{number % KINDS}"


def update(number: int, moment: int, turn: int) -> EntityUpdate:
    """What one entity says at a moment (microseconds); values wander, and a few in a thousand are high."""
    id, kind = thing(number)
    noise = (number * 7919 + turn * 104_729) % 10_007
    level = 9.995 if noise < 20 else noise / 1_112
    attributes = {
        DEFAULT_VOCAB + name: [{"type": "Property", "value": value, "observedAt": text_of(moment)}]
        for name, value in zip(ATTRIBUTES, (level, noise % 50 / 10), strict=True)
    }
    return EntityUpdate(id, [kind], attributes)


def first(number: int, moment: int) -> EntityUpdate:
    """The same the first time, with what does not change: where it is, and to what area it belongs."""
    base = update(number, moment, 0)
    place = {"type": "Point", "coordinates": [108.7 + number % 97 / 500, 29.5 + number % 89 / 500]}
    fixed = {
        _LOCATION: [{"type": "GeoProperty", "value": place}],
        DEFAULT_VOCAB + "area": [{"type": "Property", "value": f"area {number % 20}"}],
    }
    return EntityUpdate(base.id, base.types, {**base.attributes, **fixed})


def entity(update: EntityUpdate, moment: int) -> Entity:
    """The entity that an update makes."""
    at = text_of(moment)
    return {"id": update.id, "type": update.types, "attrs": update.attributes, "createdAt": at, "modifiedAt": at}
