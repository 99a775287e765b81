"""The history among the hub's metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from cityhub.history.supervision import LakeStatus, Supervision
from cityhub.web.metrics import Metrics

Numbers = Mapping[tuple[str, ...], float]


def watch_history(metrics: Metrics, supervision: Supervision) -> None:
    """Adds the gauges; while the historian cannot be asked, only those of its process have values."""

    def add(name: str, help: str, labels: tuple[str, ...], values: Callable[[LakeStatus], Numbers]) -> None:
        async def present() -> Numbers:
            return values(supervision.status) if supervision.status is not None else {}

        metrics.watch(name, help, labels, present)

    def by_table(values: dict[str, int]) -> Numbers:
        return {(table,): float(value) for table, value in values.items()}

    add("cityhub_history_position", "Journal position that the history shows, and up to which its tables are.", ("what",),
        lambda status: {("read",): float(status.read), ("committed",): float(status.committed)})  # fmt: skip
    add("cityhub_history_tail_rows", "Rows of the history in memory only.", (), lambda status: {(): float(status.tail_rows)})
    add("cityhub_history_tail_bytes", "Memory that they take.", (), lambda status: {(): float(status.tail_bytes)})
    add("cityhub_history_rows", "Rows in the files of a table.", ("table",), lambda status: by_table(status.rows))
    add("cityhub_history_files", "Files of a table.", ("table",), lambda status: by_table(status.files))
    add("cityhub_history_bytes", "Size of the files of a table.", ("table",), lambda status: by_table(status.size))
    add("cityhub_history_set_aside_files", "Files that cannot be read.", (), lambda status: {(): float(len(status.set_aside))})
    metrics.watch("cityhub_historian_starts", "How often the historian was started.", (), _starts(supervision))


def _starts(supervision: Supervision) -> Callable[[], Awaitable[Numbers]]:
    async def values() -> Numbers:
        return {(): float(supervision.starts)}

    return values
