"""From an alert to a draft: once, filled with what the alert knows, followed by its steps, and ended with it."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from cityhub.model.errors import BadRequestData
from cityhub.notify.notices.template import worded
from cityhub.notify.notices.texts import read_template
from tests.unit.rules.warnings.conftest import DISTRICT, FENGJIA, METEOROLOGY, PEOPLE, ZHUOSHUI, City, alert

TEMPLATE: dict[str, Any] = {
    "event": "rainstorm", "issuer": METEOROLOGY, "fromSeverity": "yellow", "valid": "PT6H",
    "headline": {"zh": "{event}{grade}预警：{place}", "en": "{event} {grade} warning: {place}"},
    "description": {"zh": "3 小时 {precipitation3h} 毫米，{unknown}", "en": "{precipitation3h} mm in 3 h"},
    "instruction": {"red": {"zh": "转移", "en": "Move"}, "any": {"zh": "注意", "en": "Beware"}},
}  # fmt: skip
LEADER = PEOPLE + "meteorology-leader"


async def test_a_draft_says_what_the_alert_knows(city: City) -> None:
    await city.warnings.drafts.draft("", alert(), TEMPLATE)
    (made,) = city.warnings.register.all()
    assert (made.state, made.authors, made.alert) == ("draft", ["rule:rainstorm-signal"], "urn:ngsi-ld:Alert:rain:1")
    assert made.content.headline == {"zh": "暴雨橙色预警：濯水镇", "en": "Rainstorm Orange warning: Zhuoshui Town"}
    assert made.content.description["zh"] == "3 小时 62.5 毫米，—"
    assert made.content.instruction["zh"] == "注意"
    assert made.content.expires.startswith("2026-07-01T06:30:00")
    assert [place.entity for place in made.places] == [ZHUOSHUI]


async def test_those_who_may_release_are_told_once(city: City) -> None:
    for _ in range(2):
        await city.warnings.drafts.draft("", alert(), TEMPLATE)
    ((_, record),) = await city.store.records("", "notice")
    notice = record["notice"]
    assert (notice["departments"], notice["template"], notice["urgent"]) == ([[METEOROLOGY, "releaser"]], "warning-draft", True)
    template = read_template((DISTRICT / "templates/warning-draft.yaml").read_bytes())
    for language, words in (("zh", "暴雨橙色预警：濯水镇\n类别：首次发布\n影响：1 个乡镇街道，"), ("en", "Affected: 1 townships, ")):
        said = worded(template, language, notice["values"], ZoneInfo("Asia/Shanghai"))
        assert said.problems == []
        assert words in said.text


async def test_asking_again_changes_nothing(city: City) -> None:
    for _ in range(3):
        await city.warnings.drafts.draft("", alert(), TEMPLATE)
    city.warnings.register._warnings.clear()
    await city.warnings.register.load()
    await city.warnings.drafts.draft("", alert(), TEMPLATE)
    assert len(city.warnings.register.all()) == 1
    id = city.warnings.register.all()[0].id
    await city.warnings.register.reject(id, LEADER, "not needed")
    await city.warnings.drafts.draft("", alert(), TEMPLATE)
    assert [one.state for one in city.warnings.register.all()] == ["rejected"]


async def test_an_alert_that_is_not_grave_enough_is_not_drafted(city: City) -> None:
    await city.warnings.drafts.draft("", alert("blue"), TEMPLATE)
    assert city.warnings.register.all() == []


async def test_a_graver_step_amends_the_draft_or_drafts_an_update(city: City) -> None:
    drafts, register = city.warnings.drafts, city.warnings.register
    await drafts.draft("", alert("yellow"), TEMPLATE)
    await drafts.draft("", alert("orange"), TEMPLATE)
    (first,) = register.all()
    assert first.content.grade == "orange"
    await register.release(first.id, LEADER, "")
    await drafts.draft("", alert("red"), TEMPLATE)
    await drafts.draft("", alert("red"), TEMPLATE)
    update, before = sorted(register.all(), key=lambda one: one.state)
    assert (update.state, update.kind, update.follows, update.content.instruction["en"]) == ("draft", "Update", first.id, "Move")
    assert (before.state, before.incident) == ("released", update.incident)


async def test_what_people_wrote_is_kept_and_a_note_says_what_changed(city: City) -> None:
    drafts, register = city.warnings.drafts, city.warnings.register
    await drafts.draft("", alert("yellow"), TEMPLATE)
    (made,) = register.all()
    await register.amend(made.id, made.content, PEOPLE + "meteorology-duty", "own words")
    for _ in range(2):
        await drafts.draft("", alert("red"), TEMPLATE)
        await drafts.draft("", alert("red", cleared="2026-07-01T02:00:00.000000Z"), TEMPLATE)
    (kept,) = register.all()
    assert (kept.state, kept.content.grade) == ("draft", "yellow")
    assert [step.why for step in kept.steps if step.what == "noted"] == [
        "the alert has become red", "the condition of alert urn:ngsi-ld:Alert:rain:1 ended at 2026-07-01T02:00:00.000000Z"]  # fmt: skip


async def test_the_end_of_an_alert_ends_its_draft_or_drafts_the_all_clear(city: City) -> None:
    drafts, register, ended = city.warnings.drafts, city.warnings.register, "2026-07-01T02:00:00.000000Z"
    await drafts.draft("", alert(id="urn:ngsi-ld:Alert:rain:2"), TEMPLATE)
    await drafts.draft("", alert(id="urn:ngsi-ld:Alert:rain:2", cleared=ended), TEMPLATE)
    assert [one.state for one in register.all()] == ["rejected"]
    await drafts.draft("", alert(), TEMPLATE)
    (open_one,) = [one for one in register.all() if one.state == "draft"]
    await register.release(open_one.id, LEADER, "")
    for _ in range(2):
        await drafts.draft("", alert(cleared=ended), TEMPLATE)
    (end,) = [one for one in register.all() if one.kind == "Cancel"]
    assert (end.state, end.follows) == ("draft", open_one.id)
    await register.release(end.id, LEADER, "rain is over")
    assert (register.get(open_one.id).state, register.get(end.id).state) == ("cancelled", "cancelled")
    assert register.get(open_one.id).cancelled_by == f"500114-{end.id}"


async def test_an_area_follows_from_what_the_alert_is_about(city: City) -> None:
    drafts, register = city.warnings.drafts, city.warnings.register
    await drafts.draft("", alert(entities=("urn:ngsi-ld:Village:500114112001", FENGJIA)), TEMPLATE)
    assert [place.entity for place in register.all()[0].places] == [ZHUOSHUI, FENGJIA]
    await drafts.draft("", alert(id="urn:ngsi-ld:Alert:3", entities=("urn:ngsi-ld:Nothing:1",)), TEMPLATE)
    assert [place.entity for place in register.all()[0].places] == ["urn:ngsi-ld:District:500114"]
    await drafts.draft("", alert(id="urn:ngsi-ld:Alert:4"), {**TEMPLATE, "area": "surroundings", "bufferM": 3000})
    around = register.of_alert("urn:ngsi-ld:Alert:4")[0]
    assert around.impact["area_km2"] == pytest.approx(28.27, rel=0.02)
    assert around.impact["townships"]


@pytest.mark.parametrize(("change", "words"), [
    ({"event": "meteor"}, "'event' is 'meteor'"),
    ({"valid": "for ever"}, "ISO 8601 duration"),
    ({"surprise": 1}, "surprise"),
])  # fmt: skip
async def test_a_template_that_is_wrong_is_told(city: City, change: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequestData, match=words):
        await city.warnings.drafts.draft("", alert(), {**TEMPLATE, **change})


async def test_the_districts_own_templates_become_drafts(city: City) -> None:
    for number, path in enumerate(sorted((DISTRICT / "rules").glob("*.yaml"))):
        template = yaml.safe_load(path.read_bytes()).get("warning")
        if template:
            await city.warnings.drafts.draft("", alert("red", id=f"urn:ngsi-ld:Alert:own:{number}"), template)
    assert len(city.warnings.register.all()) >= 5
