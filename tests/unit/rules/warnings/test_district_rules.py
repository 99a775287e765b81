"""The first district's rules: every expression compiles, every threshold has a source, every draft could be a right warning."""

from __future__ import annotations

from pathlib import Path

import pytest

from cityhub.model.feel import compile_expression
from cityhub.model.jsonld import TermMap
from cityhub.rules.engine.compiling import problems
from cityhub.rules.register.definition import read_rule
from cityhub.rules.rule import Rule
from cityhub.rules.warnings.authority import check_content, check_issue, read_authority
from cityhub.rules.warnings.template import filled, read_template
from cityhub.rules.warnings.warning import Content, Where
from tests.unit.rules.warnings.conftest import DISTRICT, PEOPLE, DistrictPeople

FILES = sorted((DISTRICT / "rules").glob("*.yaml"))
SENSORS = {"RainGauge", "WaterObserved", "WeatherObserved", "AirQualityObserved", "TrafficFlowObserved"}


def read(path: Path) -> Rule:
    return read_rule(path.read_bytes())


def test_there_are_the_rules_of_the_story() -> None:
    assert {path.stem for path in FILES} >= {"rainstorm-signal", "river-level", "reservoir-level", "flash-flood", "silent-rain-gauge"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_rule_is_whole(path: Path, terms: TermMap) -> None:
    rule = read(path)
    assert rule.id == path.stem
    assert problems(rule, terms, "Asia/Shanghai") == []
    assert rule.source
    assert {"zh", "en"} <= rule.title.keys() & rule.note.keys() & rule.event.keys()
    assert rule.watch.type in SENSORS
    known = set(rule.figures)
    for level in rule.levels:
        for text in filter(None, (level.condition, level.clear)):
            for name in compile_expression(text).names - known:
                assert terms.expand(name).startswith(("https://cityhub.example/", "https://smartdatamodels.org/")), (text, name)
    people = DistrictPeople()
    for hearer in rule.tells:
        assert hearer.post or people.find(hearer.department, hearer.role), hearer


@pytest.mark.parametrize("path", [path for path in FILES if read(path).warning], ids=lambda path: path.stem)
def test_what_a_rule_would_draft_may_be_issued(path: Path) -> None:
    template, authority = read_template(read(path).warning), read_authority(DISTRICT)
    content = Content(
        template.event, "orange", template.issuer, Where(), {language: filled(text, {}) for language, text in template.headline.items()},
        scope=template.scope, restriction=template.restriction,
    )  # fmt: skip
    check_content(authority, content)
    check_issue(authority, content)
    releasers = DistrictPeople().find(template.issuer, authority.releaser)
    assert releasers, template.issuer
    assert all(person.id.startswith(PEOPLE) for person in releasers)


def test_no_rule_drafts_a_flood_warning_to_the_public() -> None:
    """CQT-04: that is the hydrological body's own, and a rule has no bulletin of it."""
    floods = [template for path in FILES if (template := read(path).warning) and template["event"] in ("flood", "reservoir")]
    assert len(floods) >= 3
    assert {template["scope"] for template in floods} == {"Restricted"}
