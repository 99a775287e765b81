"""A rule that runs: its subjects, and what observations make of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from cityhub.model.entity import VALUE_KEY, Entity, Instance
from cityhub.model.ngsild.q_targets import objects_of
from cityhub.rules.engine.compiling import ANY, LOCATION, CompiledFigure, CompiledRule
from cityhub.rules.engine.expressions import EventClock, Failed
from cityhub.rules.engine.models import Models
from cityhub.rules.engine.moments import SECOND, Micros
from cityhub.rules.engine.near import Surroundings, point_of
from cityhub.rules.engine.subject import NEVER, Subject
from cityhub.rules.engine.tallies import LARGEST, at_once
from cityhub.rules.engine.windows import Window

MOST_SUBJECTS: Final = 100_000
MOST_TAKINGS: Final = 1_000
MOST_MEMBERS: Final = 10_000
AHEAD: Final = 300 * SECOND
"""An observation that tells a time so far ahead of the journal's counts as made then."""
_NUMBERLESS: Final = frozenset({"count", "first", "last", "age"})
_LINKS: Final = frozenset({"Relationship", "ListRelationship"})
Touched = frozenset[str] | None
"""The attributes (IRIs) that a change touched; None: all."""


class Observed:
    """One entity at one change, with the values and times of its attributes.

    Attributes:
        document: The entity.
        id: Its id.
        touched: What the change touched.
        now: When it was committed.
    """

    __slots__ = ("_attributes", "_found", "_micros", "document", "id", "now", "touched")

    def __init__(self, document: Entity, touched: Touched, now: int, moments: Micros) -> None:
        self.document = document
        self.id: str = document["id"]
        self.touched = touched
        self.now = now
        self._attributes: dict[str, list[Instance]] = document["attrs"]
        self._micros = moments
        self._found: dict[str, tuple[Any, int]] = {}

    def value(self, iri: str) -> tuple[Any, int]:
        """Value and moment of an attribute's default instance; (None, NEVER) where there is none."""
        found = self._found.get(iri)
        if found is None:
            found = self._found[iri] = self._read(iri)
        return found

    def _read(self, iri: str) -> tuple[Any, int]:
        for instance in self._attributes.get(iri, ()):
            if "datasetId" not in instance:
                kind = instance["type"]
                value = objects_of(instance) if kind in _LINKS else instance.get(VALUE_KEY[kind])
                return value, self.moment_of(instance, iri)
        return None, NEVER

    def moment_of(self, instance: Instance, iri: str) -> int:
        """When an instance was observed; where that is not told, when it was written."""
        text = instance.get("observedAt")
        if text is not None:
            return min(self._micros[text], self.now + AHEAD)
        if self.touched is not None and iri in self.touched:
            return self.now
        written = instance.get("modifiedAt") or instance.get("createdAt") or self.document.get("createdAt")
        return self._micros[written] if written is not None else self.now

    def targets(self, iri: str) -> tuple[str, ...]:
        """What a relationship points to."""
        value, _ = self.value(iri)
        found = value if type(value) is list else [value]
        return tuple(item for item in found if type(item) is str)

    def newest(self) -> int:
        """The newest moment of all that was touched."""
        names = self._attributes.keys() if self.touched is None else self.touched
        return max((self.value(iri)[1] for iri in names), default=NEVER)


class Taking(msgspec.Struct, frozen=True):
    """What a change of some attributes brings: names to be read, figures to be fed (with their places), and whether it moves anything."""

    reads: tuple[tuple[str, str], ...]
    feeds: tuple[tuple[int, CompiledFigure], ...]
    moves: bool


