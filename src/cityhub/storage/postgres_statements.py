"""The statements of a write transaction, in the order in which they must run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final
from zlib import crc32

import orjson

from cityhub.model.ports import ENTITIES
from cityhub.storage.kept import Key
from cityhub.storage.postgres_batch import Batch, Entry
from cityhub.storage.postgres_link import decode, encode
from cityhub.storage.postgres_rows import EntityRow, Rows, Shape, ValuePath, array_text

Statement = tuple[str, Sequence[Any]]

LOCKS = 0x43697479
"""Class of the hub's advisory locks ("City"); the object says which."""
GATE = -1
"""Held shared by every write; exclusively while a tenant is dropped or an index is announced."""
READERS = -2
"""Held while a reader is made known or the journal is compacted."""
_STRIPES = 1024

_SEQ = "CASE WHEN {0} < 0 THEN (SELECT last FROM journal_head) - %b::bigint - {0} ELSE {0} END"
"""A row's seq; of a new row the position of its entry, given as minus its place in the batch. After `head`, "last" is
the position of the batch's last entry, and the parameter is their number."""


def locks(keys: Iterable[Key]) -> list[Statement]:
    """Locks every item of a batch, whether it exists or not.

    Each item belongs to one of 1,024 stripes, and a batch locks its stripes in ascending order, so that two batches
    over the same items in whatever order cannot deadlock. Rows are not locked one by one: an item that does not
    exist yet has no row, and 10,000 advisory locks would exhaust the server's table of locks.
    """
    stripes = sorted({crc32("\0".join(key).encode()) % _STRIPES for key in keys})
    return [
        (f"SELECT pg_advisory_xact_lock_shared({LOCKS}, {GATE})", ()),
        (f"SELECT pg_advisory_xact_lock({LOCKS}, stripe) FROM unnest(%b::int[]) AS stripe", (stripes,)),
    ]


def load_entities(keys: Iterable[Key]) -> Statement:
    """(tenant, id, seq, document) of the entities that exist; there must be one to ask for."""
    wanted = [(encode(tenant), encode(id)) for collection, tenant, id in keys if collection == ENTITIES]
    return (
        "SELECT e.tenant, e.id, e.seq, e.document FROM unnest(%b::text[], %b::text[]) AS k(tenant, id)"
        " JOIN entity e ON e.tenant = k.tenant AND e.id = k.id",
        _columns(wanted),
    )


def load_records(keys: Iterable[Key]) -> Statement:
    """(collection, tenant, id, seq, document) of the records that exist; there must be one to ask for."""
    wanted = [tuple(encode(part) for part in key) for key in keys if key[0] != ENTITIES]
    return (
        "SELECT r.collection, r.tenant, r.id, r.seq, r.document"
        " FROM unnest(%b::text[], %b::text[], %b::text[]) AS k(collection, tenant, id)"
        " JOIN record r ON r.collection = k.collection AND r.tenant = k.tenant AND r.id = k.id",
        _columns(wanted),
    )


PATHS: Final = "SELECT id, attribute, path FROM value_path ORDER BY id"
"""All indexed paths, as `value_paths` reads them."""


def value_paths(rows: Iterable[tuple[Any, ...]]) -> list[ValuePath]:
    """The indexed paths in the rows of `PATHS`."""
    return [ValuePath(id, decode(attribute), tuple(decode(name) for name in path)) for id, attribute, path in rows]


def new_shapes(shapes: Sequence[Shape]) -> Statement:
    """Makes shapes known; in the order of their digests, so that two hubs cannot deadlock over them."""
    ordered = sorted(shapes, key=lambda shape: shape.digest)
    return (
        "INSERT INTO shape (digest, types, attributes, kinds)"
        " SELECT digest, types::text[], attributes::text[], kinds::text[]"
        " FROM unnest(%b::bytea[], %b::text[], %b::text[], %b::text[]) AS n(digest, types, attributes, kinds)"
        " ORDER BY digest ON CONFLICT DO NOTHING",
        (
            [shape.digest for shape in ordered],
            [array_text(shape.types) for shape in ordered],
            [array_text(shape.attributes) for shape in ordered],
            [array_text(shape.kinds) for shape in ordered],
        ),
    )


