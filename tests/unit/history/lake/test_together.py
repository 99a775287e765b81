"""Questions, the journal's reader, flushes and upkeep at the same time: nobody ever sees half of anything."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from cityhub.history.lake.lake import Lake
from tests.unit.history.lake.conftest import Journal, rows, sensor


def test_whoever_asks_sees_all_up_to_a_position(lake: Lake, journal: Journal) -> None:
    for n in range(600):
        sensor(journal, n, f"2026-11-{1 + n // 60:02}T06:{n % 60:02}:00.000000Z", id=f"urn:s:{n % 7}")
    stop = threading.Event()
    errors: list[BaseException] = []
    seen: list[int] = []

    def over_and_over(work: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            try:
                while not stop.is_set():
                    work()
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def ask() -> None:
        with lake.reading("") as reading:
            for _ in range(2):  # the same answer, whatever happens meanwhile
                [(count, positions)] = reading.connection.execute("SELECT count(*), sum(position) FROM observations").fetchall()
                assert count == reading.position
                assert (positions or 0) == count * (count + 1) // 2
            seen.append(reading.position)

    def tidy() -> None:
        lake.compact(whole=True)
        lake.expire()
        lake.clean()

    threads = [over_and_over(work) for work in (ask, ask, lake.flush, tidy)]
    for position in range(0, 600, 12):
        lake.catch_up(position + 12)
        time.sleep(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(set(seen)) > 3
    assert rows(lake, "SELECT count(*) FROM observations") == [(600,)]


def test_truncated_times_are_those_of_the_calendar(lake: Lake) -> None:
    for text in ("2026-11-23 10:11:12.5+00", "1969-12-31 23:59:59.5+00", "0001-01-01 00:30:00+00"):
        for part in ("second", "minute", "HOUR", "day", "week", "month"):
            statement = "SELECT date_trunc(?, ?::TIMESTAMPTZ) = system.main.date_trunc(?, ?::TIMESTAMPTZ)"
            assert rows(lake, statement, parameters=[part, text, part, text]) == [(True,)], (part, text)
