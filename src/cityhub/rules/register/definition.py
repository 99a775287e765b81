"""A rule from a document, checked as far as that needs no expression to be compiled; the sentinel checks the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import orjson
import yaml

from cityhub.model.errors import BadRequestData
from cityhub.rules.engine.moments import MOST_JOINING, span
from cityhub.rules.rule import Rule

MOST_BYTES: Final = 128 * 1024
"""Largest document of a rule."""
MOST_NESTING: Final = 40
MOST_FIGURES: Final = 30
MOST_HEARERS: Final = 100
MOST_TITLE: Final = 200
MOST_TEXT: Final = 4_000
MOST_EXPRESSION: Final = 4_000
CATEGORIES: Final = ("weather", "environment", "traffic", "health", "security", "agriculture", "asset", "other")
GRAVEST_FIRST: Final = ("red", "orange", "yellow", "blue")
RESERVED: Final = frozenset(("check", "trial", "models"))
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_TENANT: Final = re.compile(r"[A-Za-z0-9_]{0,256}")
_FIGURE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


def read_rule(content: bytes) -> Rule:
    """A rule from YAML or JSON. Raises BadRequestData naming the member that is wrong."""
    if len(content) > MOST_BYTES:
        raise BadRequestData(f"A rule may have at most {MOST_BYTES} bytes; this one has {len(content)}")
    if content.lstrip()[:1] == b"{":
        try:
            return rule_of(orjson.loads(content))
        except orjson.JSONDecodeError as error:
            raise BadRequestData(f"The rule must be YAML or JSON: {error}") from None
    _check_yaml(content)
    return rule_of(yaml.load(content, yaml.CSafeLoader))


def rule_of(value: Any) -> Rule:
    """A rule from JSON values. Raises BadRequestData naming the member that is wrong."""
    try:
        rule = msgspec.convert(value, Rule)
    except (msgspec.ValidationError, RecursionError) as error:
        raise BadRequestData(f"The rule is not as it should be: {error}") from None
    check_rule(rule)
    return rule


def check_rule(rule: Rule) -> None:
    """Raises BadRequestData for a rule that cannot be right; names the member and says what would be right."""
    if not _ID.fullmatch(rule.id) or rule.id in RESERVED:
        raise BadRequestData(f"'id' must be 1 to 100 letters, digits, '-' and '_', and none of {', '.join(sorted(RESERVED))}")
    if not rule.owner.strip() or len(rule.owner) > MOST_TITLE:
        raise BadRequestData("'owner' must name the organization that answers for the rule")
    if not rule.watch.type.strip():
        raise BadRequestData("'watch.type' must name a type of entities, such as \"WeatherObserved\"")
    if not _TENANT.fullmatch(rule.tenant):
        raise BadRequestData("'tenant' must be letters, digits and '_'")
    if rule.context and not re.fullmatch(r"https?://\S+", rule.context):
        raise BadRequestData("'context' must be the http(s) address of an @context, or empty for that of the district")
    if rule.category and rule.category not in CATEGORIES:
        raise BadRequestData(f"'category' must be one of {', '.join(CATEGORIES)}")
    if rule.parent == rule.id:
        raise BadRequestData("'parent' must be another rule")
    if len(rule.tells) > MOST_HEARERS or len(rule.figures) > MOST_FIGURES:
        raise BadRequestData(f"'tells' may have at most {MOST_HEARERS} items and 'figures' at most {MOST_FIGURES}")
    _texts(rule)
    _check_levels(rule)
    _check_hearers(rule)


def _texts(rule: Rule) -> None:
    if not rule.title or not all(rule.title.values()):
        raise BadRequestData("'title' must have at least one text by language, such as {\"zh\": \"暴雨\", \"en\": \"Rainstorm\"}")
    texts: tuple[tuple[str, Mapping[str, str], int], ...] = (
        ("title", rule.title, MOST_TITLE), ("event", rule.event, MOST_TITLE), ("note", rule.note, MOST_TEXT),
        ("source", {"": rule.source}, MOST_TEXT),
    )  # fmt: skip
    for name, by_language, most in texts:
        if any(len(text) > most for text in by_language.values()):
            raise BadRequestData(f"'{name}' may have at most {most} characters in each language")


def _check_levels(rule: Rule) -> None:
    grades = [level.severity for level in rule.levels]
    if not grades or grades != sorted(set(grades), key=GRAVEST_FIRST.index):
        raise BadRequestData(f"'levels' must be 1 to 4, the gravest first ({', '.join(GRAVEST_FIRST)}), at most one of each severity")
    for place, level in enumerate(rule.levels):
        if not level.condition.strip():
            raise BadRequestData(f"'levels[{place}].condition' must be a FEEL expression, such as \"rain_1h >= 20\"")
        if max(len(level.condition), len(level.clear)) > MOST_EXPRESSION:
            raise BadRequestData(f"'levels[{place}]': an expression may have at most {MOST_EXPRESSION} characters")
    for name, figure in rule.figures.items():
        if not _FIGURE.fullmatch(name):
            raise BadRequestData(f"'figures.{name[:100]}': a figure's name must be letters, digits and '_', beginning with no digit")
        if len(figure.of) > MOST_EXPRESSION:
            raise BadRequestData(f"'figures.{name}.of' may have at most {MOST_EXPRESSION} characters")


def _check_hearers(rule: Rule) -> None:
    for place, hearer in enumerate(rule.tells):
        if not (hearer.post or hearer.department):
            raise BadRequestData(f"'tells[{place}]' must name a 'post' or a 'department'")
    if rule.opens is not None and not (rule.opens.process and rule.opens.kind):
        raise BadRequestData("'opens' must name a 'process' and a 'kind' of case")
    if rule.opens is not None:
        span(rule.opens.joins, "opens.joins", MOST_JOINING)


def _check_yaml(content: bytes) -> None:
    """Refuses what grows when it is read: references inside the document, and documents that are nested too deep."""
    depth = 0
    try:
        for event in yaml.parse(content, yaml.CSafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise BadRequestData("A rule in YAML may not refer to other parts of itself ('*name'); write them out")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MOST_NESTING:
                raise BadRequestData(f"A rule may be nested at most {MOST_NESTING} deep")
    except yaml.YAMLError as error:
        raise BadRequestData(f"The rule must be YAML or JSON: {str(error)[:300]}") from None
