"""What the tables of a decision model say about themselves: rules that overlap where only one may hold, rules that disagree, rules
that never hold, and inputs for which there is no rule.

Each input is cut into regions (`regions`); a rule is then a box of regions, and the rest is the arithmetic of boxes. A test that is
more than comparisons with values that stand in it is not analysed, and that is said.

Source: OMG DMN 1.5, 8.2.8 (hit policies), 8.2.9 (completeness).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from cityhub.cases.dmn.boxes import Table
from cityhub.cases.dmn.definitions import Definitions
from cityhub.cases.dmn.regions import Column, column_of

MOST_SAID: Final = 10
"""So many overlaps, gaps and rules of one table are named."""
MAX_RULES: Final = 1_000
MAX_WORK: Final = 3_000_000
"""Regions times rules that are looked at for the gaps of one table."""
_ONE_OF: Final = ("UNIQUE", "FIRST", "ANY", "PRIORITY")
"""Policies under which an input without a rule is a gap."""
Cells = tuple[int | None, ...]


class Said(msgspec.Struct, frozen=True):
    """Something about a table.

    Attributes:
        grave: Whether the table is wrong.
        decision: Id of the decision, or of the knowledge model.
        rule: Id of the rule; "".
        text: What it is and what would be right.
    """

    grave: bool
    decision: str
    rule: str
    text: str


class TooMuch(Exception):
    """A table has more combinations than are looked at."""


def analyse(definitions: Definitions) -> list[Said]:
    """What the tables of a model say about themselves."""
    allowed = {kind.name: kind.allowed for kind in definitions.types if kind.allowed and not kind.many}
    found: list[Said] = []
    logic = [(one.id or one.name, one.name, one.box) for one in definitions.decisions]
    logic += [(one.id or one.name, one.name, one.function) for one in definitions.knowledge]
    for id, name, box in logic:
        for table in tables_in(box):
            found.extend(_Analysis(id, name, table, allowed).said())
    return found


def tables_in(part: Any) -> Iterator[Table]:
    """The decision tables in a boxed expression."""
    if isinstance(part, Table):
        yield part
    elif isinstance(part, msgspec.Struct):
        for name in part.__struct_fields__:
            yield from tables_in(getattr(part, name))
    elif isinstance(part, tuple):
        for item in part:
            yield from tables_in(item)


class _Analysis:
    def __init__(self, decision: str, name: str, table: Table, allowed: dict[str, str]) -> None:
        self._decision = decision
        self._name = name
        self._table = table
        self._columns: list[Column] = []
        for place, column in enumerate(table.inputs):
            tests = [rule.tests[place] for rule in table.rules]
            limits = column.values or allowed.get(column.type, "")
            self._columns.append(column_of(tests, limits, truth=column.type == "boolean"))
        self._rules: list[Cells] = [tuple(column.cells[row] for column in self._columns) for row in range(len(table.rules))]
        self._domain = tuple(column.domain for column in self._columns)

    def said(self) -> Iterator[Said]:
        """What is to be said, the grave first."""
        if not self._columns or len(self._rules) > MAX_RULES:
            if len(self._rules) > MAX_RULES:
                yield self._say(False, "", f"it has more than {MAX_RULES} rules and is not analysed")
            return
        policy = self._table.policy
        if policy in ("UNIQUE", "ANY"):
            yield from self._overlaps()
        yield from self._idle()
        if policy in _ONE_OF and not any(output.default for output in self._table.outputs):
            yield from self._gaps()
        unclear = [column.text for column, cells in zip(self._table.inputs, self._columns, strict=True) if None in cells.cells]
        if unclear:
            yield self._say(False, "", f"tests of {', '.join(unclear[:5])} are more than comparisons with values: they are not analysed")

    def _say(self, grave: bool, rule: str, text: str) -> Said:
        return Said(grave, self._decision, rule, f"decision '{self._name}' (line {self._table.line}): {text}")

    def _overlaps(self) -> Iterator[Said]:
        count = 0
        for second, upper in enumerate(self._rules):
            for first in range(second):
                box = _common(self._rules[first], upper)
                if box is None or (self._table.policy == "ANY" and self._agree(first, second)):
                    continue
                count += 1
                if count <= MOST_SAID:
                    yield self._overlap(first, second, box)
        if count > MOST_SAID:
            yield self._say(True, "", f"{count - MOST_SAID} further pairs of rules overlap")

    def _overlap(self, first: int, second: int, box: tuple[int, ...]) -> Said:
        where = self._where(box)
        if self._table.policy == "ANY":
            wrong, right = "say different things", "rules that agree, or hit policy FIRST"
        else:
            wrong, right = "both hold", "rules of which one holds (UNIQUE), or hit policy FIRST"
        text = f"rules {first + 1} and {second + 1} {wrong} for {where}; right would be {right}"
        return self._say(True, self._table.rules[second].id, text)

    def _agree(self, first: int, second: int) -> bool:
        one, other = self._table.rules[first].outputs, self._table.rules[second].outputs
        return [text.strip() for text in one] == [text.strip() for text in other]

    def _where(self, box: tuple[int, ...]) -> str:
        parts = [
            f"{column.text} {_joined(cells.describe(regions))}"
            for column, cells, regions in zip(self._table.inputs, self._columns, box, strict=True)
            if regions != cells.domain
        ]
        return ", ".join(parts) or "every input"

    def _idle(self) -> Iterator[Said]:
        """Rules that never hold: by themselves, or because those before them always do (FIRST)."""
        certain: list[Cells] = []
        for place, rule in enumerate(self._rules):
            if any(cell == 0 for cell in rule):
                text = f"rule {place + 1} never holds: one of its tests holds for no value that is allowed; right would be to leave it out"
                yield self._say(False, self._table.rules[place].id, text)
            elif self._table.policy == "FIRST" and self._masked(rule, certain):
                text = f"rule {place + 1} never holds: rules before it hold wherever it would; right would be to put it before them"
                yield self._say(False, self._table.rules[place].id, text)
            if None not in rule:
                certain.append(rule)

    def _masked(self, rule: Cells, before: list[Cells]) -> bool:
        space = tuple(domain if cell is None else cell for cell, domain in zip(rule, self._domain, strict=True))
        try:
            return not _uncovered([_known(cells) for cells in before], space, 1)
        except TooMuch:
            return False

    def _gaps(self) -> Iterator[Said]:
        widest = [tuple(domain if cell is None else cell for cell, domain in zip(rule, self._domain, strict=True)) for rule in self._rules]
        try:
            gaps = _uncovered(widest, self._domain, MOST_SAID)
        except TooMuch:
            yield self._say(False, "", "it has too many combinations of inputs: its gaps were not looked for")
            return
        for box in gaps:
            yield self._say(False, "", f"there is no rule for {self._where(box)}; right would be one, or a default output")


def _joined(text: str) -> str:
    return text if text.startswith(("<", ">", "none", "one of")) else f"= {text}" if text[:1] not in "[(" else f"in {text}"


def _known(cells: Cells) -> tuple[int, ...]:
    return tuple(cell or 0 for cell in cells)


def _common(one: Cells, other: Cells) -> tuple[int, ...] | None:
    """Where both rules certainly hold; None: nowhere, or it cannot be told."""
    box = []
    for first, second in zip(one, other, strict=True):
        if first is None or second is None or not first & second:
            return None
        box.append(first & second)
    return tuple(box)


def _uncovered(boxes: list[tuple[int, ...]], space: tuple[int, ...], most: int) -> list[tuple[int, ...]]:
    """Parts of a space that no box covers, at most so many. Raises TooMuch."""
    found: list[tuple[int, ...]] = []
    work = [0]

    def look(column: int, left: list[int], chosen: tuple[int, ...]) -> None:
        work[0] += 1 + len(left) * (space[column].bit_count() if column < len(space) else 0)
        if work[0] > MAX_WORK:
            raise TooMuch
        if len(found) >= most:
            return
        if not left:
            found.append((*chosen, *space[column:]))
            return
        if column == len(space):
            return
        for regions, rules in _groups(column, left):
            look(column + 1, rules, (*chosen, regions))

    def _groups(column: int, left: list[int]) -> list[tuple[int, list[int]]]:
        groups: dict[tuple[int, ...], int] = {}
        regions = space[column]
        while regions:
            region = regions & -regions
            regions ^= region
            key = tuple(rule for rule in left if boxes[rule][column] & region)
            groups[key] = groups.get(key, 0) | region
        return [(mask, list(rules)) for rules, mask in groups.items()]

    look(0, list(range(len(boxes))), ())
    return found
