"""From a rule as data to what the engine runs; whatever cannot be right is refused here, with its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from cityhub.model.entity import DEFAULT_VOCAB
from cityhub.model.errors import BadRequestData, CityHubError
from cityhub.model.feel.nodes import Name
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.entity_query import EntityQuery, query_from_document
from cityhub.rules.engine.contradictions import contradictions
from cityhub.rules.engine.expressions import Formula, formula, numbers_beside
from cityhub.rules.engine.moments import DAY, SECOND, Days, span
from cityhub.rules.engine.windows import WindowPlan
from cityhub.rules.rule import Figure, Near, Rule, Watch

MOST_FIGURES: Final = 20
MOST_IDS: Final = 1_000
LONGEST_WINDOW: Final = 31 * DAY
LONGEST_LATENESS: Final = 7 * DAY
LARGEST_RADIUS_M: Final = 100_000.0
ALERT: Final = DEFAULT_VOCAB + "Alert"
MODELLED: Final = frozenset({"anomaly", "forecast"})
_OWN: Final = frozenset({"id"})
_SINGLE: Final = frozenset({"increase", "rate", "first", "last"})
JUST_AFTER: Final = 1_000
"""An age is looked at a millisecond after it passed a number, so that it is larger than it."""


class CompiledWatch(msgspec.Struct, frozen=True):
    """Which entities.

    Attributes:
        query: All that is asked of them.
        types: IRIs of the types one of which an entity must have; empty: any.
        reads: IRIs of the attributes that it looks at.
        is_simple: Whether types and ids are all.
        follows: Whether it follows links to other entities.
    """

    query: EntityQuery
    types: frozenset[str]
    reads: frozenset[str]
    is_simple: bool
    follows: bool


class CompiledNear(msgspec.Struct, frozen=True):
    """Other entities; see `cityhub.rules.rule.Near`; `link` is the IRI."""

    watch: CompiledWatch
    radius_m: float
    link: str


class CompiledFigure(msgspec.Struct, frozen=True):
    """One figure.

    Attributes:
        name: As conditions call it.
        function: See `cityhub.rules.rule.Function`.
        of: What it is worked out of; None: nothing.
        attribute: IRI, where `of` is just an attribute; "".
        reads: IRI by name of the attributes that `of` reads.
        window: Its window; None where it has none, or is of other entities.
        over: Its length in microseconds; 0: none.
        near: Over which other entities.
        ahead: Of a forecast, in microseconds.
        moments: Of an age: after so many microseconds conditions may turn.
        is_watched: Of an age: whether conditions may turn at other ages too, so that it is looked at every minute.
    """

    name: str
    function: str
    of: Formula | None
    attribute: str
    reads: dict[str, str]
    window: WindowPlan | None
    over: int
    near: CompiledNear | None
    ahead: int
    moments: tuple[int, ...] = ()
    is_watched: bool = False


class CompiledLevel(msgspec.Struct, frozen=True):
    """One level; spans in microseconds."""

    severity: str
    condition: Formula
    hold: int
    clear: Formula | None
    clear_hold: int


class CompiledRule(msgspec.Struct, frozen=True):
    """A rule that can run.

    Attributes:
        rule: The rule.
        watch: Which entities.
        reads: IRI by name of the attributes that conditions read.
        figures: The figures.
        levels: The levels, the gravest first.
        group: IRI of the attribute whose value makes the subject, "*" for all entities, "" for each.
        lateness: In microseconds.
        touches: Attributes (IRIs) whose change concerns the rule's own entities.
        shape: What must be as before for its windows to be kept when it has a new version.
    """

    rule: Rule
    watch: CompiledWatch
    reads: dict[str, str]
    figures: tuple[CompiledFigure, ...]
    levels: tuple[CompiledLevel, ...]
    group: str
    lateness: int
    touches: frozenset[str]
    shape: bytes


def compile_rule(rule: Rule, terms: TermMap, zone: str) -> CompiledRule:
    """What the engine runs of a rule.

    Args:
        rule: The rule.
        terms: The names of its @context.
        zone: The district's time zone.

    Raises BadRequestData with the first thing that is wrong.
    """
    _check_form(rule)
    figure_names = frozenset(rule.figures)
    lateness = span(rule.lateness, "lateness", LONGEST_LATENESS)
    group = rule.group_by if rule.group_by in ("", "*") else _iri(rule.group_by, terms, "group_by")
    levels = tuple(_level(place, rule, figure_names) for place in range(len(rule.levels)))
    if wrong := contradictions(levels):
        raise BadRequestData(wrong)
    conditions = [part for level in levels for part in (level.condition, level.clear) if part is not None]
    reads = _reads(conditions, figure_names, terms)
    if group and (strange := sorted(name for name, iri in reads.items() if iri != group)):
        raise BadRequestData(f"'{strange[0]}' is of one entity, and 'group_by' makes many one subject: right would be a figure over them")
    if rule.parent_link:
        _iri(rule.parent_link, terms, "parent_link")
    days = Days(zone)
    figures = tuple(
        _figure(name, figure, conditions, _Around(terms, lateness, days, bool(group))) for name, figure in rule.figures.items()
    )
    watch = _watch(rule.watch, terms, "watch")
    touches = {*reads.values(), *watch.reads, *([group] if group not in ("", "*") else ())}
    for figure in figures:
        touches |= set(figure.reads.values()) if figure.near is None else {figure.near.link or LOCATION}
    if any(figure.function == "age" and not figure.reads for figure in figures):
        touches = {ANY}
    shape = msgspec.json.encode((rule.watch, rule.figures, rule.group_by, rule.lateness, rule.context, rule.tenant, sorted(reads)))
    return CompiledRule(rule, watch, reads, figures, levels, group, lateness, frozenset(touches), shape)


LOCATION: Final = "https://uri.etsi.org/ngsi-ld/location"
ANY: Final = "*"
"""In place of an attribute: whatever changes."""


def problems(rule: Rule, terms: TermMap, zone: str) -> list[str]:
    """What is wrong with a rule: of each of its parts the first thing; empty: it can run."""
    found: list[str] = []

    def attempt(work: Callable[[], Any]) -> None:
        try:
            work()
        except CityHubError as error:
            if error.detail not in found:
                found.append(error.detail)

    names = frozenset(rule.figures)
    around = _Around(terms, 0, Days(zone), bool(rule.group_by))
    attempt(lambda: _check_form(rule))
    attempt(lambda: _watch(rule.watch, terms, "watch"))
    for place in range(len(rule.levels)):
        attempt(lambda place=place: _level(place, rule, names))  # type: ignore[misc]
    for name, figure in rule.figures.items():
        attempt(lambda name=name, figure=figure: _figure(name, figure, [], around))  # type: ignore[misc]
    if not found:
        attempt(lambda: compile_rule(rule, terms, zone))
    return found


class _Around(msgspec.Struct, frozen=True):
    terms: TermMap
    lateness: int
    days: Days
    of_many: bool


def _check_form(rule: Rule) -> None:
    if not rule.levels:
        raise BadRequestData("'levels' is empty; right would be at least one with a severity and a condition")
    if len(rule.figures) > MOST_FIGURES:
        raise BadRequestData(f"'figures' has {len(rule.figures)}; {MOST_FIGURES} are the most")
    if rule.parent == rule.id:
        raise BadRequestData("'parent' is the rule itself; right would be another rule")
    if rule.parent_link and not rule.parent:
        raise BadRequestData("'parent_link' leads to a parent's subject, and there is no 'parent'")


def _level(place: int, rule: Rule, figures: frozenset[str]) -> CompiledLevel:
    level, where = rule.levels[place], f"levels[{place}]"
    return CompiledLevel(
        level.severity,
        formula(level.condition, f"{where}.condition", figures),
        span(level.hold, f"{where}.hold", LONGEST_WINDOW),
        formula(level.clear, f"{where}.clear", figures) if level.clear else None,
        span(level.clear_hold, f"{where}.clear_hold", LONGEST_WINDOW),
    )


def _figure(name: str, figure: Figure, conditions: list[Formula], around: _Around) -> CompiledFigure:
    where = f"figures.{name}"
    function = figure.function
    of = formula(figure.of, f"{where}.of", frozenset()) if figure.of else None
    if of is None and function not in ("count", "age"):
        raise BadRequestData(f"'{where}.of' is empty; right would be the name of an attribute, or an expression over attributes")
    reads = _reads([of], frozenset(), around.terms) if of is not None else {}
    attribute = reads[of.node.name] if of is not None and isinstance(of.node, Name) and of.node.name in reads else ""
    over = span(figure.over, f"{where}.over", LONGEST_WINDOW)
    if function in MODELLED and (not attribute or around.of_many):
        raise BadRequestData(f"'{where}.of' must be the name of one attribute of one entity, since models are of such")
    if around.of_many and figure.near is not None:
        raise BadRequestData(f"'{where}.near' is about one entity; right would be a rule without 'group_by'")
    if around.of_many and function in ("increase", "rate"):
        raise BadRequestData(f"'{where}.function' '{function}' is of one entity; right would be 'sum' or 'average', or no 'group_by'")
    if figure.window != "sliding" and not over:
        raise BadRequestData(f"'{where}.over' is empty; a {figure.window} window needs a length such as 'PT1H'")
    if function in ("increase", "rate") and not over:
        raise BadRequestData(f"'{where}.over' is empty; '{function}' needs a window such as 'PT1H'")
    near = _near(figure.near, around.terms, f"{where}.near") if figure.near is not None else None
    if near is not None and (function in MODELLED or function == "age" or figure.window != "sliding"):
        raise BadRequestData(f"'{where}.near' goes with figures of sliding windows only, not with '{function}' or '{figure.window}'")
    plan = None
    if over and near is None and function not in MODELLED and function != "age":
        plan = WindowPlan(function, figure.window, over, around.lateness, around.days, around.of_many)
    ahead = span(figure.ahead, f"{where}.ahead", LONGEST_WINDOW)
    turns = _turns(name, conditions) if function == "age" else ()
    is_watched = function == "age" and not turns and any(name in condition.names for condition in conditions)
    return CompiledFigure(name, function, of, attribute, reads, plan, over, near, ahead, turns, is_watched)


def _turns(name: str, conditions: list[Formula]) -> tuple[int, ...]:
    """The ages (microseconds) just after which conditions may turn: the numbers that they compare it with."""
    numbers = {number for condition in conditions for number in numbers_beside(condition.node, name)}
    return tuple(sorted(round(number * SECOND) + JUST_AFTER for number in numbers if 0 <= number * SECOND <= LONGEST_WINDOW))


def _near(near: Near, terms: TermMap, where: str) -> CompiledNear:
    if not 0 <= near.radius_m <= LARGEST_RADIUS_M:
        raise BadRequestData(f"'{where}.radius_m' is {near.radius_m}; right would be 0 to {LARGEST_RADIUS_M:.0f} metres")
    link = _iri(near.link, terms, f"{where}.link") if near.link else ""
    return CompiledNear(_watch(near.watch, terms, f"{where}.watch"), near.radius_m, link)


def _watch(watch: Watch, terms: TermMap, where: str) -> CompiledWatch:
    if len(watch.ids) > MOST_IDS:
        raise BadRequestData(f"'{where}.ids' has {len(watch.ids)}; {MOST_IDS} are the most")
    selector: dict[str, Any] = {"type": watch.type, **({"id": watch.ids} if watch.ids else {})}
    document: dict[str, Any] = {"entities": [selector]}
    document |= {"q": watch.q} if watch.q else {}
    document |= {"scopeQ": watch.scope} if watch.scope else {}
    document |= {"geoQ": watch.geo} if watch.geo else {}
    try:
        query = query_from_document(document, terms)
    except CityHubError as error:
        raise BadRequestData(f"'{where}': {error.detail}") from None
    selection = query.selectors[0].types
    if selection is None or selection.alternatives is None:
        raise BadRequestData(f"'{where}.type' must name types; '*' would make every change everybody's")
    if ALERT in selection.names:
        raise BadRequestData(f"'{where}.type' must not be 'Alert': a rule that watches alerts would hear itself")
    reads = set(query.q.attributes) if query.q is not None else set()
    if query.geo is not None:
        reads.add(query.geo.attribute)
    is_simple = query.q is None and query.geo is None and query.scope is None
    return CompiledWatch(query, selection.names, frozenset(reads), is_simple, query.q is not None and query.q.depth > 0)


def _reads(formulas: list[Formula], figures: frozenset[str], terms: TermMap) -> dict[str, str]:
    names = {name.removesuffix(" at") for part in formulas for name in part.names} - figures - _OWN
    return {name: _iri(name, terms, "name") for name in sorted(names)}


def _iri(name: str, terms: TermMap, where: str) -> str:
    try:
        return terms.expand_name(name)
    except CityHubError:
        right = "a figure of the rule, or the name of an attribute" if where == "name" else "the name of an attribute or relationship"
        raise BadRequestData(f"'{name:.100}' ({where}) is neither; right would be {right}") from None
