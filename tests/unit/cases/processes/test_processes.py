"""The register of processes at its doors, with a real store and the real caseworker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from cityhub.access.loopback import LoopbackAccess
from cityhub.cases.bpmn.checking import check
from cityhub.cases.process_port import Migrated, ProcessFiles
from cityhub.cases.processes.assembly import Around, Processes
from cityhub.cases.processes.definition import read_file
from cityhub.model.errors import BadRequestData, NotFound
from cityhub.model.time import SystemClock
from cityhub.settings import Settings
from cityhub.storage.sqlite import open_sqlite
from cityhub.web.application import Application
from tests.unit.cases.bpmn.drawing import document, flows
from tests.unit.cases.bpmn.test_checking import DMN

GOOD = document('<startEvent id="s"/><userTask id="a" name="受理"/><endEvent id="e"/>', flows("s > a", "a > e"))
STRANGE = GOOD.replace("\n", "\r\n").replace(
    "<process ", '<!-- 注 --><x:foreign xmlns:x="urn:of-another-tool" a = "1"><![CDATA[<&>]]></x:foreign>\r\n<process  '
)
OVERLAPPING = DMN.replace(
    '<literalExpression><text>if level > 4 then "red" else "blue"</text></literalExpression>',
    '<decisionTable hitPolicy="UNIQUE"><input><inputExpression><text>level</text></inputExpression></input><output/>'
    "<rule id=\"r1\"><inputEntry><text>[0..4]</text></inputEntry><outputEntry><text>1</text></outputEntry></rule>"
    "<rule id=\"r2\"><inputEntry><text>[4..9]</text></inputEntry><outputEntry><text>2</text></outputEntry></rule></decisionTable>",
)


class Kept:
    """Cases that are taken over: says what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, list[str] | None, int | None]] = []

    async def migrate_cases(self, to: ProcessFiles, cases: list[str] | None, version: int | None, by: str) -> Migrated:
        self.told.append((to.id, to.version, cases, version))
        return Migrated(["case-1"], [{"case": "case-2", "reason": "it waits elsewhere"}])


class Office:
    """What a test has in hand."""

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        self.kept = Kept()
        self.application = Application(processes.routes(self.kept), LoopbackAccess(lambda id: None), 4_000_000)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        transport = httpx.ASGITransport(self.application, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
            return await client.request(method, path, content=None if body is None else orjson.dumps(body))


@pytest.fixture(scope="module")
def district(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("district") / "processes"
    folder.mkdir()
    asks = '<businessRuleTask id="d"><extensionElements><hub:decision ref="grade" file="grades" result="g"/></extensionElements></businessRuleTask>'
    bpmn = document(asks, '<startEvent id="s"/><endEvent id="e"/>', flows("s > d", "d > e"))
    (folder / "graded.bpmn").write_bytes(bpmn.encode())
    (folder / "grades.dmn").write_bytes(DMN.encode())
    (folder / "other.dmn").write_bytes(DMN.replace("urn:d", "urn:o").encode())
    (folder / "broken.bpmn").write_bytes("<a>测".encode("gbk"))
    return folder.parent


@pytest.fixture
async def office(tmp_path: Path, district: Path) -> AsyncIterator[Office]:
    store = await open_sqlite(tmp_path, SystemClock())
    processes = Processes(Around(store, store, Settings(data=str(tmp_path)), SystemClock(), district))
    await processes.start()
    yield Office(processes)
    await processes.stop()
    await store.close()


async def test_a_process_in_its_versions(office: Office) -> None:
    made = await office.ask("POST", "/api/processes?why=new", {"id": "own", "title": "自定", "bpmn": GOOD})
    assert made.status_code == 201 and made.json()["version"] == 1, made.text
    changed = await office.ask("PUT", "/api/processes/own", {"id": "own", "title": "自定", "bpmn": STRANGE}, **{"If-Match": made.headers["etag"]})
    assert changed.json()["version"] == 2
    stale = await office.ask("PUT", "/api/processes/own", {"id": "own", "bpmn": GOOD}, **{"If-Match": made.headers["etag"]})
    assert stale.status_code == 412
    versions = (await office.ask("GET", "/api/processes/own/versions")).json()["versions"]
    assert [(one["version"], one["changed"]["why"]) for one in versions] == [(2, ""), (1, "new")]
    listed = (await office.ask("GET", "/api/processes")).json()["processes"]
    assert [one["id"] for one in listed] == ["graded", "own"] and all("bpmn" not in one for one in listed)
    library = office.processes.library
    assert library.latest("own").bpmn == STRANGE and (await library.version("own", 1)).bpmn == GOOD
    assert (await office.ask("DELETE", "/api/processes/own")).status_code == 204
    assert (await library.version("own", 2)).bpmn == STRANGE, "cases that still run it must find it"
    with pytest.raises(NotFound):
        library.latest("own")


async def test_documents_are_given_out_as_they_came(office: Office) -> None:
    await office.ask("POST", "/api/processes", {"id": "own", "bpmn": STRANGE, "decisions": {"d": DMN}})
    given = await office.ask("GET", "/api/processes/own/bpmn")
    assert given.content == STRANGE.encode()
    shown = (await office.ask("GET", "/api/processes/own")).json()
    assert shown["bpmn"] == STRANGE and shown["decisions"] == {"d": DMN}
    assert (await office.ask("GET", "/api/processes/own/versions/1")).json()["bpmn"] == STRANGE


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"bpmn": GOOD.replace("userTask", "serviceTask")}, "'a': a service task cannot be run"),
        ({"bpmn": "<x/>"}, "right would be <definitions>"),
        ({"bpmn": ""}, "'bpmn' must be"),
        ({"bpmn": GOOD, "id": "a b"}, "'id' must be"),
        ({"bpmn": GOOD, "id": "check"}, "none of check"),
        ({"bpmn": GOOD, "decisions": {"../x": DMN}}, "no name of a decision"),
        ({"bpmn": GOOD, "decisions": {"d": OVERLAPPING}}, "rules 1 and 2 both hold for level = 4"),
        ({"bpmn": 7}, "right would be id, title, bpmn, decisions"),
    ],
)
async def test_what_cannot_run_is_refused_with_the_reason(office: Office, change: dict[str, Any], says: str) -> None:
    answer = await office.ask("POST", "/api/processes", {"id": "own", **change})
    assert answer.status_code == 400 and says in answer.json()["detail"]
    assert [one["id"] for one in (await office.ask("GET", "/api/processes")).json()["processes"]] == ["graded"]


