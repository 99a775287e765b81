"""What the caseworker's process answers: checks, steps and migrations, each within a time and a size, one at a time."""

from __future__ import annotations

import mmap
import signal
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from cityhub.cases.bpmn.checking import check
from cityhub.cases.bpmn.deciding import check_decisions, evaluate_decision
from cityhub.cases.bpmn.migrating import migrate
from cityhub.cases.bpmn.preparing import prepare
from cityhub.cases.bpmn.running import Prepared, take_step
from cityhub.cases.bpmn.stepping import Place
from cityhub.cases.bpmn.words import PROGRESS_BYTES, DecisionQuestion, MigrateQuestion, StepQuestion, digest_of
from cityhub.cases.process_port import ProcessFiles
from cityhub.model.errors import BadRequestData, CityHubError, Unprocessable
from cityhub.web.wire import Answering

KEPT: Final = 64
"""So many versions of processes stay compiled."""


class TooLong(BaseException):
    """A step took longer than it may. No `except Exception` on its way takes it for something else."""


class Progress(Place):
    """Where a step is, written where others can read it after this process had to be killed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        path.write_bytes(bytes(PROGRESS_BYTES))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), PROGRESS_BYTES)

    def at(self, element: str) -> None:
        """Notes the element."""
        super().at(element)
        self._map[:] = element.encode()[:PROGRESS_BYTES].ljust(PROGRESS_BYTES, b"\0")


class Answers:
    """The answers of the process.

    Args:
        place: Where the element that a step is at is noted.
        step_s: How long a step may take, of the processor's time: a busy machine makes no step wrong.
    """

    def __init__(self, place: Place, step_s: float) -> None:
        self._place = place
        self._step_s = step_s
        self._prepared: OrderedDict[str, Prepared | CityHubError] = OrderedDict()
        self._encode = msgspec.msgpack.Encoder().encode
        signal.signal(signal.SIGPROF, self._too_long)

    def handlers(self) -> Mapping[str, Answering]:
        """What is answered, by name."""
        return {
            "check": self._check, "step": self._step, "migrate": self._migrate,
            "check_decisions": self._check_decisions, "evaluate": self._evaluate,
        }  # fmt: skip

    @staticmethod
    def _too_long(*_: object) -> None:
        raise TooLong

    def _bounded(self, work: Callable[[], Any]) -> bytes:
        self._place.at("")
        signal.setitimer(signal.ITIMER_PROF, self._step_s)
        try:
            return self._encode(work())
        except TooLong:
            text = f"The process does not come to rest within {self._step_s:g} s; it was at '{self._place.element}'"
            raise Unprocessable(f"{text}: right would be less to do in one step", element=self._place.element) from None
        except MemoryError:
            text = f"The process needs more memory than there is; it was at '{self._place.element}': right would be smaller data"
            raise Unprocessable(text, element=self._place.element) from None
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def prepared(self, files: ProcessFiles) -> Prepared:
        """A process that can run, compiled once for each version. Raises Unprocessable."""
        digest = f"{files.id} {files.version} {digest_of(files)}"
        known = self._prepared.get(digest)
        if known is None:
            try:
                known = prepare(files)
            except CityHubError as error:
                known = error
            self._prepared[digest] = known
            while len(self._prepared) > KEPT:
                self._prepared.popitem(last=False)
        self._prepared.move_to_end(digest)
        if isinstance(known, CityHubError):
            raise known
        return known

    async def _check(self, body: bytes) -> bytes:
        files = msgspec.msgpack.decode(body, type=ProcessFiles)
        return self._bounded(lambda: check(files).findings)

    async def _step(self, body: bytes) -> bytes:
        asked = msgspec.msgpack.decode(body, type=StepQuestion)
        moment = moment_of(asked.now)
        return self._bounded(lambda: take_step(self.prepared(asked.files), asked.state, asked.step, moment, self._place))

    async def _migrate(self, body: bytes) -> bytes:
        asked = msgspec.msgpack.decode(body, type=MigrateQuestion)
        moment = moment_of(asked.now)
        return self._bounded(lambda: migrate(self.prepared(asked.files), self.prepared(asked.to), asked.state, moment, self._place))


    async def _check_decisions(self, body: bytes) -> bytes:
        return self._bounded(lambda: check_decisions(msgspec.msgpack.decode(body, type=str)))

    async def _evaluate(self, body: bytes) -> bytes:
        asked = msgspec.msgpack.decode(body, type=DecisionQuestion)
        moment = moment_of(asked.now)
        return self._bounded(lambda: evaluate_decision(asked.dmn, asked.decision, asked.inputs, moment))


def moment_of(text: str) -> datetime:
    """A moment of a text. Raises BadRequestData."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadRequestData(f"'now' is '{text}'; right would be RFC 3339 with a zone, such as 2026-11-23T08:00:00Z")
    return moment
