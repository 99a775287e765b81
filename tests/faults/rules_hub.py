"""A hub as far as rules need one, under load until it is killed: `python -m tests.faults.rules_hub FOLDER [finish]`.

It keeps what the sentinel says as alerts are kept. With "finish" it does not speak at random any more, but waits until all that was
silent was told, lets one last entity speak, and ends when that was heard of.
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path
from typing import Final

from cityhub.model.entity import DEFAULT_VOCAB
from cityhub.model.ports import EntityUpdate
from cityhub.model.time import SystemClock, to_text
from cityhub.rules.rule import Figure, Level, Near, Rule, Watch
from tests.unit.rules.engine.sentinel_hub import Around, sentinel_hub

LAST: Final = "urn:g:last"
PID: Final = "sentinel.pid"
GAUGES: Final = 20
SETTLE_S: Final = 4.0
_LOCATION: Final = "https://uri.etsi.org/ngsi-ld/location"


def rules() -> list[Rule]:
    """Rules of all kinds, whose spans are so short that they turn again and again."""
    watch = Watch("Gauge")
    near = Near(Watch("Gauge"), radius_m=300.0)

    def made(id: str, condition: str, figures: dict[str, Figure], group_by: str = "", hold: str = "") -> Rule:
        return Rule(id, {"en": id}, "o", watch, [Level("red", condition, hold=hold)], figures=figures, group_by=group_by)

    return [
        Rule("high", {"en": "high"}, "o", watch, [Level("red", "level > 8", clear="level < 5"), Level("blue", "level > 6")]),
        made("held", "level > 4", {}, hold="PT0.3S"),
        made("mean", "mean > 5", {"mean": Figure("average", "level", over="PT2S")}),
        made("area", "total > 300", {"total": Figure("sum", "level", over="PT1S", window="tumbling")}, group_by="area"),
        made("silent", "age > 1", {"age": Figure("age", "level")}),
        made("near", "around > 5", {"around": Figure("average", "level", near=near, over="PT5S")}),
    ]


def spoken(number: int, level: float) -> EntityUpdate:
    """What a gauge says now."""
    observed = {"observedAt": to_text(SystemClock().now())}
    place = {"type": "Point", "coordinates": [108.7 + number % 5 / 1_000, 29.5 + number // 5 / 1_000]}
    attributes = {
        DEFAULT_VOCAB + "level": [{"type": "Property", "value": level, **observed}],
        DEFAULT_VOCAB + "area": [{"type": "Property", "value": number % 3, **observed}],
        _LOCATION: [{"type": "GeoProperty", "value": place, **observed}],
    }
    return EntityUpdate(f"urn:g:{number}", [DEFAULT_VOCAB + "Gauge"], attributes)


async def speak(hub: Around) -> None:
    """Speaks until it is killed; one gauge in four is silent for a while now and then."""
    while True:
        turn = [number for number in range(GAUGES) if random.random() > 0.25]
        await hub.intake.take("", [spoken(number, round(random.random() * 10, 1)) for number in turn])
        await asyncio.sleep(random.random() * 0.02 if random.random() > 0.03 else 1.2)


async def finish(hub: Around) -> None:
    """Lets everything become silent, then the last one speak."""
    await asyncio.sleep(SETTLE_S)
    await hub.say(LAST, level=9)
    await hub.until(lambda heard: any(one["subject"] == LAST for one in heard))


async def main(folder: Path, is_last: bool) -> None:
    """Runs."""
    async with sentinel_hub(folder) as hub:
        await hub.link.arrange(rules())

        async def note() -> None:
            while True:
                (folder / PID).write_text(str(hub.link.pid or ""))
                await asyncio.sleep(0.02)

        while any(state.state != "running" for state in hub.link.states().values()):  # so that every rule sees all from the beginning
            await asyncio.sleep(0.02)
        noting = asyncio.create_task(note())
        await (finish(hub) if is_last else speak(hub))
        noting.cancel()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), "finish" in sys.argv))