def changes(batch: Batch, rows: Rows, shapes: dict[Shape, int]) -> list[Statement]:
    """All changes of a batch with its journal entries.

    What touches only rows that the stripes protect comes first. Then `head` takes the one row that every writer must
    take, and holds it until the commit: positions are assigned in the order of commits, so that a reader that has
    seen a position never finds a smaller one later. (The other way, a horizon of finished transactions for readers,
    would let commits overlap, but any long transaction, a backup for one, would hold back all readers.)
    """
    count = len(batch.entries)
    statements: list[Statement] = []
    if rows.deleted:
        statements += [(f"DELETE FROM {table} WHERE seq = ANY(%b::bigint[])", (rows.deleted,)) for table in ("entity", "place", "value")]
    if rows.updated:
        statements.append(_update_entities(rows.updated, shapes))
    if rows.moved:
        statements.append(_delete_pairs("place", "area", "bigint", rows.moved))
    if rows.revalued:
        statements.append(_delete_pairs("value", "path", "int", rows.revalued))
    if rows.deleted_records:
        statements.append(_delete_records(rows.deleted_records))
    return [*statements, head(count), *additions(rows, shapes, count), _journal(batch.entries, batch.now), _tenants(batch), announce()]


def additions(rows: Rows, shapes: dict[Shape, int], count: int) -> list[Statement]:
    """What a batch of so many journal entries adds; with `head` before it where rows are born in the batch."""
    statements: list[Statement] = []
    if rows.inserted:
        statements.append(_insert_entities(rows.inserted, shapes, count))
    if rows.records:
        statements.append(_upsert_records(rows, count))
    if rows.places:
        statements.append(_insert_places(rows, count))
    if rows.values:
        statements.append(_insert_values(rows, count))
    return statements


def head(count: int) -> Statement:
    """Reserves the next positions and returns the last of them."""
    return ("UPDATE journal_head SET last = last + %b::bigint RETURNING last", (count,))


def announce() -> Statement:
    """Tells all hubs, at the commit, that the journal has grown."""
    return ("SELECT pg_notify('cityhub', last::text) FROM journal_head", ())


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _entity_columns(rows: Sequence[EntityRow], shapes: dict[Shape, int]) -> list[list[Any]]:
    return _columns(
        [
            (row.seq, encode(row.tenant), encode(row.id), shapes[row.shape], row.scopes, row.expires_at, row.ends_at, row.document)
            for row in rows
        ]
    )


def _update_entities(rows: Sequence[EntityRow], shapes: dict[Shape, int]) -> Statement:
    seq, _, _, shape, scopes, expires_at, ends_at, document = _entity_columns(rows, shapes)
    return (
        "UPDATE entity e"
        " SET shape = u.shape, scopes = u.scopes::text[], expires_at = u.expires_at, ends_at = u.ends_at, document = u.document"
        " FROM unnest(%b::bigint[], %b::bigint[], %b::text[], %b::text[], %b::text[], %b::bytea[])"
        " AS u(seq, shape, scopes, expires_at, ends_at, document) WHERE e.seq = u.seq",
        (seq, shape, scopes, expires_at, ends_at, document),
    )


def _insert_entities(rows: Sequence[EntityRow], shapes: dict[Shape, int], count: int) -> Statement:
    return (
        "INSERT INTO entity (seq, tenant, id, shape, scopes, expires_at, ends_at, document)"
        f" SELECT {_SEQ.format('n.seq')}, tenant, id, shape, scopes::text[], expires_at, ends_at, document"
        " FROM unnest(%b::bigint[], %b::text[], %b::text[], %b::bigint[], %b::text[], %b::text[], %b::text[], %b::bytea[])"
        " AS n(seq, tenant, id, shape, scopes, expires_at, ends_at, document)",
        (count, *_entity_columns(rows, shapes)),
    )


