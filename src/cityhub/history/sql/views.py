"""The views of entity types: a row for each entity and time, a column for each attribute; and their latest state.

A filter on `entity` or `time` reaches the files: it passes the grouping, since both are its keys, and `time` is one column of the
files in each half of the union.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final
from urllib.parse import unquote

import msgspec

from cityhub.history.sql.questions import Column
from cityhub.history.sql.shape import Facts

NOW: Final = "_now"
"""What the name of the view of the latest state has behind the type's."""
_KEYS: Final = {"entity": "VARCHAR", "time": "TIMESTAMP WITH TIME ZONE"}
_NOW_KEYS: Final = {
    "entity": "VARCHAR", "observed_at": "TIMESTAMP WITH TIME ZONE", "modified_at": "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip
_ENDS: Final = re.compile("[/#:]")
RESERVED: Final = frozenset((*_KEYS, *_NOW_KEYS))
"""Names of columns that no attribute gets."""


class View(msgspec.Struct, frozen=True):
    """A view that a caller may read.

    Attributes:
        name: Its name.
        kind: "history" (a row for each entity and time), "state" (for each entity) or "base" (the lake's own tables).
        about: What it shows.
        columns: Its columns, in order.
        sql: The SELECT that makes it; empty for what the connection has already.
        narrow: Makes the SELECT for a statement that names only these columns, and none of whose rows lacks the last one given;
            None where it would be the same.
    """

    name: str
    kind: str
    about: str
    columns: tuple[Column, ...]
    sql: str = ""
    narrow: Callable[[Collection[str], str], str] | None = None


class Source(msgspec.Struct, frozen=True):
    """A column of a view, and the expression over the rows of one attribute that gives its value."""

    column: Column
    value: str
    every_dataset: bool


def type_views(facts: Sequence[Facts], taken: Iterable[str]) -> list[View]:
    """The views of all types, by name, without regard to who may see them.

    Args:
        facts: What the history holds, by when it was first seen: who comes first gets the plain name.
        taken: Names that other views have.
    """
    used = {name.lower() for name in taken}
    by_type: dict[str, list[Facts]] = {}
    for fact in facts:
        for iri in fact.types.split(" "):
            by_type.setdefault(iri, []).append(fact)
    views: list[View] = []
    for iri, its in by_type.items():
        name = _name(iri, used, also=NOW)
        sources = _sources(its)
        views.append(_history(name, iri, its, sources))
        views.append(_state(f"{name}{NOW}", iri, its, sources))
    return sorted(views, key=lambda view: view.name)


def local_name(iri: str) -> str:
    """What stands behind the last '/', '#' or ':' of an IRI.

    >>> local_name("https://smartdatamodels.org/dataModel.Weather/WeatherObserved")
    'WeatherObserved'
    >>> local_name("urn:hub:type:%E6%B0%B4%E4%BD%8D")
    '水位'
    """
    return _ENDS.split(unquote(iri.rstrip("/#:")))[-1] or iri


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def _name(iri: str, used: set[str], also: str = "") -> str:
    """The local name, or where it is taken with four letters behind it that depend on the IRI alone."""
    name = local_name(iri)
    if {name.lower(), f"{name}{also}".lower()} & used:
        name = f"{name}_{hashlib.sha256(iri.encode()).hexdigest()[:4]}"
    used |= {name.lower(), f"{name}{also}".lower()}
    return name


def _sources(facts: Sequence[Facts]) -> list[Source]:
    merged: dict[str, Facts] = {}
    for fact in facts:
        merged[fact.attribute] = merged[fact.attribute].joined(fact) if fact.attribute in merged else fact
    used = set(RESERVED)
    sources: list[Source] = []
    for fact in merged.values():
        name = _name(fact.attribute, used)
        unit = " / ".join(fact.units)
        kind, value = _value(fact)
        columns = [(Column(name, kind, unit, fact.attribute), value)] if kind else []
        if fact.points:
            columns += [
                (Column(f"{name}_{part}", "DOUBLE", "DD", fact.attribute, f"{words} in degrees"), part)
                for part, words in (("lon", "longitude"), ("lat", "latitude"))
                if f"{name}_{part}" not in used
            ]
            used |= {f"{name}_lon".lower(), f"{name}_lat".lower()}
        sources += [Source(column, value, not fact.default) for column, value in columns]
    return sources


def _value(fact: Facts) -> tuple[str, str]:
    """SQL type and expression of an attribute's value; empty for points alone."""
    held = [name for name in ("numbers", "texts", "booleans", "others") if getattr(fact, name)]
    if held == ["numbers"]:
        return "DOUBLE", "number"
    if held == ["texts"]:
        return "VARCHAR", "text"
    if held == ["booleans"]:
        return "BOOLEAN", "TRY_CAST(json AS BOOLEAN)"
    if not held:
        return ("", "") if fact.points else ("VARCHAR", "text")
    return "JSON", "coalesce(json::JSON, to_json(number), to_json(text))"


def narrowed(view: View, named: Collection[str], present: Collection[str]) -> str:
    """The SELECT behind a view for one statement.

    A row that has no value of a column in `present` does not pass the statement's WHERE. So only rows of the attributes that
    the statement names matter, and among them nothing is lost: a row that passes has one of such a column.

    Args:
        view: The view.
        named: All names of columns in the statement, in small letters.
        present: The columns that cannot be NULL, in small letters.
    """
    known = [column.name.lower() for column in view.columns if column.attribute and column.name.lower() in present]
    return view.narrow(named, known[0]) if view.narrow is not None and known else view.sql


def _where(facts: Sequence[Facts], sources: Sequence[Source]) -> str:
    types = ", ".join(literal(types) for types in dict.fromkeys(fact.types for fact in facts))
    attributes = ", ".join(literal(iri) for iri in dict.fromkeys(source.column.attribute for source in sources))
    several = ", ".join(literal(iri) for iri in dict.fromkeys(source.column.attribute for source in sources if source.every_dataset))
    datasets = f"(dataset IS NULL OR attribute IN ({several}))" if several else "dataset IS NULL"
    return f"type IN ({types}) AND attribute IN ({attributes}) AND {datasets}"


def _history(name: str, iri: str, facts: Sequence[Facts], sources: Sequence[Source]) -> View:
    def narrow(named: Collection[str], present: str) -> str:
        return _history_sql(facts, [source for source in sources if source.column.name.lower() in {*named, present}])

    about = f"Every value of {iri}: a row for each entity and time (observedAt, or when it came where it has none)"
    keys = (Column("entity", _KEYS["entity"], about="id"), Column("time", _KEYS["time"], about="observedAt, or when it came"))
    columns = (*keys, *(source.column for source in sources))
    return View(name, "history", about, columns, _history_sql(facts, sources), narrow)


def _history_sql(facts: Sequence[Facts], sources: Sequence[Source]) -> str:
    where = f"{_where(facts, sources)} AND deleted_at IS NULL"
    half = "SELECT entity, {time} AS time, attribute, number, text, json, lon, lat, position FROM observations WHERE {where}"
    chosen = ", ".join(
        f"arg_max({source.value}, position) FILTER (attribute = {literal(source.column.attribute)}) AS {quoted(source.column.name)}"
        for source in sources
    )
    observed = half.format(time="observed_at", where=f"observed_at IS NOT NULL AND {where}")
    unobserved = half.format(time="modified_at", where=f"observed_at IS NULL AND {where}")
    return f"SELECT entity, time, {chosen} FROM ({observed} UNION ALL {unobserved}) GROUP BY entity, time"


def _state(name: str, iri: str, facts: Sequence[Facts], sources: Sequence[Source]) -> View:
    chosen = ", ".join(
        f"arg_max_null(CASE WHEN deleted_at IS NULL THEN {source.value} END, position)"
        f" FILTER (attribute = {literal(source.column.attribute)}) AS {quoted(source.column.name)}"
        for source in sources
    )
    gone = "SELECT entity FROM entity_versions GROUP BY entity HAVING arg_max(kind, position) = 'deleted'"
    sql = (
        f"SELECT entity, max(observed_at) AS observed_at, max(modified_at) AS modified_at, {chosen} FROM observations"
        f" WHERE {_where(facts, sources)} AND entity NOT IN ({gone}) GROUP BY entity"
    )
    about = f"The latest state of {iri}: a row for each entity that is there, with the value that came last of each attribute"
    keys = tuple(Column(key, kind) for key, kind in _NOW_KEYS.items())
    return View(name, "state", about, (*keys, *(source.column for source in sources)), sql)