class Running:
    """A rule that runs.

    Attributes:
        compiled: The rule.
        subjects: By id.
        members: Of a rule with groups: which subject each entity belongs to.
        near: Of each figure with `near` who is about whom.
        evaluated: Evaluations since it was started.
        failed: Those that failed.
        trouble: Why the last one that failed did; "" when none did for a while.
        failing_since: Since when.
        has_near: Whether figures are about other entities.
        ages: The figures that grow by themselves, with their places.
        takes_all: Whether all entities of its type are its own.
        failed_at: Number of the evaluation that failed last.
        too_late: Observations that came too late to count.
        open: Alerts that are open.
        last: When it was evaluated last.
    """

    def __init__(self, compiled: CompiledRule, models: Models, clock: EventClock) -> None:
        self.compiled = compiled
        self._models = models
        self._clock = clock
        self.subjects: dict[str, Subject] = {}
        self.members: dict[str, str] = {}
        self._sizes: dict[str, int] = {}
        self.near: list[Surroundings | None] = [
            Surroundings(figure.near.radius_m, bool(figure.near.link), figure.over) if figure.near is not None else None
            for figure in compiled.figures
        ]
        self.has_near = any(around is not None for around in self.near)
        self.ages = tuple((place, figure) for place, figure in enumerate(compiled.figures) if figure.function == "age")
        watch = compiled.watch
        self.takes_all = watch.is_simple and watch.query.selectors[0].ids is None and len(watch.types) == 1
        self._takings: dict[Touched, Taking] = {}
        self.documents: dict[str, Entity] = {}
        self.evaluated = 0
        self.failed = 0
        self.trouble = ""
        self.failing_since = NEVER
        self.failed_at = NEVER
        self.too_late = 0
        self.open = 0
        self.last = NEVER

    # -- What concerns it ----------------------------------------------------------------------------------------

    def is_touched(self, touched: Touched) -> bool:
        """Whether a change of these attributes concerns its own entities."""
        touches = self.compiled.touches
        return touched is None or ANY in touches or not touches.isdisjoint(touched)

    def touched_others(self, figure: CompiledFigure, touched: Touched) -> bool:
        """Whether a change of these attributes concerns a figure's other entities."""
        near = figure.near
        if near is None:
            return False
        if touched is None or not figure.reads:
            return True
        return not touched.isdisjoint({*figure.reads.values(), *near.watch.reads, near.link or LOCATION, LOCATION})

    def key_of(self, seen: Observed) -> str:
        """The subject that an entity belongs to; "" where it has no value to group by."""
        group = self.compiled.group
        if not group:
            return seen.id
        if group == "*":
            return "*"
        value, _ = seen.value(group)
        if type(value) is list and value:
            value = value[0]
        return f"{self.compiled.rule.group_by}={value}" if type(value) in (str, int, float, bool) else ""

    # -- Observations --------------------------------------------------------------------------------------------

    def begin(self, key: str, position: int) -> Subject:
        """The subject of an id, new if need be. Raises Failed when there are too many."""
        subject = self.subjects.get(key)
        if subject is None:
            if len(self.subjects) >= MOST_SUBJECTS:
                raise Failed(f"more than {MOST_SUBJECTS} subjects; right would be a narrower 'watch'")
            subject = self.subjects[key] = Subject(key, position, self.compiled)
        return subject

    def observe(self, subject: Subject, seen: Observed, *, is_new: bool) -> None:
        """Takes in what a change says of a subject. Raises Failed after it was taken in as far as it can be."""
        touched, context, times = None if is_new else seen.touched, subject.context, subject.times
        taking = self._takings.get(touched) or self._taking(touched)
        newest, wrong = NEVER, ""
        for name, iri in taking.reads:
            value, moment = seen.value(iri)
            context[name] = value
            times[name] = moment
            if moment > newest:
                newest = moment
        for place, figure in taking.feeds:
            try:
                moment = self._feed(place, figure, subject, seen)
            except Failed as reason:
                wrong = f"figures.{figure.name}: {reason}"
            else:
                if moment > newest:
                    newest = moment
        if taking.moves:
            self.place(subject, seen, touched)
        if newest == NEVER:
            newest = seen.now if subject.watermark == NEVER else subject.watermark
        if newest > subject.watermark or subject.arrived == NEVER:
            subject.watermark, subject.arrived = newest, seen.now
        if wrong:
            raise Failed(wrong)

    def _taking(self, touched: Touched) -> Taking:
        """What is to be done where these attributes were touched."""
        compiled = self.compiled
        links = {figure.near.link for figure in compiled.figures if figure.near is not None}
        if len(self._takings) >= MOST_TAKINGS:
            self._takings.clear()
        taking = self._takings[touched] = Taking(
            tuple((name, iri) for name, iri in compiled.reads.items() if touched is None or iri in touched),
            tuple(
                (place, figure)
                for place, figure in enumerate(compiled.figures)
                if figure.near is None and (touched is None or not figure.reads or not touched.isdisjoint(figure.reads.values()))
            ),
            touched is None or LOCATION in touched or not touched.isdisjoint(links),
        )
        return taking

    def place(self, subject: Subject, seen: Observed, touched: Touched) -> None:
        """Notes where a subject is and what it points to."""
        if not self.compiled.group and (touched is None or LOCATION in touched):
            location, _ = seen.value(LOCATION)
            subject.place = location if type(location) is dict else None
        for figure, around in zip(self.compiled.figures, self.near, strict=True):
            if around is not None and figure.near is not None:
                link = figure.near.link
                if touched is None or LOCATION in touched or link in touched:
                    around.put_subject(subject.id, point_of(seen.value(LOCATION)[0]), seen.targets(link) if link else ())

    def observe_other(self, place: int, seen: Observed) -> bool:
        """Takes in what a change says of an entity that one figure is about; whether it counts. Raises Failed."""
        figure, around = self.compiled.figures[place], self.near[place]
        assert around is not None and figure.near is not None
        link = figure.near.link
        if seen.touched is None or LOCATION in seen.touched or link in seen.touched or seen.id not in around.samples:
            around.put_other(seen.id, point_of(seen.value(LOCATION)[0]), seen.targets(link) if link else ())
        if figure.of is None:
            newest = seen.newest()
            value, moment = 1, seen.now if newest == NEVER else newest
        else:
            value, moment = self._worked_out(figure, seen)
            if value is None:
                return False
        if not around.observe(seen.id, moment, value):
            raise Failed(f"figures.{figure.name}: too many other entities; right would be a narrower 'near.watch'")
        return True

    def look_around(self, subject: Subject) -> None:
        """Works out the figures over other entities."""
        for figure, around in zip(self.compiled.figures, self.near, strict=True):
            if around is not None:
                subject.context[figure.name] = around.figure(figure.function, subject.id, subject.watermark)

    def late(self, subject: Subject, entity: str, values: Mapping[str, list[tuple[int, Any]]]) -> bool:
        """Puts observations (moment and value by attribute) that came late at their places; whether any counted. Raises Failed."""
        counted = False
        for place, figure in enumerate(self.compiled.figures):
            kept = subject.figures[place]
            if not isinstance(kept, Window) or not figure.attribute or figure.attribute not in values:
                continue
            for moment, value in values[figure.attribute]:
                if value is None:
                    continue
                if moment < subject.watermark - self.compiled.lateness:
                    self.too_late += 1
                    continue
                kept.put(moment, _usable(figure, value), entity)
                counted = True
            subject.context[figure.name] = kept.value()
        return counted

    def late_other(self, place: int, entity: str, values: Mapping[str, list[tuple[int, Any]]], newest: int) -> bool:
        """The same for an entity that one figure is about. Raises Failed."""
        figure, around = self.compiled.figures[place], self.near[place]
        if around is None or not figure.over or figure.attribute not in values or entity not in around.samples:
            return False
        for moment, value in values[figure.attribute]:
            if value is not None and moment >= newest - self.compiled.lateness:
                around.observe(entity, moment, _usable(figure, value))
        return True

    def join(self, key: str, entity: str) -> None:
        """An entity belongs to a group now."""
        if self.members.get(entity) == key:
            return
        self.members[entity] = key
        self._sizes[key] = self._sizes.get(key, 0) + 1

    def leave(self, subject: Subject, entity: str) -> bool:
        """An entity does not belong to a group any more; what it left in windows stays. Returns whether it was the last one."""
        self.members.pop(entity, None)
        for figure, kept in zip(self.compiled.figures, subject.figures, strict=True):
            if type(kept) is dict and kept.pop(entity, None) is not None:
                subject.context[figure.name] = _of_members(figure.function, kept)
        left = self._sizes[subject.id] = self._sizes.get(subject.id, 1) - 1
        return left <= 0

    def _feed(self, place: int, figure: CompiledFigure, subject: Subject, seen: Observed) -> int:
        """Gives a figure what it is worked out of; the moment of it, or NEVER. Raises Failed."""
        kept = subject.figures[place]
        if figure.reads:
            value, moment = self._worked_out(figure, seen)
            if value is None:
                return NEVER
        else:
            value, moment = 1, seen.newest()
            moment = seen.now if moment == NEVER else moment
        if figure.function == "age":
            subject.figures[place] = max(kept, moment)
            subject.times[figure.name] = subject.figures[place]
            return moment
        if isinstance(kept, Window):
            if moment < subject.watermark - self.compiled.lateness:
                self.too_late += 1
                return NEVER
            kept.put(moment, value, seen.id)
            subject.context[figure.name] = kept.value()
            if kept.is_full:
                raise Failed(f"a window has more than {len(kept)} observations; right would be a shorter one")
        elif type(kept) is dict:
            if seen.id not in kept and len(kept) >= MOST_MEMBERS:
                raise Failed(f"a group has more than {MOST_MEMBERS} entities; right would be smaller groups")
            kept[seen.id] = (moment, value)
            subject.context[figure.name] = _of_members(figure.function, kept)
        else:
            subject.context[figure.name] = self._single(figure, seen, value, moment)
        subject.times[figure.name] = max(moment, subject.times.get(figure.name, NEVER))
        return moment

    def _single(self, figure: CompiledFigure, seen: Observed, value: Any, moment: int) -> Any:
        tenant = self.compiled.rule.tenant
        if figure.function == "anomaly":
            return self._models.surprise(tenant, seen.id, figure.attribute, value, moment)
        if figure.function == "forecast":
            return self._models.expected(tenant, seen.id, figure.attribute, moment + figure.ahead)
        return at_once(figure.function, [(moment, value)])

    def _worked_out(self, figure: CompiledFigure, seen: Observed) -> tuple[Any, int]:
        """What a figure takes of an entity, and of when. Raises Failed."""
        if figure.attribute:
            value, moment = seen.value(figure.attribute)
        else:
            assert figure.of is not None
            found = {name: seen.value(iri) for name, iri in figure.reads.items()}
            self._clock.moment = seen.now
            value = figure.of.number({name: one[0] for name, one in found.items()}, self._clock)
            moment = max(one[1] for one in found.values()) if found else seen.now
        return (None, NEVER) if value is None else (_usable(figure, value), moment)


def _usable(figure: CompiledFigure, value: Any) -> Any:
    """A value that the figure can be worked out of. Raises Failed."""
    if figure.function in _NUMBERLESS:
        return value if type(value) in (int, float, str, bool) else 1
    if type(value) not in (int, float) or not -LARGEST < value < LARGEST:
        raise Failed(f"'{figure.function}' needs a number, and '{figure.of.text if figure.of else ''}' is {value!r:.60}")
    return value


def _of_members(function: str, members: Mapping[str, tuple[int, Any]]) -> Any:
    return at_once(function, sorted(members.values(), key=lambda one: one[0]))


