"""The process that opens files, so that what they may be made to do is done to nobody else: `python -m cityhub.ingest.files.worker`.

Its orders come by standard input, its answers go to standard output (see `cityhub.ingest.files.frames`); it ends when its input closes.
Its memory, the size of what it writes and the files that it opens are bounded.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import threading
import traceback
from collections import deque
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from cityhub.ingest.files.found import Standing
from cityhub.ingest.files.frames import Look, Progress, Run, Stage, Take, frame_of, read_frame
from cityhub.ingest.files.plan import Column
from cityhub.model.errors import CityHubError

MEMORY_BYTES: Final = 6_000_000_000
"""Address space that it may take; DuckDB reserves much more than it uses, and is bound to 1 GB by itself."""
UNDER_WAY: Final = 1
"""Batches that are on the way while the next is made, so that both processes work."""
Settled = tuple[list[str], list[str]]


def main() -> None:
    """Does what it is ordered."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Whatever a library prints must not stand between the frames.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        _, raw = read_frame(sys.stdin.buffer)
        order = msgspec.msgpack.decode(raw, type=Look | Run)
        last = _look(order) if isinstance(order, Look) else _run(order, HubBehind(sys.stdin.buffer, out))
    except CityHubError as error:
        last = frame_of("failed", error.detail)
    except MemoryError:
        last = frame_of("failed", "The file needs more memory than a file may have: send it in parts, or as CSV, Parquet or GeoPackage")
    except EOFError:
        return
    except ValueError as error:  # what a mapping says of a unit, a zone or an expression that it cannot use
        last = frame_of("failed", str(error)[:1000])
    except Exception as error:  # whoever waits must hear of it; the log has the rest
        traceback.print_exc()
        last = frame_of("failed", f"The file cannot be worked on: {type(error).__name__}: {str(error)[:300]}")
    out.write(last)
    out.flush()


class HubBehind:
    """The hub at the other end of the pipes."""

    def __init__(self, questions: IO[bytes], out: IO[bytes]) -> None:
        self._in, self._out = questions, out
        self._on_the_way: deque[list[str]] = deque()

    def take(self, take: Take) -> list[Settled]:
        """Sends updates and does not wait for them, unless too many are on the way. Raises CityHubError when the hub cannot go on."""
        self._send("take", take)
        self._on_the_way.append([update.id for update in take.updates])
        return self._settled(UNDER_WAY)

    def settle(self) -> list[Settled]:
        """Waits for all that is on the way."""
        return self._settled(0)

    def stage(self, stage: Stage) -> None:
        """Hands a staged file over."""
        self._send("stage", stage)
        self._answer(bool)

    def progress(self, progress: Progress) -> None:
        """Tells how far it is."""
        self._send("progress", progress)

    def _settled(self, left: int) -> list[Settled]:
        found: list[Settled] = []
        while len(self._on_the_way) > left:
            outcomes = self._answer(list[str])
            found.append((self._on_the_way.popleft(), outcomes))
        return found

    def _answer(self, kind: Any) -> Any:
        answer, raw = read_frame(self._in)
        if answer == "refused":
            raise CityHubError(msgspec.msgpack.decode(raw, type=str))
        return msgspec.msgpack.decode(raw, type=kind)

    def _send(self, word: str, value: Any) -> None:
        self._out.write(frame_of(word, value))
        self._out.flush()


def _end_with_hub() -> None:
    """Ends the process when its input closes."""
    while os.read(0, 4096):
        pass
    os._exit(1)


def _look(order: Look) -> bytes:
    threading.Thread(target=_end_with_hub, daemon=True).start()
    from cityhub.ingest.files.preview import look

    folder = Path(order.folder)
    size = (folder / "content").stat().st_size
    bound = 4 * size + 2 * order.most
    resource.setrlimit(resource.RLIMIT_FSIZE, (bound, bound))
    try:
        return frame_of("looked", look(folder, order.reading, order.key, order.most))
    except OSError as error:
        return frame_of("failed", f"The file cannot be unpacked here: {error.strerror}")
    finally:
        shutil.rmtree(folder / "scratch" / order.key, ignore_errors=True)


def _run(order: Run, hub: HubBehind) -> bytes:
    from cityhub.ingest.files.running import Running

    standing = msgspec.json.decode((Path(order.folder) / "tables" / f"{order.key}.json").read_bytes(), type=Standing)
    columns: dict[str, Column] = {column.name: column.column for column in standing.looked.profile.columns}
    return frame_of("ended", Running(order, standing.table, columns, hub).go())


if __name__ == "__main__":
    main()
