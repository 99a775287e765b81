"""`cityhub cases` on a data folder with cases."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cases.desk.site import open_site
from tests.unit.cli.test_commands import call


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("cases")

    async def made() -> Any:
        async with open_site(folder) as site:
            await site.open(title="河边有垃圾")
            return await site.to("handle", title="井盖缺失", kind="part.manhole")

    return folder, asyncio.run(made())


def test_cases_are_listed_and_shown(data: tuple[Path, Any], capfd: pytest.CaptureFixture[str]) -> None:
    folder, case = data
    code, out, err = call(capfd, "cases", "list", "--kind", "part.*", "--data", str(folder))
    assert code == 0 and "井盖缺失" in out and "河边" not in out and "1 cases" in out, (out, err)
    code, out, err = call(capfd, "cases", "show", case["id"], "--data", str(folder))
    assert code == 0 and case["number"] in out and "task" in out and "dispatch" in out and "handle" in out, (out, err)
    listed = json.loads(call(capfd, "cases", "list", "--json", "--data", str(folder))[1])
    assert listed["count"] == 2


def test_a_case_that_is_not_there_is_said(data: tuple[Path, Any], capfd: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capfd, "cases", "show", "urn:ngsi-ld:Case:none", "--data", str(data[0]))
    assert code == 1 and "There is no case" in err
