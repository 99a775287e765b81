"""Steps through the caseworker's process, and what is left when it is killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from cityhub.cases.bpmn.hub_side import Caseworker
from cityhub.settings import Settings
from tests.unit.cases.desk.site import CHECKER, DISPATCHER, URBAN, open_site


async def test_a_killed_caseworker_loses_no_step(tmp_path: Path) -> None:
    caseworker = Caseworker(Settings(data=tmp_path, feeds=False))
    try:
        async with open_site(tmp_path, engine=caseworker) as site:
            case = await site.open()
            for element, outcome, by in (
                ("accept", "accept", DISPATCHER), ("dispatch", "dispatch", DISPATCHER), ("handle", "done", site.handler(URBAN)),
                ("feedback", "done", site.handler(URBAN)), ("check", "pass", CHECKER), ("close", "close", DISPATCHER),
            ):  # fmt: skip
                if element in ("handle", "close"):
                    assert caseworker.pid is not None
                    os.kill(caseworker.pid, signal.SIGKILL)
                case = await site.do(case, element, outcome, by)
            done = [entry["element"] for entry in case["timeline"]]
            assert (case["state"], done) == ("closed", ["report", "accept", "dispatch", "handle", "feedback", "check", "close"])
            assert caseworker.starts == 3
    finally:
        await caseworker.stop()
