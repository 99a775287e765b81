"""Carrying out a plan: group after group of a table's rows, each taken before the position moves on."""

from __future__ import annotations

import bisect
import csv
import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from cityhub.ingest.files.by_row import ByRow
from cityhub.ingest.files.conversion import PLACE, Statement, define_functions, faults, run, statement_of
from cityhub.ingest.files.duplicates import dropped_places
from cityhub.ingest.files.found import Table
from cityhub.ingest.files.frames import Progress, Run, Stage, Take
from cityhub.ingest.files.made import STAGED, observations, observations_of, updates
from cityhub.ingest.files.plan import Column
from cityhub.ingest.files.table import open_database
from cityhub.model.errors import BadRequestData
from cityhub.model.ports import EntityUpdate

Wrong = tuple[int, str, str, str]
Update = tuple[int, EntityUpdate]
"""The place of a row, and what it says."""
Settled = tuple[list[str], list[str]]
"""Ids of entities, and what became of the update of each: "written", "late", "same", or the reason why it was refused."""
SLICE: Final = 20_000
"""Rows that are worked on at once."""
BATCH: Final = 2_000
"""Rows whose updates are taken at once, with the position behind them: a run that is cut short repeats none."""
STAGED_ROWS: Final = 4_000_000
"""Observations in one staged file, about."""
PROBLEMS: Final = 200
"""Problems that are told with the progress; the file has them all."""
SAMPLE: Final = 10
MAX_REFUSED: Final = 5_000_000
"""More refused rows are only counted."""


class Hub(Protocol):
    """Where the made things go."""

    def take(self, take: Take) -> list[Settled]:
        """Sends updates. Returns those of earlier calls of which it is known by now what became of them."""

    def settle(self) -> list[Settled]:
        """Waits for what was sent and is not settled yet."""

    def stage(self, stage: Stage) -> None:
        """Takes a staged file."""

    def progress(self, progress: Progress) -> None:
        """Hears how far it is."""


