"""A progress bar with rate and remaining time; on a terminal in place, elsewhere a line now and then."""

from __future__ import annotations

import time
from typing import Final, TextIO

WIDTH: Final = 30


class Progress:
    """How far a long work is.

    Args:
        total: What there is to do, in any unit; 0 when unknown.
        unit: What is counted and shown ("entities").
        title: Whose progress it is; begins each line.
        stream: Where to.
    """

    def __init__(self, total: int, unit: str, title: str, stream: TextIO) -> None:
        self._title = title
        self._total = total
        self._unit = unit
        self._stream = stream
        self._terminal = stream.isatty()
        self._began = time.monotonic()
        self._shown = self._began

    def show(self, done: int, count: int, bad: int, *, last: bool = False) -> None:
        """Shows that `done` of the total is done, with `count` good and `bad` faulty items; rarely enough to cost nothing."""
        now = time.monotonic()
        if not last and now - self._shown < (0.2 if self._terminal else 10.0):
            return
        self._shown = now
        line = f"{self._title}: {self.line(done, count, bad, now - self._began, last)}"
        if self._terminal:
            self._stream.write(f"\r\x1b[K{line}" + ("\n" if last else ""))
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()

    def line(self, done: int, count: int, bad: int, seconds: float, last: bool) -> str:
        """The text that is shown.

        >>> import sys
        >>> Progress(200, "entities", "a", sys.stderr).line(100, 5000, 1, 2.0, False)
        '[###############...............]  50 %  5,000 entities, 1 refused, 2,500/s, 0:02 remaining'
        """
        share = 1.0 if last else min(1.0, done / self._total) if self._total else 0.0
        text = f"{count:,} {self._unit}" + (f", {bad:,} refused" if bad else "") + f", {count / max(seconds, 1e-9):,.0f}/s"
        if last:
            return f"{text}, {_clock(seconds)}"
        if not self._total:
            return text
        filled = round(share * WIDTH)
        remaining = f", {_clock(seconds / share - seconds)} remaining" if share > 0.01 else ""
        return f"[{'#' * filled}{'.' * (WIDTH - filled)}] {share:4.0%}".replace("%", " %") + f"  {text}{remaining}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
