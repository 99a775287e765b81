"""Quality profiles, made in the worker's process: rules are run by Pointblank over a table of pandas.

Completeness is the share of values that are there; timeliness whether the newest value is young enough; validity the share of values
that pass their rules. Each is a number from 0 to 1, or None where there is nothing to measure.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pandas
import pointblank

from cityhub.catalogue.model import Field, Rule

DIMENSIONS: Final = {
    "complete": "completeness", "unique": "validity", "between": "validity", "one of": "validity", "pattern": "validity",
    "fresh": "timeliness",
}  # fmt: skip


class Job(msgspec.Struct, frozen=True):
    """A table to profile: its fields, its rows in their order, its rules, and the present time (RFC 3339)."""

    fields: list[Field]
    rows: list[list[Any]]
    rules: list[Rule]
    now: str


def run(content: bytes) -> bytes:
    """The profiles of the jobs, as JSON; the jobs are a JSON list."""
    jobs = msgspec.json.decode(content, type=list[Job])
    return msgspec.json.encode([profile(job) for job in jobs])


def profile(job: Job) -> dict[str, Any]:
    """The profile of one table."""
    names = [field.name for field in job.fields]
    # Objects are compared as their JSON text; None stays what is missing.
    rows = [[_cell(value) for value in row] for row in job.rows]
    frame = pandas.DataFrame(rows, columns=pandas.Index(names), dtype=object)
    fields = [_column(field, frame[field.name]) for field in job.fields]
    rules = [_checked(rule, frame, job.now) for rule in job.rules if rule.field in names]
    cells = frame.size
    valid = [rule for rule in rules if rule["dimension"] == "validity"]
    fresh = [rule for rule in rules if rule["dimension"] == "timeliness"]
    tested = sum(rule["tested"] for rule in valid)
    return {
        "rows": len(rows),
        "completeness": round(float(frame.notna().to_numpy().sum()) / cells, 4) if cells else None,
        "timeliness": round(sum(rule["passed"] for rule in fresh) / len(fresh), 4) if fresh and rows else None,
        "validity": round(sum(rule["passed"] for rule in valid) / tested, 4) if tested else None,
        "fields": fields,
        "rules": rules,
    }


def _cell(value: Any) -> Any:
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else value


def _column(field: Field, values: pandas.Series[Any]) -> dict[str, Any]:
    there = values.dropna()
    found: dict[str, Any] = {
        "name": field.name,
        "complete": round(len(there) / len(values), 4) if len(values) else None,
        "distinct": int(there.astype(str).nunique()),
    }
    if field.type in ("number", "integer") and len(there):
        numbers = pandas.to_numeric(there, errors="coerce").dropna()
        if len(numbers):
            found |= {"least": float(numbers.min()), "mean": float(numbers.mean()), "greatest": float(numbers.max())}
    elif field.type in ("date", "datetime") and len(there):
        found |= {"least": str(there.astype(str).min()), "greatest": str(there.astype(str).max())}
    return found


def _checked(rule: Rule, frame: pandas.DataFrame, now: str) -> dict[str, Any]:
    tested, passed, age_s = (*_fresh(rule, frame, now),) if rule.kind == "fresh" else (*_counts(rule, frame), None)
    share = passed / tested if tested else 1.0
    return {
        **msgspec.to_builtins(rule), "dimension": DIMENSIONS[rule.kind], "tested": tested, "passed": passed, "holds": share >= rule.share,
        **({} if age_s is None else {"age_s": round(age_s)}),
    }  # fmt: skip


def _counts(rule: Rule, frame: pandas.DataFrame) -> tuple[int, int]:
    """How many values were tested and how many passed; values that are missing are tested for completeness only."""
    table = frame[[rule.field]]
    if rule.kind != "complete":
        table = table.dropna()
    if rule.kind == "between":
        table = table.assign(**{rule.field: pandas.to_numeric(table[rule.field], errors="coerce")})
    elif rule.kind != "complete":
        table = table.astype(str)
    if not len(table):
        return 0, 0
    checks = pointblank.Validate(data=table)
    if rule.kind == "complete":
        checks = checks.col_vals_not_null(columns=rule.field)
    elif rule.kind == "unique":
        checks = checks.rows_distinct(columns_subset=rule.field)
    elif rule.kind == "between":
        low, high = (rule.low if rule.low is not None else float("-inf")), (rule.high if rule.high is not None else float("inf"))
        checks = checks.col_vals_between(columns=rule.field, left=low, right=high)
    elif rule.kind == "one of":
        checks = checks.col_vals_in_set(columns=rule.field, set=rule.values)
    else:
        checks = checks.col_vals_regex(columns=rule.field, pattern=rule.pattern)
    done = checks.interrogate()
    return int(done.n(i=1, scalar=True)), int(done.n_passed(i=1, scalar=True))


def _fresh(rule: Rule, frame: pandas.DataFrame, now: str) -> tuple[int, int, float | None]:
    times = pandas.to_datetime(frame[rule.field].dropna(), utc=True, errors="coerce", format="ISO8601").dropna()
    if not len(times):
        return 1, 0, None
    age_s = (pandas.Timestamp(now) - times.max()).total_seconds()
    table = pandas.DataFrame({"age_s": [age_s]})
    checks = pointblank.Validate(data=table).col_vals_le(columns="age_s", value=rule.high if rule.high is not None else float("inf"))
    return 1, int(checks.interrogate().n_passed(i=1, scalar=True)), age_s