async def test_a_check_tells_without_keeping(office: Office) -> None:
    answer = (await office.ask("POST", "/api/processes/check", {"bpmn": GOOD.replace("userTask", "serviceTask")})).json()
    assert answer["grave"] and answer["findings"][0]["element"] == "a"
    assert (await office.ask("POST", "/api/processes/check", {"bpmn": GOOD})).json() == {"findings": [], "grave": False}
    made = (await office.ask("POST", "/api/processes", {"id": "own", "bpmn": GOOD.replace("<process ", '<process name="巡查" ')})).json()
    assert made["title"] == "巡查"
    assert (await office.ask("POST", "/api/processes/check", made)).json()["grave"] is False, "one as it was shown"


async def test_the_districts_files_are_taken(office: Office) -> None:
    graded = (await office.ask("GET", "/api/processes/graded")).json()
    assert list(graded["decisions"]) == ["grades"] and graded["district"] == {"file": "processes/graded.bpmn", "touched": "", "differs": False}
    assert any("broken.bpmn" in trouble and "UTF-8" in trouble for trouble in office.processes.troubles())


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[4] / "districts").glob("*/processes/*.bpmn")), ids=lambda path: path.stem)
def test_what_districts_ship_can_run(path: Path) -> None:
    assert [finding for finding in check(read_file(path, path.read_bytes()).files()).findings if finding.grave] == []


def test_a_file_that_is_too_long_is_not_taken(tmp_path: Path) -> None:
    with pytest.raises(BadRequestData, match="at most"):
        read_file(tmp_path / "x.bpmn", b" " * 1_000_001)


async def test_cases_are_taken_over_on_purpose(office: Office) -> None:
    await office.ask("POST", "/api/processes", {"id": "own", "bpmn": GOOD})
    answer = await office.ask("POST", "/api/processes/own/migrate", {"cases": "all", "from": 1})
    assert answer.json() == {"version": 1, "migrated": ["case-1"], "refused": [{"case": "case-2", "reason": "it waits elsewhere"}]}
    await office.ask("POST", "/api/processes/own/migrate", {"cases": ["case-9"]})
    assert office.kept.told == [("own", 1, None, 1), ("own", 1, ["case-9"], None)]
    for body in ({}, {"cases": "some"}, {"cases": [1]}, {"cases": "all", "from": 0}, {"cases": "all", "to": 2}):
        assert (await office.ask("POST", "/api/processes/own/migrate", body)).status_code == 400
    assert (await office.ask("POST", "/api/processes/none/migrate", {"cases": "all"})).status_code == 404


async def test_decisions_alone(office: Office) -> None:
    answer = (await office.ask("POST", "/api/decisions/evaluate", {"dmn": DMN, "decision": "grade", "inputs": {"level": 5}})).json()
    assert answer["value"] == "red" and answer["steps"][0]["inputs"] == {"level": 5}
    table = {"dmn": OVERLAPPING, "decision": "等级", "inputs": {"level": 1}}
    assert (await office.ask("POST", "/api/decisions/evaluate", table)).json()["steps"][0]["matches"][0]["rules"] == [1]
    checked = (await office.ask("POST", "/api/decisions/check", {"dmn": OVERLAPPING})).json()
    assert checked["grave"] and [one["element"] for one in checked["findings"]] == ["r2", "grade"]
    assert (await office.ask("POST", "/api/decisions/check", {"dmn": DMN})).json() == {"findings": [], "grave": False}
    assert (await office.ask("POST", "/api/decisions/evaluate", {"dmn": DMN, "decision": "none"})).status_code == 404
    assert (await office.ask("POST", "/api/decisions/evaluate", {"dmn": "<x/>", "decision": "none"})).status_code == 400
