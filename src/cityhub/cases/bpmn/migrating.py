"""A running case under another version of its process, on purpose: it stays where it waits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from SpiffWorkflow.util.task import TaskState

from cityhub.cases.bpmn.running import Prepared, take_step, waiting_elements
from cityhub.cases.bpmn.specs import ACTIVE
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
    except (KeyError, StopIteration) as error:
        raise Unprocessable(f"The case stands where the other version has nothing ({error})", elements=sorted(waiting)) from error
    except CityHubError as error:
        raise Unprocessable(f"The case cannot go on under the other version: {error.detail}") from error


def _same(name: str, old: Prepared, new: Prepared) -> bool:
    before, after = old.nodes[name], new.nodes.get(name)
    return after is not None and (before.kind, before.scope, before.loop is None) == (after.kind, after.scope, after.loop is None)


def moved(state: dict[str, Any], new: Prepared) -> dict[str, Any]:
    """A state without the finished elements that the other version does not have (what came behind them comes behind what came before),
    and with the boundary events that it has at activities that wait: their clocks begin now."""
    mover = _Mover(state["n"])
    root = mover.moved(state["root"], new.woven.spec.task_specs)
    subs = [[key, mover.moved(rows, _specs_of(key, state, new))] for key, rows in state["subs"]]
    return {**state, "n": mover.number, "root": root, "subs": subs}


def _specs_of(key: int, state: dict[str, Any], new: Prepared) -> Any:
    """The elements of the subprocess that a task stands for."""
    rows = [row for part in (state["root"], *(rows for _, rows in state["subs"])) for row in part]
    element = next(row[2] for row in rows if row[0] == key)
    if element.endswith("|frame"):
        return new.woven.others[f"{element.partition('|')[0]}|body"].task_specs
    node = new.nodes[element.partition("|")[0]]
    return new.woven.others[node.called or node.id].task_specs


class _Mover:
    """Moves rows. Attribute `number`: the next id that is free."""

    def __init__(self, number: int) -> None:
        self.number = number

    def moved(self, rows: list[list[Any]], specs: Any) -> list[list[Any]]:
        """The rows of one workflow under other specifications."""
        before: dict[int, int] = {}
        kept: list[list[Any]] = []
        for row in rows:
            above = before.get(row[1], row[1])
            if row[2] in specs:
                kept.append([row[0], above, *row[2:]])
            elif row[3] & ACTIVE:
                text = f"The case stands in '{row[2].partition('|')[0]}' in a way that the other version does not have"
                raise Unprocessable(f"{text}; right would be one with the same event subprocesses", elements=[row[2]])
            else:
                before[row[0]] = above
        return self._bounded(kept, specs)

    def _bounded(self, rows: list[list[Any]], specs: Any) -> list[list[Any]]:
        elements = {row[0]: row[2] for row in rows}
        found: list[list[Any]] = []
        for row in rows:
            split = f"{row[2].rstrip('|')}|bound"
            if not row[3] & ACTIVE or split not in specs or row[2] not in specs[split]._outputs:
                found.append(row)
                continue
            above = row[1]
            if elements.get(above) != split:
                above = self._new()
                found.append([above, row[1], split, int(TaskState.COMPLETED)])
            found.append([row[0], above, *row[2:]])
            there = {other[2] for other in rows if other[1] == above}
            found += [[self._new(), above, name, int(TaskState.WAITING)] for name in specs[split]._outputs if name not in there | {row[2]}]
        return found

    def _new(self) -> int:
        self.number += 1
        return self.number - 1
