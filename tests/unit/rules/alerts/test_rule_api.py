"""The doors of rules: who changes them, how they stand, what they would have said."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from cityhub.rules.register.rules import rule_files
from cityhub.rules.sentinel_port import RuleState
from tests.unit.rules.alerts.conftest import ALERT, BY, GAUGE, Hub, rule, signal

YAML = """
id: rain
title: {zh: 短时强降雨, en: Heavy rain}
owner: urn:ngsi-ld:Organization:emergency
watch: {type: WeatherObserved}
figures:
  rain_1h: {function: sum, of: precipitation, over: PT1H}
levels:
  - {severity: yellow, condition: rain_1h >= 30}
"""


def plain(**more: Any) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(rule())
    return {**document, **more}


async def test_a_rule_comes_changes_stops_and_goes(hub: Hub) -> None:
    made = await hub.ask("POST", "/api/rules", plain(), 201, why="汛期")
    assert (made["version"], made["changed"]["by"], made["changed"]["why"]) == (1, "local", "汛期")
    assert (made["status"]["state"], made["precision"]) == ("waiting", {"closed": 0, "false": 0, "value": None})
    assert [one.id for one in hub.sentinel.rules] == ["rain"]
    await hub.ask("POST", "/api/rules", plain(), 409)
    changed = await hub.ask("PUT", "/api/rules/rain", plain(category="weather"))
    assert (changed["version"], hub.sentinel.rules[0].category) == (2, "weather")
    stopped = await hub.ask("POST", "/api/rules/rain/stop")
    assert (stopped["status"]["state"], stopped["status"]["detail"]) == ("stopped", "Stopped by local")
    assert not hub.sentinel.rules[0].enabled
    versions = await hub.ask("GET", "/api/rules/rain/versions")
    assert [one["version"] for one in versions["versions"]] == [3, 2, 1]
    await hub.ask("DELETE", "/api/rules/rain", expect=204)
    await hub.ask("GET", "/api/rules/rain", expect=404)
    assert hub.sentinel.rules == []


async def test_a_rule_that_fails_comes_first_and_says_why(hub: Hub) -> None:
    for id in ("a", "b", "c"):
        await hub.add(rule(id))
    hub.sentinel.state = {
        "a": RuleState("running"), "b": RuleState("failing", "rain_1h is a text", evaluated=7, failed=7), "c": RuleState("refused", "no such name"),
    }  # fmt: skip
    listed = (await hub.ask("GET", "/api/rules"))["rules"]
    assert [(one["id"], one["status"]["state"], one["status"]["detail"]) for one in listed] == [
        ("b", "failing", "rain_1h is a text"), ("c", "refused", "no such name"), ("a", "running", ""),
    ]  # fmt: skip
    assert hub.attention.troubles() == ["The rule 'b' is failing: rain_1h is a text", "The rule 'c' is refused: no such name"]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"levels": []}, "'levels' must be"), ({"levels": [{"severity": "pink", "condition": "a"}]}, "severity"),
        ({"levels": [{"severity": "blue", "condition": "a"}, {"severity": "red", "condition": "a"}]}, "the gravest first"),
        ({"levels": [{"severity": "blue", "condition": "?"}]}, "levels[0].condition"), ({"levels": [{"severity": "blue", "condition": " "}]}, "FEEL"),
        ({"owner": ""}, "'owner'"), ({"title": {}}, "'title'"), ({"watch": {"type": ""}}, "'watch.type'"), ({"id": "trial"}, "'id'"),
        ({"parent": "rain"}, "'parent'"), ({"context": "file:///etc/passwd"}, "'context'"), ({"tells": [{"role": "duty"}]}, "'tells[0]'"),
        ({"opens": {"process": "", "kind": ""}}, "'opens'"), ({"figures": {"a b": {"function": "sum"}}}, "figures.a b"),
        ({"category": "sport"}, "'category'"), ({"colour": 1}, "colour"), ({"title": {"zh": "暴" * 201}}, "at most 200"),
    ],
)  # fmt: skip
async def test_a_wrong_rule_is_refused_with_the_reason(hub: Hub, wrong: dict[str, Any], right: str) -> None:
    assert right in (await hub.ask("POST", "/api/rules", plain(**wrong), 400))["detail"]
    assert right in (await hub.ask("POST", "/api/rules/check", {"rule": plain(**wrong)}))["problems"][0]


async def test_a_rule_may_be_right_while_nobody_can_check_it(hub: Hub) -> None:
    hub.sentinel.away = True
    await hub.ask("POST", "/api/rules", plain(), 201)
    await hub.ask("POST", "/api/rules/check", {"rule": plain()}, 503)


async def test_trial_and_trace(hub: Hub) -> None:
    tried = await hub.ask("POST", "/api/rules/trial", {"rule": plain(), "from": "2026-06-01T00:00:00+08:00", "to": "2026-07-01T00:00:00+08:00"})
    assert (tried["raised"], tried["observations"], tried["tookS"]) == (1, 2, 0.1)
    await hub.ask("POST", "/api/rules/trial", {"rule": plain(), "from": "2026-07-01T00:00:00Z", "to": "2026-07-01T00:00:00Z"}, 400)
    await hub.ask("POST", "/api/rules/trial", {"rule": "none", "from": "2026-06-01T00:00:00Z", "to": "2026-07-01T00:00:00Z"}, 404)
    await hub.add(rule())
    traced = await hub.ask("GET", "/api/rules/rain/trace", entity=GAUGE)
    assert (traced["values"], traced["alert"]) == ({"rain_1h": 31.5}, ALERT)
    await hub.ask("GET", "/api/rules/rain/trace", expect=400)
    await hub.ask("GET", "/api/rules/none/trace", entity=GAUGE, expect=404)


async def test_the_districts_rules_respect_what_people_changed(hub: Hub) -> None:
    folder = hub.attention.files._folder if hub.attention.files else None  # the folder of this test
    assert folder is not None
    (folder / "rules").mkdir()
    (folder / "rules" / "rain.yaml").write_text(YAML)
    (folder / "rules" / "wrong.yaml").write_text("id: [")
    files = rule_files(folder, hub.attention.rules)
    await files.load()
    assert hub.attention.rules.get("rain").figures["rain_1h"].over == "PT1H"
    assert "YAML" in files.faults["wrong.yaml"]
    await hub.attention.rules.replace(rule(), BY)
    (folder / "rules" / "rain.yaml").write_text(YAML.replace("30", "40"))
    await files.load()
    assert (hub.attention.rules.get("rain").figures, files.differing) == ({}, {"rain": "rules/rain.yaml"})


@pytest.mark.parametrize("nasty", [b"a: &x [1]\nb: *x", b"[" * 5000, b"id: rain\n" + b"# " + b"x" * 200_000, b"\xff\xfe", b"null", b"{}"])
async def test_nasty_documents_are_refused(hub: Hub, nasty: bytes) -> None:
    import httpx

    transport = httpx.ASGITransport(hub.application, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert (await client.post("/api/rules", content=nasty)).status_code == 400


async def test_ten_thousand_open_alerts_are_found_at_once(hub: Hub) -> None:
    import time

    await hub.add(rule())
    grades = ("red", "orange", "yellow", "blue")
    for start in range(0, 10_000, 1_000):
        await hub.hear(*(signal(alert=f"urn:a:{n}", subject=f"urn:s:{n % 500}", severity=grades[n % 4], minutes=n) for n in range(start, start + 1_000)))
    began = time.perf_counter()
    answer = await hub.ask("GET", "/api/alerts", open="true", severity="red", q="强降雨", limit="50")
    took = time.perf_counter() - began
    assert (answer["count"], answer["alerts"][0]["id"], len(answer["alerts"])) == (2_500, "urn:a:9996", 50)
    print(f"10,000 open alerts: a filtered page in {took * 1000:.0f} ms")