def _delete_pairs(table: str, column: str, kind: str, pairs: Sequence[tuple[int, int]]) -> Statement:
    return (
        f"DELETE FROM {table} t USING unnest(%b::bigint[], %b::{kind}[]) AS d(seq, {column})"
        f" WHERE t.seq = d.seq AND t.{column} = d.{column}",
        _columns(pairs),
    )


def _delete_records(keys: Sequence[Key]) -> Statement:
    return (
        "DELETE FROM record r USING unnest(%b::text[], %b::text[], %b::text[]) AS d(collection, tenant, id)"
        " WHERE r.collection = d.collection AND r.tenant = d.tenant AND r.id = d.id",
        _columns([tuple(encode(part) for part in key) for key in keys]),
    )


def _upsert_records(rows: Rows, count: int) -> Statement:
    columns = [
        (row.seq, encode(row.collection), encode(row.tenant), encode(row.id), row.document) for row in rows.records
    ]
    return (
        "INSERT INTO record (seq, collection, tenant, id, document)"
        f" SELECT {_SEQ.format('n.seq')}, collection, tenant, id, document"
        " FROM unnest(%b::bigint[], %b::text[], %b::text[], %b::text[], %b::bytea[]) AS n(seq, collection, tenant, id, document)"
        " ON CONFLICT (collection, tenant, id) DO UPDATE SET seq = excluded.seq, document = excluded.document",
        (count, *_columns(columns)),
    )


def _insert_places(rows: Rows, count: int) -> Statement:
    return (
        "INSERT INTO place (seq, area, box)"
        f" SELECT {_SEQ.format('n.seq')}, area, ST_MakeEnvelope(west, south, east, north, 4326)"
        " FROM unnest(%b::bigint[], %b::bigint[], %b::float8[], %b::float8[], %b::float8[], %b::float8[])"
        " AS n(seq, area, west, south, east, north)",
        (count, *_columns(rows.places)),
    )


def _insert_values(rows: Rows, count: int) -> Statement:
    seq, path, tenant, number, text = _columns(rows.values)
    return (
        "INSERT INTO value (seq, path, tenant, number, text)"
        f" SELECT {_SEQ.format('n.seq')}, path, tenant, number, text"
        " FROM unnest(%b::bigint[], %b::int[], %b::text[], %b::float8[], %b::text[]) AS n(seq, path, tenant, number, text)",
        (count, seq, path, [encode(name) for name in tenant], number, text),
    )


def _journal(entries: Sequence[Entry], now: str) -> Statement:
    columns = [
        (
            *(encode(part) for part in entry.key),
            entry.kind,
            encode(entry.trace),
            orjson.dumps(entry.attributes) if entry.attributes else None,
            entry.before.encoded if entry.before is not None else None,
            entry.after.encoded if entry.after is not None else None,
        )
        for entry in entries
    ]
    return (
        "INSERT INTO journal (position, collection, tenant, id, kind, at, trace, attributes, before, after)"
        " SELECT (SELECT last FROM journal_head) - %b::bigint + n.place, collection, tenant, id, kind, %b, trace, attributes, before, after"
        " FROM unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::bytea[], %b::bytea[], %b::bytea[])"
        " WITH ORDINALITY AS n(collection, tenant, id, kind, trace, attributes, before, after, place)",
        (len(entries), now, *_columns(columns)),
    )


def _tenants(batch: Batch) -> Statement:
    """Makes tenants known and tells all hubs of new ones. Always done: a tenant that this hub knows may have been dropped."""
    names = sorted({encode(tenant) for _, tenant, _ in batch.current if tenant})
    return (
        "WITH fresh AS (INSERT INTO tenant (name) SELECT unnest(%b::text[]) ON CONFLICT DO NOTHING RETURNING name)"
        " SELECT pg_notify('cityhub', 'names') FROM fresh LIMIT 1",
        (names,),
    )
