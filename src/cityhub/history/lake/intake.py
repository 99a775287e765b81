"""From journal entries to rows of the tail and erasures.

By far the most entries are updates of attributes that carry an observedAt. Of those only the new document is read, and of it
only what became a row; everything else takes the long way by `cityhub.history.recording`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec
import orjson
import pyarrow as pa

from cityhub.history.lake.columns import row_of
from cityhub.history.lake.erasing import Erasure
from cityhub.history.lake.tail import ENTITY_VERSIONS_TAIL, OBSERVATIONS_TAIL, chunk_of, chunk_of_columns
from cityhub.history.recording import happening_of
from cityhub.model import history_events as events
from cityhub.model.change import Change, Entry, change_of
from cityhub.model.entity import Instance
from cityhub.model.ports import ENTITIES, HISTORY_EVENTS

KNOWN: Final = 200_000
"""Most entities whose types are kept in memory."""
_EXACT: Final = 2**53

log = logging.getLogger(__name__)


class _Instance(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """An instance as a sensor's update leaves it; another member sends the entry the long way."""

    type: str
    value: Any = msgspec.UNSET
    observedAt: str | None = None
    unitCode: str | None = None
    createdAt: str | None = None
    modifiedAt: str | None = None
    datasetId: str | None = None
    attrs: msgspec.Raw | None = None


class _Document(msgspec.Struct, gc=False):
    type: list[str]
    attrs: dict[str, list[_Instance]]
    scope: msgspec.Raw | None = None
    expiresAt: msgspec.Raw | None = None


class _Members(msgspec.Struct, gc=False):
    """What an entity was beside its attributes; of an undo only what was other."""

    type: list[str] | None = None
    scope: msgspec.Raw | None = None
    expiresAt: msgspec.Raw | None = None


class _Undo(msgspec.Struct, gc=False, array_like=True):
    """See `cityhub.model.change.undo_of`."""

    attrs: dict[str, list[_Instance]]
    members: _Members


_UNDO: Final = ord("[")


class Known(msgspec.Struct, frozen=True, gc=False):
    """What is remembered of an entity: its types as a list and as the text of the column, and whether it was deleted."""

    types: list[str]
    text: str
    is_deleted: bool = False


class Intake(msgspec.Struct):
    """What a batch of entries comes to.

    Attributes:
        observations: New rows of `observations`.
        versions: New rows of `entity_versions`.
        erasures: What is erased, in the order of the changes.
    """

    observations: list[pa.Table]
    versions: list[pa.Table]
    erasures: list[Erasure]


Lookup = Callable[[list[tuple[str, str]]], dict[tuple[str, str], Known]]
"""What the lake knows of (tenant, entity)s; those it does not know are left out."""
Created = Callable[[str, str, str, tuple[int, int]], str | None]
"""When the instance of a tenant, entity, attribute and place was created; None when there is none."""