class Running:
    """One run of a plan over a table."""

    def __init__(self, order: Run, table: Table, columns: dict[str, Column], hub: Hub) -> None:
        self._order, self._table, self._hub = order, table, hub
        self._columns = {**columns, **order.plan.columns}
        self._path = Path(order.folder) / "tables" / f"{order.key}.parquet"
        self._heads = {head.name: head.head or head.name for head in table.heads}
        self._progress = order.done or Progress(total=table.rows if order.most_rows is None else min(order.most_rows, table.rows))
        self._connection = open_database(Path(order.folder), spatial=False)
        define_functions(self._connection)
        self._statements = self._made_statements()
        self._by_row = None if self._statements is not None else self._made_by_row()
        self._has_dropped = False

    def go(self) -> Progress:
        """Runs to the end; returns how it ended."""
        with _Refused(Path(self._order.faults), self._progress.fault_bytes) as refused:
            self._begin(refused)
            if self._order.plan.target == "observations" and not self._order.is_dry:
                self._to_history(refused)
            else:
                self._to_context(refused)
        return self._progress

    def _begin(self, refused: _Refused) -> None:
        """What belongs to the whole table: lines that could not be read, and rows that are there twice."""
        policy = self._order.plan.duplicates
        if policy != "keep":
            if self._statements is None:
                raise BadRequestData("'duplicates' other than 'keep' needs plain columns, or texts joined with columns, in all expressions")
            places = dropped_places(self._connection, self._path, self._statements, policy)
            self._connection.register("dropped", places)
            self._has_dropped = True
        if self._order.begin == 0 and self._progress.rows == 0:
            wrong = [(fault.row, fault.column, fault.reason, fault.content) for fault in self._table.faults]
            if policy == "refuse" and self._has_dropped:
                wrong += [(self._table.number(place), "", "the same entity and time stands in an earlier row", "")
                          for (place,) in self._connection.execute("SELECT place FROM dropped ORDER BY place").fetchall()]  # fmt: skip
            self._refuse(wrong, refused)

    def _to_context(self, refused: _Refused) -> None:
        for begin, cells in self._groups():
            for start in range(0, cells.num_rows, SLICE):
                part = cells.slice(start, SLICE)
                self._batches(begin + start, part.num_rows, *self._updates(part), refused)
            self._hub.progress(self._progress)
        self._settle(self._hub.settle(), refused)

    def _batches(self, begin: int, rows: int, made: list[Update], wrong: list[Wrong], refused: _Refused) -> None:
        """Takes the updates of some rows batch by batch; updates and what is wrong are in the order of places."""
        for start in range(begin, begin + rows, BATCH):
            end = min(start + BATCH, begin + rows)
            cut = bisect.bisect_left(made, end, key=_place)
            batch, made = [update for _, update in made[:cut]], made[cut:]
            cut = bisect.bisect_left(wrong, end, key=_place)
            self._refuse_found(wrong[:cut], refused)
            wrong = wrong[cut:]
            self._advance(end - start, len(batch), begin=end)
            if self._order.is_dry:
                self._show(batch)
            else:
                self._progress = msgspec.structs.replace(self._progress, fault_bytes=refused.size())
                self._settle(self._hub.take(Take(batch, self._progress)), refused)

    def _show(self, made: list[EntityUpdate]) -> None:
        sample = self._progress.sample
        if len(sample) < SAMPLE:
            sample = [*sample, *(_named(update) for update in made[: SAMPLE - len(sample)])]
            self._progress = msgspec.structs.replace(self._progress, sample=sample)

    def _settle(self, settled: list[Settled], refused: _Refused) -> None:
        for ids, outcomes in settled:
            written, late, same = (sum(1 for outcome in outcomes if outcome == word) for word in _GOOD)
            progress = self._progress
            self._progress = msgspec.structs.replace(
                progress, written=progress.written + written, late=progress.late + late, same=progress.same + same
            )
            self._refuse([(0, "", outcome, id) for id, outcome in zip(ids, outcomes, strict=True) if outcome not in _GOOD], refused)

    def _to_history(self, refused: _Refused) -> None:
        for rows, id in self._staged(refused):
            if rows:
                self._hub.stage(Stage(id, rows, self._progress))
            self._hub.progress(self._progress)

    def _staged(self, refused: _Refused) -> Iterator[tuple[int, str]]:
        """Staged files, one after the other: the observations in each, and its id."""
        groups = self._groups()
        first = next(groups, None)
        while first is not None:
            id = hashlib.sha256(f"{self._order.seed} {first[0]}".encode()).hexdigest()[:32]
            target = Path(self._order.staging) / f"{id}.parquet"
            fresh = target.with_suffix(".new")
            target.parent.mkdir(parents=True, exist_ok=True)
            count = 0
            current: tuple[int, pa.Table] | None = first
            first = None
            with pq.ParquetWriter(fresh, STAGED, compression="lz4") as writer:
                while current is not None:
                    begin, cells = current
                    made = self._observations(cells, refused)
                    writer.write_table(made)
                    count += made.num_rows
                    self._advance(cells.num_rows, made.num_rows, begin=begin + cells.num_rows, fault_bytes=refused.size())
                    self._hub.progress(self._progress)
                    current = next(groups, None)
                    if count >= STAGED_ROWS:
                        first, current = current, None
            os.replace(fresh, target) if count else fresh.unlink()
            yield count, id

    def _advance(self, rows: int, made: int, **more: Any) -> None:
        progress = self._progress
        self._progress = msgspec.structs.replace(progress, rows=progress.rows + rows, made=progress.made + made, **more)

    def _groups(self) -> Iterator[tuple[int, pa.Table]]:
        """Row groups with the place of each row, from where the run begins, and the place of the first row of each."""
        most = self._order.most_rows
        end = self._table.rows if most is None else min(most, self._table.rows)
        names = [head.name for head in self._table.heads]
        wanted = names if self._statements is None else list(dict.fromkeys(name for one in self._statements for name in one.columns))
        with pq.ParquetFile(self._path) as file:
            place = 0
            for group in range(file.num_row_groups):
                count = file.metadata.row_group(group).num_rows
                begin, stop = max(place, self._order.begin), min(place + count, end)
                if begin < stop:
                    cells = file.read_row_group(group, columns=wanted).slice(begin - place, stop - begin)
                    yield begin, cells.append_column(PLACE, pa.array(range(begin, stop), pa.int64()))
                place += count

    def _updates(self, cells: pa.Table) -> tuple[list[Update], list[Wrong]]:
        """What rows say and what is wrong with some, each with the place of its row, in their order."""
        if self._statements is None:
            assert self._by_row is not None
            return self._by_row.updates(self._connection, cells)
        made: list[Update] = []
        wrong: list[Wrong] = []
        for statement in self._statements:
            run(self._connection, statement, cells, self._has_dropped)
            made += updates(self._connection, statement)
            wrong += faults(self._connection, statement)
        if len(self._statements) > 1:
            made.sort(key=_place)
            wrong.sort(key=_place)
        return made, wrong

    def _observations(self, cells: pa.Table, refused: _Refused) -> pa.Table:
        if self._statements is None:
            rows, wrong = self._updates(cells)
            self._refuse_found(wrong, refused)
            return observations_of(update for _, update in rows)
        made: list[pa.Table] = []
        for statement in self._statements:
            run(self._connection, statement, cells, self._has_dropped)
            made.append(observations(self._connection, statement))
            self._refuse_found(faults(self._connection, statement), refused)
        return pa.concat_tables(made)

    def _refuse_found(self, found: list[Wrong], refused: _Refused) -> None:
        self._refuse([(self._table.number(place), *rest) for place, *rest in found], refused)  # type: ignore[misc]

    def _refuse(self, wrong: list[Wrong], refused: _Refused) -> None:
        if not wrong:
            return
        if self._progress.refused < MAX_REFUSED:
            refused.add(wrong)
        problems = self._progress.problems
        if len(problems) < PROBLEMS:
            problems = [*problems, *wrong[: PROBLEMS - len(problems)]]
        self._progress = msgspec.structs.replace(self._progress, refused=self._progress.refused + len(wrong), problems=problems)

    def _made_statements(self) -> list[Statement] | None:
        found = [statement_of(mapping, self._columns, self._heads, self._iri, self._order.arrived) for mapping in self._order.plan.entities]
        return None if any(one is None for one in found) else [one for one in found if one is not None]

    def _made_by_row(self) -> ByRow:
        columns = {head.name: self._columns.get(head.name, Column()) for head in self._table.heads}
        return ByRow(self._order.plan, columns, self._heads, self._iri, self._order.arrived)

    def _iri(self, name: str) -> str:
        """The IRI of a name of the plan. Raises BadRequestData for any other: the @context is the hub's."""
        try:
            return self._order.names[name]
        except KeyError:
            raise BadRequestData(f"'{name[:100]}' is no name of the plan") from None


_GOOD: Final = ("written", "late", "same")


def _place(found: tuple[Any, ...]) -> int:
    return found[0]  # type: ignore[no-any-return]


class _Refused:
    """The file of what is refused, CSV with a mark that spreadsheets know UTF-8 by."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path, size

    def __enter__(self) -> _Refused:
        self._file = open(self._path, "r+b" if self._path.exists() else "w+b")
        self._file.truncate(self._size)
        self._file.seek(self._size)
        if not self._size:
            self._file.write(b"\xef\xbb\xbf")
            self.add([("row", "column", "reason", "content")])
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, wrong: list[Wrong] | list[tuple[str, str, str, str]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text).writerows([row or "", column, reason, _harmless(content)] for row, column, reason, content in wrong)
        self._file.write(text.getvalue().encode("utf-8", "replace"))

    def size(self) -> int:
        self._file.flush()
        return self._file.tell()


def _harmless(content: str) -> str:
    """Content that a spreadsheet does not take for a formula."""
    return f"'{content}" if content[:1] in ("=", "+", "-", "@", "\t", "\r") and not content[1:2].isdigit() else content


def _named(update: EntityUpdate) -> dict[str, Any]:
    return {"id": update.id, "type": update.types, "attributes": update.attributes}
