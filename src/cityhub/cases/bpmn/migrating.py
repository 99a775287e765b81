"""A running case under another version of its process, on purpose: it stays where it waits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cityhub.cases.bpmn.running import Prepared, take_step, waiting_elements
from cityhub.cases.bpmn.stepping import Place
from cityhub.cases.process_port import Position, Wake
from cityhub.model.errors import CityHubError, Unprocessable


def migrate(old: Prepared, new: Prepared, state: dict[str, Any], now: datetime, place: Place) -> Position:
    """See `cityhub.cases.process_port.ProcessEngine.migrate`."""
    waiting = waiting_elements(old, state, now)
    missing = sorted(name for name in waiting if not _same(name, old, new))
    if missing:
        named = ", ".join(f"'{name}'" for name in missing)
        text = f"The case waits at {named}, which the other version does not have there; right would be a version that keeps these elements"
        raise Unprocessable(text, elements=missing)
    try:
        return take_step(new, moved(state, new), Wake(), now, place)
    except CityHubError as error:
        raise Unprocessable(f"The case cannot go on under the other version: {error.detail}") from error


def _same(name: str, old: Prepared, new: Prepared) -> bool:
    before, after = old.nodes[name], new.nodes.get(name)
    return after is not None and (before.kind, before.scope, before.loop is None) == (after.kind, after.scope, after.loop is None)


def moved(state: dict[str, Any], new: Prepared) -> dict[str, Any]:
    """A state without the finished elements that the other version does not have: what came behind them comes behind what came before."""
    specs = {str(key): rows for key, rows in state["subs"]}
    return {
        **state,
        "root": _rows(state["root"], new.woven.spec.task_specs),
        "subs": [[int(key), _rows(rows, _spec_of(int(key), state, new))] for key, rows in specs.items()],
    }


def _spec_of(key: int, state: dict[str, Any], new: Prepared) -> Any:
    """The elements of the subprocess that a task stands for."""
    for rows in (state["root"], *(rows for _, rows in state["subs"])):
        for row in rows:
            if row[0] == key:
                node = new.nodes[row[2].partition("|")[0]]
                return new.woven.others[node.called or node.id].task_specs
    return {}


def _rows(rows: list[list[Any]], known: Any) -> list[list[Any]]:
    before: dict[int, int] = {}
    kept = []
    for row in rows:
        above = before.get(row[1], row[1])
        if row[2] in known:
            kept.append([row[0], above, *row[2:]])
        else:
            before[row[0]] = above
    return kept