class Reader:
    """Turns entries into rows. What it remembers between batches only makes it faster."""

    def __init__(self, seed: str, lookup: Lookup, created: Created) -> None:
        self._seed = seed
        self._lookup = lookup
        self._created = created
        self._known: dict[tuple[str, str], Known] = {}
        self._touched: dict[bytes, tuple[str, ...]] = {}
        self._decode = msgspec.json.Decoder(_Document).decode
        self._decode_undo = msgspec.json.Decoder(_Undo).decode
        self._decode_members = msgspec.json.Decoder(_Members).decode
        self._begin()

    def _begin(self) -> None:
        self._fast: list[tuple[Any, ...]] = []
        self._rows: list[tuple[Any, ...]] = []
        self._versions: list[tuple[Any, ...]] = []
        self._erasures: list[Erasure] = []

    def forget(self) -> None:
        """Empties the memory of entities."""
        self._known.clear()

    def take(self, entries: Sequence[Entry]) -> Intake:
        """The rows of entries, in their order; entries that say nothing to the history are passed over."""
        self._begin()
        self._look_ahead(entries)
        for entry in entries:
            collection = entry[1]
            if collection == ENTITIES:
                if entry[4] != "updated" or not self._update(entry):
                    self._change(change_of(entry))
            elif collection == HISTORY_EVENTS:
                self._event(change_of(entry))
            elif collection == "tenant" and entry[4] == "deleted":
                self._erase_tenant(entry[2], entry[0])
        if len(self._known) > KNOWN:
            self._known.clear()
        observations = [chunk_of(OBSERVATIONS_TAIL, self._rows)] if self._rows else []
        if self._fast:
            observations.append(_fast_chunk(self._fast))
        versions = [chunk_of(ENTITY_VERSIONS_TAIL, self._versions)] if self._versions else []
        return Intake(observations, versions, self._erasures)

    def _look_ahead(self, entries: Sequence[Entry]) -> None:
        """Learns in one question what the lake knows of the entities that clients give instances of."""
        given = [entry for entry in entries if entry[1] == HISTORY_EVENTS and entry[6] is not None]
        keys = {(entry[2], entity) for entry in given for entity in _entities_of(orjson.loads(entry[6] or b"{}"))}
        unknown = [key for key in keys if key not in self._known]
        if unknown:
            self._known.update(self._lookup(unknown))

    # -- Changes of entities -------------------------------------------------------------------------------------

    def _update(self, entry: Entry) -> bool:
        """Takes an update the short way; returns False, with nothing done, when it is not one for it."""
        position, _, tenant, id, _, at, after, before, attributes, _ = entry
        touched = self._touched.get(attributes)
        if touched is None:
            touched = self._touched_by(attributes)
        if not touched or after is None or before is None:
            return False
        try:
            new = self._decode(after)
            if before[0] == _UNDO:
                undo = self._decode_undo(before)
                old, was = undo.attrs, undo.members
            else:
                was = self._decode_members(before)
                old = self._decode(before).attrs
        except msgspec.ValidationError:
            return False
        if not (was.scope is was.expiresAt is new.scope is new.expiresAt is None) or (was.type is not None and was.type != new.type):
            return False
        rows: list[tuple[Any, ...]] = []
        types = " ".join(new.type)
        for name in touched:
            before_it, now = old.get(name), new.attrs.get(name)
            if before_it is None or now is None or len(before_it) != 1 or len(now) != 1:
                return False
            last, instance = before_it[0], now[0]
            observed = instance.observedAt
            if observed is None or observed == last.observedAt or instance.modifiedAt != at:
                return False
            if instance.datasetId is not None or last.datasetId is not None:
                return False
            value = instance.value
            form = type(value)
            if form is float or (form is int and -_EXACT <= value <= _EXACT):
                number, text = value, None
            elif form is str:
                number, text = None, value
            else:
                return False
            rest = None if instance.attrs is None else _rest(instance.attrs)
            if rest == "":
                return False
            rows.append((tenant, id, types, name, observed, at, number, text, instance.unitCode, position, len(rows), instance.type, rest))
        self._fast.extend(rows)
        return True

    def _touched_by(self, attributes: bytes) -> tuple[str, ...]:
        """The attributes of an update that may go the short way; empty when it may not."""
        changed: dict[str, str] = orjson.loads(attributes) if attributes else {}
        touched = tuple(changed) if all(kind == "updated" for kind in changed.values()) else ()
        if len(self._touched) > KNOWN:
            self._touched.clear()
        self._touched[attributes] = touched
        return touched

    def _change(self, change: Change) -> None:
        """Takes any change of an entity."""
        happening = happening_of(change)
        if happening is None:
            return
        before, after = change.before, change.after
        types = " ".join(happening.types)
        old = before["attrs"] if before else {}
        must = before is None or after is None or _plain_members(before) != _plain_members(after)
        ordinal = 0
        for name, instance in happening.instances:
            if before is not None and "deletedAt" not in instance and _is_repeated(instance, old.get(name, ())):
                continue
            must = must or "observedAt" not in instance
            self._rows.append(
                row_of(change.tenant, change.id, types, name, instance, change.at, change.position, ordinal, change.position)
            )
            ordinal += 1
        if must:
            self._version(change, types)
        self._known[(change.tenant, change.id)] = Known(happening.types, types, happening.deleted)

    def _version(self, change: Change, types: str) -> None:
        document = change.after
        created = (change.after or change.before or {}).get("createdAt", change.at)
        text = orjson.dumps(document).decode() if document is not None else None
        self._versions.append(
            (change.tenant, change.id, types, change.kind, text, change.at, created, change.position, change.position)
        )

    # -- What clients do to the history --------------------------------------------------------------------------

    def _event(self, change: Change) -> None:
        try:
            event = events.event_of(change.after)
        except msgspec.ValidationError as error:
            log.error("the journal has a change of the history at %s that cannot be understood: %s", change.position, error)
            return
        if isinstance(event, events.Put):
            self._put(change, event, 0)
        elif isinstance(event, events.PutMany):
            ordinal = 0
            for put in event.puts:
                ordinal = self._put(change, put, ordinal)
        elif isinstance(event, events.DeleteEntity):
            self._erasures.append(Erasure(change.position, change.tenant, event.entity))
            self._known.pop((change.tenant, event.entity), None)
        elif isinstance(event, events.DeleteAttribute):
            dataset = None if event.all else event.dataset or ""
            self._erasures.append(Erasure(change.position, change.tenant, event.entity, event.attribute, dataset))
        elif isinstance(event, events.DropTenant):
            self._erase_tenant(change.tenant, change.position)
        elif isinstance(event, events.DeleteInstance | events.Modify):
            place = events.instance_place(self._seed, event.instance_id)
            if place is not None:
                self._erasures.append(Erasure(change.position, change.tenant, event.entity, event.attribute, instance=place))
            if place is not None and isinstance(event, events.Modify):
                self._modify(change, event, place)

    def _modify(self, change: Change, event: events.Modify, place: tuple[int, int]) -> None:
        """An instance as it is from now on, in its old place. It is in no earlier entry of the same batch."""
        created = self._created(change.tenant, event.entity, event.attribute, place)
        if created is None:
            return
        key = (change.tenant, event.entity)
        known = self._known.get(key)
        types = known.text if known else ""
        row = row_of(
            change.tenant, event.entity, types, event.attribute, event.instance, change.at, *place, change.position, created
        )  # fmt: skip
        self._rows.append(row)

    def _erase_tenant(self, tenant: str, position: int) -> None:
        self._erasures.append(Erasure(position, tenant))
        for key in [key for key in self._known if key[0] == tenant]:
            del self._known[key]

    def _put(self, change: Change, event: events.Put, ordinal: int) -> int:
        """Takes instances from this ordinal of the change on; returns the next one."""
        key = (change.tenant, event.entity)
        known = self._known.get(key)
        merged = list(dict.fromkeys([*(known.types if known else ()), *event.types]))
        types = " ".join(merged)
        if known is None or known.types != merged:
            kind = "created" if known is None else "deleted" if known.is_deleted else "updated"
            at = change.at
            self._versions.append((change.tenant, event.entity, types, kind, None, at, None, change.position, change.position))
        self._known[key] = Known(merged, types, known is not None and known.is_deleted)
        for attribute, instances in event.attributes.items():
            for instance in _last_of_each(instances):
                if "observedAt" in instance:
                    dataset = instance.get("datasetId", "")
                    self._erasures.append(
                        Erasure(change.position, change.tenant, event.entity, attribute, dataset, instance["observedAt"])
                    )
                self._rows.append(
                    row_of(
                        change.tenant, event.entity, types, attribute, instance, change.at, change.position, ordinal, change.position
                    )
                )  # fmt: skip
                ordinal += 1
        return ordinal


