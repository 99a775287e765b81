"""All that the engine remembers, as data: what a checkpoint keeps."""

from __future__ import annotations

from typing import Any

import msgspec

from cityhub.rules.engine.engine import Engine
from cityhub.rules.engine.near import Surroundings
from cityhub.rules.engine.room import Room
from cityhub.rules.engine.running import Running
from cityhub.rules.engine.subject import Subject
from cityhub.rules.engine.windows import Window


class SubjectState(msgspec.Struct, frozen=True, array_like=True):
    """See `cityhub.rules.engine.subject.Subject`."""

    id: str
    begun: int
    context: dict[str, Any]
    times: dict[str, int]
    figures: list[Any]
    watermark: int
    arrived: int
    on: list[bool]
    since: list[int]
    alert: str
    step: int
    severity: str
    raised: int
    stepped: int
    due: int
    place: dict[str, Any] | None
    seeded: int


class NearState(msgspec.Struct, frozen=True, array_like=True):
    """See `cityhub.rules.engine.near.Surroundings`: samples, places and targets."""

    samples: dict[str, list[tuple[int, Any]]]
    others: dict[str, tuple[float, float]]
    other_targets: dict[str, tuple[str, ...]]
    subjects: dict[str, tuple[float, float]]
    subject_targets: dict[str, tuple[str, ...]]


class RunningState(msgspec.Struct, frozen=True, array_like=True):
    """See `cityhub.rules.engine.running.Running`."""

    subjects: list[SubjectState]
    members: dict[str, str]
    near: list[NearState | None]
    documents: dict[str, dict[str, Any]]
    evaluated: int
    failed: int
    trouble: str
    failing_since: int
    failed_at: int
    too_late: int
    last: int


class RoomState(msgspec.Struct, frozen=True, array_like=True):
    """See `cityhub.rules.engine.room.Room`."""

    followed: dict[str, dict[str, Any] | None]
    followers: dict[str, list[tuple[str, str]]]


class EngineState(msgspec.Struct, frozen=True, array_like=True):
    """All of it: the position and the time, what is remembered of each rule and of each tenant, and the models of history."""

    position: int
    now: int
    rules: dict[str, RunningState]
    rooms: dict[str, RoomState]
    models: list[tuple[str, str, dict[str, Any]]] = []


def frozen(engine: Engine) -> EngineState:
    """What an engine remembers. It shares what it can with the engine: encode it before the engine goes on."""
    return EngineState(
        engine.position,
        engine.now,
        {id: _frozen_rule(running) for id, running in engine.rules.items()},
        {tenant: _frozen_room(room) for tenant, room in engine.rooms.items()},
        [(tenant, id, document) for (tenant, id), document in engine.models.items()],
    )


def thaw(engine: Engine, state: EngineState) -> None:
    """Makes an engine with the same rules remember what another one did."""
    engine.position, engine.now = state.position, state.now
    for tenant, id, document in state.models:
        engine.take_model(tenant, id, document)
    for id, running in engine.rules.items():
        if id in state.rules:
            _thaw_rule(running, state.rules[id])
    for tenant, room in engine.rooms.items():
        if tenant in state.rooms:
            room.followed = dict(state.rooms[tenant].followed)
            room.followers = {uri: set(asked) for uri, asked in state.rooms[tenant].followers.items()}
            room.missing = {uri for uri in room.followers if uri not in room.followed}
    engine.wind_up()


def _frozen_rule(running: Running) -> RunningState:
    return RunningState(
        [_frozen_subject(subject) for subject in running.subjects.values()], running.members,
        [None if around is None else _frozen_near(around) for around in running.near], running.documents,
        running.evaluated, running.failed, running.trouble, running.failing_since, running.failed_at, running.too_late, running.last,
    )  # fmt: skip


def _frozen_subject(one: Subject) -> SubjectState:
    figures = [(kept.times, kept.values, kept.members) if isinstance(kept, Window) else kept for kept in one.figures]
    return SubjectState(
        one.id, one.begun, one.context, one.times, figures, one.watermark, one.arrived, one.on, one.since, one.alert, one.step,
        one.severity, one.raised, one.stepped, one.due, one.place, one.seeded,
    )  # fmt: skip


def _frozen_near(around: Surroundings) -> NearState:
    return NearState(
        around.samples, around.others.places, around.other_targets.of, around.subjects.places, around.subject_targets.of
    )  # fmt: skip


def _frozen_room(room: Room) -> RoomState:
    return RoomState(room.followed, {uri: sorted(asked) for uri, asked in room.followers.items()})


def _thaw_rule(running: Running, state: RunningState) -> None:
    for kept in state.subjects:
        running.subjects[kept.id] = _thawed_subject(running, kept)
    for entity, key in state.members.items():
        running.join(key, entity)
    for around, near in zip(running.near, state.near, strict=True):
        if around is not None and near is not None:
            _thaw_near(around, near)
    running.documents = dict(state.documents)
    running.evaluated, running.failed, running.trouble = state.evaluated, state.failed, state.trouble
    running.failing_since, running.failed_at = state.failing_since, state.failed_at
    running.too_late, running.last = state.too_late, state.last
    running.open = sum(1 for subject in running.subjects.values() if subject.alert)


def _thawed_subject(running: Running, kept: SubjectState) -> Subject:
    one = Subject(kept.id, kept.begun, running.compiled)
    for place, figure in enumerate(kept.figures):
        window = one.figures[place]
        if isinstance(window, Window):
            window.load(*figure)
        elif type(figure) is dict:
            one.figures[place] = {id: (moment, value) for id, (moment, value) in figure.items()}
        else:
            one.figures[place] = figure
    one.context, one.times, one.watermark, one.arrived = kept.context, kept.times, kept.watermark, kept.arrived
    one.on, one.since, one.alert, one.step, one.severity = kept.on, kept.since, kept.alert, kept.step, kept.severity
    one.raised, one.stepped, one.due, one.place = kept.raised, kept.stepped, kept.due, kept.place
    one.seeded = kept.seeded
    return one


def _thaw_near(around: Surroundings, near: NearState) -> None:
    around.samples = {id: list(samples) for id, samples in near.samples.items()}
    for id in near.others.keys() | near.other_targets.keys():
        around.put_other(id, near.others.get(id), near.other_targets.get(id, ()))
    for id in near.subjects.keys() | near.subject_targets.keys():
        around.put_subject(id, near.subjects.get(id), near.subject_targets.get(id, ()))
