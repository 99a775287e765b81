"""Trains the models that rules ask for, again and again, by the history's own functions (docs/models.md)."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from cityhub.model.condition import TypeIs
from cityhub.model.errors import BadRequestData, CityHubError, StoreUnavailable, TooComplexQuery
from cityhub.model.jsonld import TermMap
from cityhub.model.ports import Analysis, Document, Store, Write
from cityhub.model.time import Clock, to_text
from cityhub.rules.engine.compiling import CompiledRule, compile_rule
from cityhub.rules.engine.models import MODELS
from cityhub.rules.models.model import SECOND, KeptModels, Model, model_id
from cityhub.rules.rule import Rule

MODELLED: Final = frozenset(("anomaly", "forecast"))
STEP: Final = timedelta(minutes=15)
PERIOD: Final = timedelta(days=42)
"""How far back a model looks: six weeks, so that each day of the week is there several times."""
LIFE: Final = timedelta(hours=6)
"""After so long a model is trained anew."""
MOST_AHEAD: Final = timedelta(days=7)
MOST_MODELS: Final = 2_000
MOST_EARLIER: Final = 20
"""So many earlier versions are kept of each, without their values."""
LEAST_STEPS: Final = 200
"""With fewer steps that have a value nothing is trained."""
AT_ONCE: Final = 20
"""So many are trained in one call of `renew`."""
TIMEOUT_S: Final = 60.0
_STATEMENT: Final = """
WITH steps AS (
    SELECT time_bucket(INTERVAL '15 minutes', observed_at) AS time, avg(number) AS value FROM observations
    WHERE entity = ? AND attribute = ? AND dataset IS NULL AND number IS NOT NULL AND observed_at >= ? AND observed_at < ? GROUP BY ALL
), lists AS (SELECT list(time ORDER BY time) AS times, list(value ORDER BY time) AS numbers, count(*) AS count FROM steps)
SELECT count, CASE WHEN count >= ? THEN forecast(times, numbers, ?) END, CASE WHEN count >= ? THEN forecast_model(times, numbers, ?) END
FROM lists
"""
TermsOf = Callable[[str, str], Awaitable[TermMap]]

log = logging.getLogger(__name__)


class Asked(msgspec.Struct, frozen=True):
    """A model that rules ask for: of which attribute, how far ahead, and who asks."""

    tenant: str
    entity: str
    attribute: str
    ahead: timedelta
    rules: list[str]


class Training:
    """Keeps the models that rules ask for young.

    Attributes:
        refused: Why a model could not be trained, by "<entity> <attribute>".

    Args:
        analysis: Asks the history.
        store: Where models are kept and entities are.
        kept: The models that there are.
        rules: The rules.
        terms_of: The names that rules use.
        clock: The present time.
        zone: The district's time zone.
    """

    def __init__(
        self, analysis: Analysis, store: Store, kept: KeptModels, rules: Callable[[], Sequence[Rule]], terms_of: TermsOf, clock: Clock,
        zone: str,
    ) -> None:  # fmt: skip
        self._analysis = analysis
        self._store = store
        self._kept = kept
        self._rules = rules
        self._terms_of = terms_of
        self._clock = clock
        self._zone = zone
        self._tried: dict[tuple[str, str], str] = {}
        self.refused: dict[str, str] = {}

    async def load(self) -> None:
        """Reads the models that are kept."""
        for tenant, document in await self._store.records(None, MODELS):
            self._kept.take(tenant, document["id"], document)

    async def renew(self) -> int:
        """Trains what is asked for and old or not there, the oldest first, a few at a time; returns how many. To be called often."""
        now = self._clock.now()
        oldest_allowed = to_text(now - LIFE)
        due = [one for one in await self.asked() if self._made_at(one) < oldest_allowed]
        due.sort(key=self._made_at)
        for one in due[:AT_ONCE]:
            await self._train(one, now)
        return len(due[:AT_ONCE])

    def _made_at(self, one: Asked) -> str:
        model = self._kept.get(one.tenant, one.entity, one.attribute)
        return max(model.made_at if model is not None else "", self._tried.get((one.tenant, model_id(one.entity, one.attribute)), ""))

    async def asked(self) -> list[Asked]:
        """The models that the rules that run ask for, at most `MOST_MODELS`."""
        found: dict[tuple[str, str, str], Asked] = {}
        for rule in self._rules():
            if rule.enabled and any(figure.function in MODELLED for figure in rule.figures.values()):
                for one in await self._of_rule(rule):
                    key = (one.tenant, one.entity, one.attribute)
                    known = found.get(key)
                    both = sorted({*(known.rules if known else []), rule.id})
                    found[key] = msgspec.structs.replace(one, rules=both, ahead=max(one.ahead, known.ahead if known else one.ahead))
        if len(found) > MOST_MODELS:
            log.warning("rules ask for %d models, and %d are the most: some have none", len(found), MOST_MODELS)
        return list(found.values())[:MOST_MODELS]

    async def _of_rule(self, rule: Rule) -> list[Asked]:
        try:
            compiled = compile_rule(rule, await self._terms_of(rule.context, rule.tenant), self._zone)
        except CityHubError:  # how the rule stands says why
            return []
        wanted = {
            figure.attribute: timedelta(microseconds=figure.ahead)
            for figure in compiled.figures
            if figure.function in MODELLED and figure.attribute
        }
        entities = await self._entities(compiled)
        return [Asked(rule.tenant, id, attribute, ahead, [rule.id]) for id in entities for attribute, ahead in wanted.items()]

    async def _entities(self, compiled: CompiledRule) -> list[str]:
        found: list[str] = []
        for type in sorted(compiled.watch.types):
            async for block in self._store.scan(compiled.rule.tenant, TypeIs(type)):
                found += [entity["id"] for entity in block if compiled.watch.follows or compiled.watch.query.matches(entity)]
                if len(found) >= MOST_MODELS:
                    return found[:MOST_MODELS]
        return found

    async def _train(self, one: Asked, now: datetime) -> None:
        id = model_id(one.entity, one.attribute)
        self._tried[(one.tenant, id)] = to_text(now)
        reach = 2 * LIFE + min(one.ahead, MOST_AHEAD)
        horizon = math.ceil(reach / STEP)
        values = [one.entity, one.attribute, to_text(now - PERIOD), to_text(now), LEAST_STEPS, horizon, LEAST_STEPS, horizon]
        try:
            rows = await self._analysis.rows(one.tenant, _STATEMENT, values, timeout_s=TIMEOUT_S)
        except StoreUnavailable:
            raise
        except (BadRequestData, TooComplexQuery) as error:
            self.refused[id] = error.detail
            return
        count, points, facts = rows.rows[0]
        if not points:
            self.refused[id] = f"In {PERIOD.days} days its history has {count} quarters of an hour with a value; {LEAST_STEPS} are needed"
            return
        self.refused.pop(id, None)
        await self._keep(one, id, points, facts, now)

    async def _keep(self, one: Asked, id: str, points: list[dict[str, Any]], facts: dict[str, Any], now: datetime) -> None:
        def renewed(current: Document | None, at: str) -> tuple[Document, Document]:
            version = current["version"] + 1 if current is not None else 1
            model = _model(one, id, points, facts, version, to_text(now))
            earlier = [_facts(current), *current.get("earlier", [])][:MOST_EARLIER] if current is not None else []
            document = {**msgspec.to_builtins(model), "earlier": earlier}
            return document, document

        (result,) = await self._store.write(one.tenant, [Write(id, renewed, MODELS)])
        if isinstance(result, CityHubError):
            raise result
        self._kept.take(one.tenant, id, result)


def _model(one: Asked, id: str, points: list[dict[str, Any]], facts: dict[str, Any], version: int, made_at: str) -> Model:
    start = datetime.fromisoformat(points[0]["time"])
    return Model(
        id, one.entity, one.attribute, version, facts["model"], facts["version"], _text(facts["since"]), _text(facts["until"]),
        facts["observations"], _number(facts["mae"]), _number(facts["smape"]), _number(facts["coverage"]), _number(facts["naive_mae"]),
        made_at, int(start.timestamp()) * SECOND, int(facts["step_s"] * SECOND), [point["value"] for point in points],
        [point["low"] for point in points], [point["high"] for point in points], one.rules,
    )  # fmt: skip


def _text(time: str) -> str:
    return to_text(datetime.fromisoformat(time).astimezone(UTC))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _facts(document: Document) -> Document:
    """A version without its values."""
    return {name: value for name, value in document.items() if name not in ("values", "low", "high", "earlier", "start", "step")}