def _entities_of(event: dict[str, Any]) -> list[str]:
    """The entities that a journalled command is about."""
    return [str(one.get("entity")) for one in event.get("puts", (event,))]


def _rest(sub_attributes: msgspec.Raw) -> str:
    """The column `rest` of an instance that has sub-attributes and nothing else; empty when one may have its own column."""
    raw = bytes(sub_attributes)
    return "" if b"quality" in raw else '{"attrs":' + raw.decode() + "}"


def _last_of_each(instances: list[Instance]) -> list[Instance]:
    """The instances, of those with the same dataset and observedAt the last one."""
    kept: dict[Any, Instance] = {}
    for number, instance in enumerate(instances):
        observed = instance.get("observedAt")
        kept[number if observed is None else (instance.get("datasetId"), observed)] = instance
    return list(kept.values())


_SYSTEM: Final = frozenset(("attrs", "modifiedAt", "createdAt"))


def _plain_members(entity: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entity.items() if name not in _SYSTEM}


def _is_repeated(instance: Instance, before: Iterable[Instance]) -> bool:
    """Whether an observation is the very one that was there before, delivered once more."""
    observed = instance.get("observedAt")
    if observed is None:
        return False
    for old in before:
        if old.get("observedAt") == observed and old.get("datasetId") == instance.get("datasetId"):
            return _without_times(old) == _without_times(instance)
    return False


def _without_times(instance: Instance) -> Instance:
    out = {name: value for name, value in instance.items() if name not in ("createdAt", "modifiedAt")}
    if "attrs" in out:
        out["attrs"] = {name: [_without_times(one) for one in instances] for name, instances in out["attrs"].items()}
    return out


def _fast_chunk(rows: list[tuple[Any, ...]]) -> pa.Table:
    tenant, entity, types, attribute, observed, at, number, text, unit, position, ordinal, kind, rest = zip(*rows, strict=True)
    return chunk_of_columns(
        OBSERVATIONS_TAIL,
        (
            tenant, entity, types, attribute, None, observed, at, number, text, None, None, None, unit, None, position, ordinal, kind, rest,
            None, None, None, position,
        ),
    )  # fmt: skip
