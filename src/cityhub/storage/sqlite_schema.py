"""The tables of the SQLite store, as numbered steps from each version of them to the next."""

from __future__ import annotations

STEPS: tuple[str, ...] = (
    """
    CREATE TABLE name (number INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
    CREATE TABLE entity (
        number INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, id TEXT NOT NULL, document BLOB NOT NULL, expires TEXT);
    CREATE UNIQUE INDEX entity_id ON entity (tenant, id);
    CREATE INDEX entity_expires ON entity (expires) WHERE expires IS NOT NULL;
    CREATE TABLE entity_type (
        tenant INTEGER NOT NULL, type INTEGER NOT NULL, entity INTEGER NOT NULL,
        PRIMARY KEY (tenant, type, entity)) WITHOUT ROWID;
    CREATE TABLE entity_scope (
        tenant INTEGER NOT NULL, scope TEXT NOT NULL, entity INTEGER NOT NULL,
        PRIMARY KEY (tenant, scope, entity)) WITHOUT ROWID;
    CREATE VIRTUAL TABLE entity_box USING rtree (slot, west, east, south, north, +entity INTEGER, +attribute INTEGER);
    CREATE TABLE value_path (
        number INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, attribute TEXT NOT NULL, path TEXT NOT NULL,
        built INTEGER NOT NULL, UNIQUE (tenant, attribute, path));
    CREATE TABLE entity_value (
        path INTEGER NOT NULL, value NOT NULL, entity INTEGER NOT NULL, PRIMARY KEY (path, value, entity)) WITHOUT ROWID;
    CREATE TABLE shape (
        tenant INTEGER NOT NULL, type TEXT NOT NULL, attribute TEXT NOT NULL, kind TEXT NOT NULL, count INTEGER NOT NULL,
        PRIMARY KEY (tenant, type, attribute, kind)) WITHOUT ROWID;
    CREATE TABLE tenant (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    INSERT INTO tenant VALUES (0, '');
    CREATE TABLE record (
        number INTEGER PRIMARY KEY, collection TEXT NOT NULL, tenant INTEGER NOT NULL, id TEXT NOT NULL, document BLOB NOT NULL);
    CREATE UNIQUE INDEX record_id ON record (collection, tenant, id);
    CREATE TABLE journal (
        position INTEGER PRIMARY KEY, collection TEXT NOT NULL, tenant INTEGER NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL,
        at TEXT NOT NULL, after BLOB, before BLOB, attributes BLOB, trace TEXT NOT NULL);
    CREATE TABLE reader (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
    """,
    # Entities of a tenant in the order of creation: without it each block of a scan would sort all of them.
    "CREATE INDEX entity_order ON entity (tenant, number);",
    # The changes of one group of calls share a row (`cityhub.storage.journal_block`), and boxes are kept of tenants that are asked by
    # place. The journal so far becomes blocks of one change each.
    """
    CREATE TABLE journal_block (
        position INTEGER PRIMARY KEY, first INTEGER NOT NULL, collection TEXT NOT NULL, tenant INTEGER NOT NULL, at TEXT NOT NULL,
        changes BLOB NOT NULL);
    INSERT INTO journal_block SELECT position, position, collection, tenant, at, CAST(
        json_array(json_array(id, substr(kind, 1, 1), json(CAST(attributes AS TEXT)),
            coalesce(octet_length(after), 0), coalesce(octet_length(before), 0), trace))
        || char(10) || coalesce(CAST(after AS TEXT), '') || coalesce(CAST(before AS TEXT), '') AS BLOB) FROM journal;
    DROP TABLE journal;
    ALTER TABLE journal_block RENAME TO journal;
    CREATE TABLE compacted (position INTEGER NOT NULL);
    INSERT INTO compacted SELECT coalesce(min(first), 1) - 1 FROM journal;
    CREATE TABLE place_index (tenant INTEGER PRIMARY KEY, built INTEGER NOT NULL);
    INSERT INTO place_index SELECT DISTINCT tenant, 1 FROM entity;
    """,
)
"""Step N brings the file from user_version N to N + 1. Steps are never edited after a release, only added."""

