"""The sentinel as a process beside a store: what it says, how it stands, and what is left of it after kill -9."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from cityhub.model.errors import NotFound
from cityhub.model.time import SystemClock, to_text
from cityhub.rules.rule import Figure, Rule, Watch
from cityhub.rules.sentinel.checkpoint import Memory
from tests.unit.rules.engine.scene import red, rule
from tests.unit.rules.engine.sentinel_hub import Around, sentinel_hub

HIGH = rule(red("level > 5"), id="high")


def steps(heard: list[dict[str, Any]], name: str) -> list[tuple[str, str]]:
    """Subject and kind of what a rule said."""
    return [(one["subject"], one["kind"]) for one in heard if one["rule"] == name]


async def state_of(hub: Around, id: str, state: str) -> str:
    """Waits until a rule is in a state; its detail."""
    async with asyncio.timeout(30):
        while hub.link.states()[id].state != state:
            await asyncio.sleep(0.02)
    return hub.link.states()[id].detail


async def test_the_process_begins_with_the_first_rule_and_sees_what_is_there(tmp_path: Path) -> None:
    async with sentinel_hub(tmp_path) as hub:
        await hub.say("urn:g:1", level=9)
        await hub.link.arrange([])
        assert hub.link.pid is None and hub.link.trouble == ""
        await hub.link.arrange([HIGH, rule(red("level + 1"), id="bad"), Rule("off", {}, "o", Watch("Gauge"), [red("level > 1")], enabled=False)])
        await hub.until(lambda heard: steps(heard, "high") == [("urn:g:1", "raised")])
        await hub.say("urn:g:2", level=6)
        await hub.say("urn:g:2", level=1)
        await hub.until(lambda heard: steps(heard, "high")[1:] == [("urn:g:2", "raised"), ("urn:g:2", "cleared")])
        assert "a condition must give true or false" in await state_of(hub, "bad", "failing")
        assert await state_of(hub, "off", "stopped") == ""
        assert await state_of(hub, "high", "running") == ""


async def test_one_hub_through_kills_and_changes_of_rules(tmp_path: Path) -> None:
    total = rule(red("total > 20"), id="total", figures={"total": Figure("sum", "level", over="PT1H")})
    async with sentinel_hub(tmp_path) as hub:
        await hub.link.arrange([HIGH, total])
        await hub.say("urn:g:1", level=9)
        await hub.until(lambda heard: steps(heard, "high") == [("urn:g:1", "raised")])
        assert hub.link.pid is not None
        os.kill(hub.link.pid, signal.SIGKILL)
        await hub.say("urn:g:1", level=8)
        await hub.say("urn:g:1", level=4)
        heard = await hub.until(lambda heard: steps(heard, "total") == [("urn:g:1", "raised")])
        assert steps(heard, "high") == [("urn:g:1", "raised"), ("urn:g:1", "cleared")]
        found = await hub.link.trace("total", "urn:g:1")
        assert found.watched == "watched" and found.values["total"] == 21 and found.alert == heard[-1]["alert"]
        assert found.levels[0]["condition"] is True and found.levels[0]["parts"] == [{"text": "total > 20", "value": True}]
        with pytest.raises(NotFound):
            await hub.link.trace("nothing", "urn:g:1")
        await hub.link.arrange([total])
        await hub.link.arrange([total, HIGH])
        await hub.say("urn:g:1", level=7)
        await hub.until(lambda heard: steps(heard, "high")[2:] == [("urn:g:1", "raised")])
    async with sentinel_hub(tmp_path) as hub:  # the hub begins anew, with one rule less
        await hub.link.arrange([total])
        heard = await hub.until(lambda heard: steps(heard, "high")[3:] == [("urn:g:1", "cleared")])
        assert steps(heard, "total") == [("urn:g:1", "raised")]
        assert len({one["id"] for one in heard}) == len(heard)


async def test_the_journal_is_kept_until_the_checkpoint_has_it(tmp_path: Path) -> None:
    async with sentinel_hub(tmp_path) as hub:
        await hub.say("urn:g:0", level=1)
        await hub.link.arrange([HIGH])
        begun = (await hub.store.readers())["sentinel"]
        assert begun == 1
        await state_of(hub, "high", "running")
        for level in range(5):
            await hub.say("urn:g:1", level=level)
        while await hub.store.compact():
            pass
        assert await hub.store.oldest() <= begun + 1


async def test_a_rule_whose_context_cannot_be_had_is_refused(tmp_path: Path) -> None:
    async with sentinel_hub(tmp_path) as hub:
        strange = rule(red("level > 5"), id="strange", context="https://example.org/none")
        await hub.link.arrange([strange])
        assert hub.link.states()["strange"].state == "refused"
        assert await hub.link.check(strange) == ["'context': 'https://example.org/none' cannot be had"]
        assert await hub.link.check(HIGH) == []


def test_a_checkpoint_that_is_torn_or_of_another_version_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    memory = Memory(tmp_path)
    assert memory.read() is None
    for content in (b"cityhub rules 1\n\x93", b"cityhub rules 9\n", b""):
        memory.write(content)
        assert memory.read() is None
    assert "all rules begin anew" in caplog.text


async def test_silence_is_heard_of(tmp_path: Path) -> None:
    async with sentinel_hub(tmp_path) as hub:
        await hub.say("urn:g:1", level=1, at=to_text(SystemClock().now()))
        await hub.link.arrange([rule(red("age > 1"), id="silent", figures={"age": Figure("age", "level")})])
        await hub.until(lambda heard: steps(heard, "silent") == [("urn:g:1", "raised")])
