"""The engine: journal entries and the time in, signals out.

It knows no clock and does no I/O. The time is that of the entries, and what `tick` says while there are none; whatever falls due in
between is done first. So the same entries give the same signals, in whatever blocks they come.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec

from cityhub.model.change import Entry
from cityhub.model.entity import Entity
from cityhub.model.feel import to_json
from cityhub.model.ports import ENTITIES, HISTORY_EVENTS
from cityhub.rules.engine.compiling import CompiledRule
from cityhub.rules.engine.expressions import EventClock, Failed
from cityhub.rules.engine.late import late_values
from cityhub.rules.engine.levels import Turn, next_look, turn_of, weigh
from cityhub.rules.engine.models import MODELS, Models, NoModels
from cityhub.rules.engine.moments import SECOND, Micros, text_of
from cityhub.rules.engine.near import MOST_AFFECTED
from cityhub.rules.engine.room import Concern, Room
from cityhub.rules.engine.running import AHEAD, Observed, Running, Touched
from cityhub.rules.engine.subject import NEVER, Subject
from cityhub.rules.sentinel_port import Signal

MOST_ENTITIES: Final = 100
"""Entities that a signal names."""
MOST_TEXT: Final = 500
AGE_STEP: Final = 60 * SECOND
DROPPED_TENANT: Final = "tenant"
"""The collection of the entry that is left of a tenant that was dropped."""
FAILING: Final = 100
"""A rule fails as long as one of its last so many evaluations did."""


class Engine:
    """All rules of a hub.

    Attributes:
        position: Of the last entry that was taken.
        now: How far the time has come, in microseconds since 1970.
        rules: The rules that run, by id.
        rooms: The same by tenant.
        models: The models of history that it has, by tenant and id.
        clock: The moment that expressions see.

    Args:
        models: What anomalies and forecasts are asked of.
    """

    def __init__(self, models: Models | None = None) -> None:
        self._models = models or NoModels()
        self.clock = EventClock()
        self._micros = Micros()
        self.rooms: dict[str, Room] = {}
        self._timers: list[tuple[int, str, str]] = []
        self._signals: list[Signal] = []
        self._decode = msgspec.json.Decoder().decode
        self._is_seeding = False
        self.position = 0
        self.now = 0
        self.rules: dict[str, Running] = {}
        self.models: dict[tuple[str, str], dict[str, Any]] = {}

    # -- The rules -----------------------------------------------------------------------------------------------

    def arrange(self, compiled: Sequence[CompiledRule]) -> tuple[list[str], list[Signal]]:
        """Runs exactly these rules from now on: those that must be shown the present state (see `show`), and what that ends.

        A rule whose version is as before keeps its state, as does one whose entities and figures are; another one keeps its open alerts.
        """
        self._signals = []
        wanted = {one.rule.id: one for one in compiled}
        for id in [id for id in self.rules if id not in wanted]:
            self._end(self.rules.pop(id))
        anew = [id for id, one in wanted.items() if not self._keeps(id, one)]
        self._order()
        return anew, self._taken()

    def show(self, tenant: str, documents: Iterable[Entity], rules: Iterable[str], now: int) -> None:
        """Shows rules the present state of entities; signals come with `shown`.

        Args:
            tenant: Whose entities.
            documents: Entities.
            rules: Ids of the rules that are to see them.
            now: When they were like that, in microseconds since 1970.
        """
        room = self.rooms.get(tenant)
        if room is None:
            return
        wanted = set(rules)
        self._is_seeding = True
        for document in documents:
            seen = Observed(document, None, now, self._micros)
            for concern in room.concerns(document["type"], None):
                if concern[0].compiled.rule.id in wanted:
                    self._concerned(room, concern, seen)
        self._is_seeding = False

    def shown(self, rules: Iterable[str], now: int) -> list[Signal]:
        """What rules say of all that they were shown, and of what was there before."""
        self._signals = []
        self.now = max(self.now, now)
        for running in self._in_order(rules):
            for key in sorted(running.subjects):
                self._look(running, running.subjects[key], self.now)
        return self._taken()

    def missing(self) -> list[tuple[str, str]]:
        """Tenant and id of entities that queries follow links to and that are not known; each is told once. See `learn`."""
        found = [(tenant, id) for tenant, room in self.rooms.items() for id in sorted(room.missing)]
        for room in self.rooms.values():
            room.missing = set()
        return found

    def learn(self, tenant: str, id: str, document: Entity | None, now: int) -> list[Signal]:
        """Tells what such an entity is now; None: it is not there."""
        self._signals = []
        self.now = max(self.now, now)
        room = self.rooms.get(tenant)
        if room is not None:
            self._followed(room, id, document)
        return self._taken()

    def wind_up(self) -> None:
        """Sets the timers as its subjects have them."""
        self._timers = [
            (subject.due, id, key) for id, one in self.rules.items() for key, subject in one.subjects.items() if subject.due != NEVER
        ]
        heapq.heapify(self._timers)

    # -- Time and entries ----------------------------------------------------------------------------------------

    def take(self, entries: Sequence[Entry]) -> list[Signal]:
        """What entries of the journal, in their order, give rise to."""
        self._signals = []
        for entry in entries:
            self._take(entry)
        return self._taken()

    def tick(self, now: int) -> list[Signal]:
        """What falls due up to a moment (microseconds since 1970)."""
        self._signals = []
        self._advance(now)
        return self._taken()

    def take_model(self, tenant: str, id: str, document: dict[str, Any] | None) -> None:
        """Takes a model of history; None: it is gone."""
        if document is None:
            self.models.pop((tenant, id), None)
        else:
            self.models[tenant, id] = document
        self._models.take(tenant, id, document)

    def due(self) -> int:
        """When something falls due next; NEVER when nothing does."""
        while self._timers:
            due, id, key = self._timers[0]
            subject = self._subject(id, key)
            if subject is not None and subject.due == due:
                return due
            heapq.heappop(self._timers)
        return NEVER

    def _take(self, entry: Entry) -> None:
        position, collection, tenant, id, _, at, after, _, attributes, _ = entry
        now = self._micros[at]
        if now > self.now or (self._timers and self._timers[0][0] <= now):
            self._advance(now)
        self.position = position
        if collection == MODELS:
            self.take_model(tenant, id, None if after is None else self._decode(after))
            return
        room = self.rooms.get(tenant)
        if room is None:
            return
        if collection == ENTITIES:
            touched = room.touched(attributes)
            if after is None:
                self._gone(room, id)
            elif room.may_concern(touched) or id in room.followers:
                self._changed(room, self._decode(after), touched)
        elif collection == HISTORY_EVENTS and after is not None:
            self._late(room, self._decode(after))
        elif collection == DROPPED_TENANT:
            for running in room.rules:
                self._end(running)

    def _advance(self, now: int) -> None:
        timers = self._timers
        while timers and timers[0][0] <= now:
            due, id, key = heapq.heappop(timers)
            subject = self._subject(id, key)
            if subject is not None and subject.due == due:
                self.now = max(self.now, due)
                subject.due = NEVER
                self._look(self.rules[id], subject, due, by_timer=True)
        self.now = max(self.now, now)

    def _subject(self, rule: str, key: str) -> Subject | None:
        running = self.rules.get(rule)
        return running.subjects.get(key) if running is not None else None

    # -- Entities ------------------------------------------------------------------------------------------------

    def _changed(self, room: Room, document: Entity, touched: Touched) -> None:
        seen = Observed(document, touched, self.now, self._micros)
        for concern in room.concerns(document["type"], touched):
            self._concerned(room, concern, seen)
        if room.followers and document["id"] in room.followers:
            self._followed(room, document["id"], document)

    def _concerned(self, room: Room, concern: Concern, seen: Observed) -> None:
        running, is_subject, others = concern
        try:
            if is_subject:
                self._observe(room, running, seen)
            for place in others:
                self._observe_other(room, running, place, seen)
        except Exception as error:  # also what nobody foresaw: a rule must not stop the others
            self._fail(running, seen.id, error)

    def _observe(self, room: Room, running: Running, seen: Observed) -> None:
        watch = running.compiled.watch
        if running.takes_all:
            matches = True
        elif watch.follows:
            running.documents[seen.id] = seen.document
            matches = watch.query.with_links(room.follow(running, seen.id))(seen.document)
        else:
            matches = watch.query.matches(seen.document)
        key = "" if not matches else seen.id if not running.compiled.group else running.key_of(seen)
        if not key:
            self._left(running, seen.id)
            return
        subject = running.subjects.get(key)
        is_new = subject is None
        if subject is None:
            subject = running.begin(key, self.position)
        elif seen.now < subject.seeded:
            return
        if running.compiled.group and running.members.get(seen.id) != key:
            self._left(running, seen.id)
            running.join(key, seen.id)
            is_new = True
        if self._is_seeding:
            modified = seen.document.get("modifiedAt") or seen.document.get("createdAt")
            subject.seeded = NEVER if running.compiled.group or modified is None else self._micros[modified]
        wrong = ""
        try:
            running.observe(subject, seen, is_new=is_new)
        except Failed as reason:
            wrong = str(reason)
        if not self._is_seeding:
            self._look(running, subject, self.now)
        if wrong:
            raise Failed(wrong)

    def _left(self, running: Running, entity: str) -> None:
        """An entity is no subject any more, or leaves its group, which is looked at again."""
        key = running.members.get(entity, "") if running.compiled.group else entity
        subject = running.subjects.get(key)
        if subject is None:
            return
        if not running.compiled.group or running.leave(subject, entity):
            self._drop(running, subject)
        else:
            self._look(running, subject, self.now)

    def _observe_other(self, room: Room, running: Running, place: int, seen: Observed) -> None:
        figure, around = running.compiled.figures[place], running.near[place]
        assert figure.near is not None and around is not None
        before = [] if self._is_seeding or seen.id not in around.samples else around.affected(seen.id, running.subjects)
        watch = figure.near.watch
        linked = room.follow(running, seen.id) if watch.follows else None
        if watch.query.with_links(linked)(seen.document) if linked else watch.query.matches(seen.document):
            running.observe_other(place, seen)
        else:
            around.forget_other(seen.id)
        if not self._is_seeding:
            moment = around.samples[seen.id][-1][0] if seen.id in around.samples else NEVER
            self._look_about(running, sorted({*before, *around.affected(seen.id, running.subjects)}), moment)

    def _look_about(self, running: Running, keys: Sequence[str], moment: int) -> None:
        for key in keys[:MOST_AFFECTED]:
            subject = running.subjects.get(key)
            if subject is not None:
                if moment > subject.watermark:
                    subject.watermark, subject.arrived = moment, self.now
                self._look(running, subject, self.now)
        if len(keys) > MOST_AFFECTED:
            raise Failed(f"one entity is about {len(keys)} subjects, and {MOST_AFFECTED} are the most: right would be a smaller radius")

    def _followed(self, room: Room, id: str, document: Entity | None) -> None:
        """An entity that queries follow links to has changed: whoever asked for it is looked at again."""
        room.followed[id] = document
        for rule, entity in sorted(room.followers.get(id, ())):
            running = self.rules.get(rule)
            if running is not None and entity in running.documents:
                seen = Observed(running.documents[entity], None, self.now, self._micros)
                self._concerned(room, (running, True, ()), seen)

    def _gone(self, room: Room, id: str) -> None:
        """An entity was deleted."""
        for running in room.rules:
            running.documents.pop(id, None)
            self._left(running, id)
            for around in running.near:
                if around is not None and id in around.samples:
                    affected = around.affected(id, running.subjects)
                    around.forget_other(id)
                    try:
                        self._look_about(running, affected, NEVER)
                    except Failed as reason:
                        self._fail(running, id, reason)
        if id in room.followers:
            self._followed(room, id, None)

    def _late(self, room: Room, document: Mapping[str, Any]) -> None:
        """Observations that came too late to be the present state."""
        for entity, types, values in late_values(document, self._micros, self.now + AHEAD):
            for running, is_subject, others in room.concerns(types, frozenset(values)):
                try:
                    if is_subject:
                        key = running.members.get(entity, "") if running.compiled.group else entity
                        subject = running.subjects.get(key)
                        if subject is not None and running.late(subject, entity, values):
                            self._look(running, subject, self.now)
                    for place in others:
                        around = running.near[place]
                        assert around is not None
                        newest = max((one.watermark for one in running.subjects.values()), default=NEVER)
                        if running.late_other(place, entity, values, newest):
                            self._look_about(running, around.affected(entity, running.subjects), NEVER)
                except Exception as error:  # see `_concerned`
                    self._fail(running, entity, error)

    # -- Conditions ----------------------------------------------------------------------------------------------

    def _look(self, running: Running, subject: Subject, now: int, *, by_timer: bool = False) -> None:
        """Evaluates the levels of a subject, and says what has turned."""
        moment = subject.watermark
        if by_timer:  # nothing was observed since, and its own time went on like the journal's
            moment += max(0, now - subject.arrived)
        running.evaluated += 1
        running.last = now
        if running.trouble and running.evaluated - running.failed_at > FAILING:
            running.trouble, running.failing_since = "", NEVER
        self.clock.moment = now
        try:
            if running.has_near:
                running.look_around(subject)
            for place, figure in running.ages:
                last = subject.figures[place]
                subject.context[figure.name] = None if last == NEVER else max(0, now - last) / SECOND
            turned = weigh(running.compiled.levels, subject, moment, self.clock)
        except Exception as error:  # see `_concerned`
            self._fail(running, subject.id, error)
            turned = NEVER
        if turned != NEVER or subject.alert or True in subject.on:
            self._announce(running, subject, moment if turned == NEVER else turned)
        if running.ages or not subject.is_steady():
            self._wake(running, subject, now)

    def _announce(self, running: Running, subject: Subject, at: int) -> None:
        turn = turn_of(running.compiled.levels, subject, at)
        if turn is not None:
            self._step(running, subject, turn)

    def _step(self, running: Running, subject: Subject, turn: Turn) -> None:
        rule = running.compiled.rule
        level = running.compiled.levels[turn.level]
        if turn.kind == "raised":
            subject.alert = alert_id(rule.id, rule.tenant, subject.id, turn.at, subject.begun)
            subject.step, subject.raised = 0, turn.at
            running.open += 1
        subject.severity = level.severity
        signal = Signal(
            rule.id, rule.version, rule.tenant, subject.id, self._entities(running, subject), subject.alert, subject.step, turn.kind,
            level.severity, text_of(turn.at), self.position, self._inputs(running, subject),  # type: ignore[arg-type]
            level.condition.text, subject.place,
        )  # fmt: skip
        self._signals.append(signal)
        subject.step += 1
        subject.stepped = turn.at
        if turn.kind == "cleared":
            subject.alert = ""
            running.open -= 1

    def _wake(self, running: Running, subject: Subject, now: int) -> None:
        """Sets when a subject is looked at next if nothing comes."""
        level = next_look(running.compiled.levels, subject)
        due = NEVER if level == NEVER else max(now + 1, subject.arrived + (level - subject.watermark))
        for place, figure in running.ages:
            last = subject.figures[place]
            if last != NEVER:
                later = next((last + turn for turn in figure.moments if last + turn > now), NEVER)
                if figure.is_watched:
                    later = last + ((now - last) // AGE_STEP + 1) * AGE_STEP
                due = later if due == NEVER else due if later == NEVER else min(due, later)
        if due != NEVER and (subject.due == NEVER or due < subject.due):  # an earlier look that is not needed any more does no harm
            subject.due = due
            heapq.heappush(self._timers, (due, running.compiled.rule.id, subject.id))

    def _entities(self, running: Running, subject: Subject) -> list[str]:
        if running.compiled.group:
            return sorted(entity for entity, key in running.members.items() if key == subject.id)[:MOST_ENTITIES]
        others = (id for around in running.near if around is not None for id in around.about(subject.id))
        return list(dict.fromkeys((subject.id, *others)))[:MOST_ENTITIES]

    def _inputs(self, running: Running, subject: Subject) -> dict[str, Any]:
        """What conditions see, and when it was observed."""
        inputs: dict[str, Any] = {}
        for name in (*running.compiled.reads, *(figure.name for figure in running.compiled.figures)):
            value = to_json(subject.context.get(name))
            text = value if type(value) is not str else value[:MOST_TEXT]
            inputs[name] = text if type(text) not in (dict, list) else msgspec.json.encode(text).decode()[:MOST_TEXT]
            if (moment := subject.times.get(name, NEVER)) != NEVER:
                inputs[f"{name} at"] = text_of(moment)
        return inputs

    # -- Beginnings and ends -------------------------------------------------------------------------------------

    def _keeps(self, id: str, compiled: CompiledRule) -> bool:
        """Puts a rule in the place of its former version; whether it needs not be shown the present state."""
        former = self.rules.get(id)
        if former is not None and former.compiled.rule.version == compiled.rule.version and former.compiled.shape == compiled.shape:
            return True
        running = self.rules[id] = Running(compiled, self._models, self.clock)
        if former is None:
            return False
        keeps = former.compiled.shape == compiled.shape
        for key, subject in former.subjects.items():
            if keeps or subject.alert:
                running.subjects[key] = _carried(subject, former.compiled, compiled, whole=keeps)
        running.open = sum(1 for subject in running.subjects.values() if subject.alert)
        if keeps:
            running.members, running.near, running.documents = former.members, former.near, former.documents
        return False

    def _end(self, running: Running) -> None:
        for key in sorted(running.subjects):
            self._drop(running, running.subjects[key])

    def _drop(self, running: Running, subject: Subject) -> None:
        """A subject is no more; its alert ends with it."""
        if subject.alert:
            subject.on = [False] * len(subject.on)
            turn = turn_of(running.compiled.levels, subject, subject.watermark)
            if turn is not None:
                self._step(running, subject, turn)
        for around in running.near:
            if around is not None:
                around.put_subject(subject.id, None, ())
        del running.subjects[subject.id]

    def _order(self) -> None:
        """Sorts the rules by tenant."""
        by_tenant: dict[str, list[Running]] = {}
        for id in sorted(self.rules):
            by_tenant.setdefault(self.rules[id].compiled.rule.tenant, []).append(self.rules[id])
        former = self.rooms
        self.rooms = {tenant: Room(rules) for tenant, rules in by_tenant.items()}
        for tenant, room in self.rooms.items():
            if tenant in former:
                room.inherit(former[tenant])

    def _in_order(self, rules: Iterable[str]) -> list[Running]:
        wanted = set(rules)
        return [running for room in self.rooms.values() for running in room.rules if running.compiled.rule.id in wanted]

    def _fail(self, running: Running, entity: str, error: Exception) -> None:
        reason = str(error) if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
        running.failed += 1
        running.failed_at = running.evaluated
        running.trouble = f"{entity}: {reason}"[:MOST_TEXT]
        if running.failing_since == NEVER:
            running.failing_since = self.now

    def _taken(self) -> list[Signal]:
        signals, self._signals = self._signals, []
        return signals


def alert_id(rule: str, tenant: str, subject: str, moment: int, begun: int) -> str:
    """The id of an alert: the same whenever the same entries are read.

    Args:
        rule: Id of the rule.
        tenant: The tenant.
        subject: What it is about.
        moment: When it was raised, in microseconds since 1970.
        begun: Position of the journal at which the rule first saw the subject.
    """
    digest = blake2b(msgspec.json.encode((rule, tenant, subject, moment, begun)), digest_size=12).hexdigest()
    return f"urn:ngsi-ld:Alert:{rule}:{digest}"


def _carried(subject: Subject, former: CompiledRule, compiled: CompiledRule, *, whole: bool) -> Subject:
    """A subject under another version of its rule; without its windows only its open alert is left."""
    new = Subject(subject.id, subject.begun, compiled)
    if whole:
        new.context, new.times, new.figures = subject.context, subject.times, subject.figures
        new.watermark, new.arrived, new.seeded = subject.watermark, subject.arrived, subject.seeded
    new.place = subject.place
    new.alert, new.step, new.severity, new.raised, new.stepped = (
        subject.alert, subject.step, subject.severity, subject.raised, subject.stepped,
    )  # fmt: skip
    held = {level.severity for level, is_on in zip(former.levels, subject.on, strict=True) if is_on}
    new.on = [level.severity in held for level in compiled.levels]
    return new
