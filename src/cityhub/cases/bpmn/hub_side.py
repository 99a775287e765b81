"""The hub's side of the caseworker: it starts the process with the first question, asks one thing at a time, and ends it when it hangs."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import signal
from collections import OrderedDict
from pathlib import Path
from typing import Any, Final

import msgspec

from cityhub.cases.bpmn.words import PROGRESS, PROGRESS_BYTES, SOCKET, CaseworkerOrders, DecisionQuestion, MigrateQuestion, StepQuestion
from cityhub.cases.process_port import Begin, Complete, Evaluated, Finding, Position, ProcessFiles, Receive, Wake
from cityhub.model.errors import StoreUnavailable, TooBusy, Unprocessable
from cityhub.settings import Settings
from cityhub.web.child import Child
from cityhub.web.wire import socket_path
from cityhub.web.wire_client import WireClient

GRACE_S: Final = 2.0
"""How long the process may take to end."""
STEP_S: Final = 5.0
"""How long a step may take, of the processor's time."""
HANG_S: Final = 20.0
"""How much longer the hub waits before it takes the process for stuck and kills it."""
TURN_S: Final = 45.0
"""How long a question may wait for its turn."""
TRIES: Final = 2
"""So often a question is put when the process ends meanwhile."""
MOST_DEATHS: Final = 3
"""A question at which the process ended so often is refused."""
REMEMBERED: Final = 100
ENDED_LOOKS: Final = 40
LOOK_S: Final = 0.05
MOST_WAITING: Final = 500
"""So many questions may wait for their turn."""
MEMORY: Final = 1024 * 1024 * 1024
"""Bytes of memory that the process may have."""

log = logging.getLogger(__name__)


class Caseworker:
    """The ports `cityhub.cases.process_port.ProcessEngine` and `DecisionEngine`.

    Args:
        settings: The hub's.
        step_s: How long a step may take, of the processor's time.
        hang_s: How much longer the hub waits before it kills the process.
        memory: Bytes of memory that the process may have.
    """

    def __init__(self, settings: Settings, step_s: float = STEP_S, hang_s: float = HANG_S, memory: int = MEMORY) -> None:
        self._socket = socket_path(Path(settings.data), SOCKET)
        self._progress = self._socket.with_name(PROGRESS)
        self._longest_s = step_s + hang_s
        orders = CaseworkerOrders(str(self._socket), str(self._progress), settings.log_format, settings.log_level, step_s, memory)
        self._child = Child("caseworker", "cityhub.caseworker", msgspec.json.encode(orders) + b"\n", GRACE_S)
        self._client = WireClient("caseworker", self._socket, patience_s=LOOK_S)
        self._watch: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._heard: int | None = None
        self._deaths: OrderedDict[bytes, int] = OrderedDict()
        self._encode = msgspec.msgpack.Encoder().encode

    @property
    def pid(self) -> int | None:
        """The process that runs now; None when none does."""
        return self._child.pid

    @property
    def starts(self) -> int:
        """How often the process was started."""
        return self._child.starts

    @property
    def at(self) -> str:
        """Id of the element that the process noted last; "" without one."""
        try:
            return self._progress.read_bytes()[:PROGRESS_BYTES].rstrip(b"\0").decode(errors="ignore")
        except OSError:
            return ""

    async def stop(self) -> None:
        """Ends the process."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            await self._child.stop()

    async def check(self, files: ProcessFiles) -> list[Finding]:
        """See `cityhub.cases.process_port.ProcessEngine.check`."""
        return msgspec.msgpack.decode(await self._ask("check", files), type=list[Finding])

    async def step(self, files: ProcessFiles, state: dict[str, Any] | None, step: Begin | Complete | Wake | Receive, now: str) -> Position:
        """See `cityhub.cases.process_port.ProcessEngine.step`."""
        return msgspec.msgpack.decode(await self._ask("step", StepQuestion(files, state, step, now)), type=Position)

    async def migrate(self, files: ProcessFiles, to: ProcessFiles, state: dict[str, Any], now: str) -> Position:
        """See `cityhub.cases.process_port.ProcessEngine.migrate`."""
        return msgspec.msgpack.decode(await self._ask("migrate", MigrateQuestion(files, to, state, now)), type=Position)

    async def check_decisions(self, dmn: str) -> list[Finding]:
        """See `cityhub.cases.process_port.DecisionEngine.check_decisions`."""
        return msgspec.msgpack.decode(await self._ask("check_decisions", dmn), type=list[Finding])

    async def evaluate(self, dmn: str, decision: str, inputs: dict[str, Any], now: str) -> Evaluated:
        """See `cityhub.cases.process_port.DecisionEngine.evaluate`."""
        return msgspec.msgpack.decode(await self._ask("evaluate", DecisionQuestion(dmn, decision, inputs, now)), type=Evaluated)

    async def _ask(self, name: str, body: Any) -> bytes:
        """An answer; whoever asks waits for a turn, so that a process that hangs hangs at this question and no other."""
        if self._watch is None:
            self._watch = asyncio.create_task(self._child.watch(), name="caseworker")
        if self._waiting >= MOST_WAITING:
            raise TooBusy(f"{MOST_WAITING} questions wait for the caseworker; try again later")
        self._waiting += 1
        try:
            async with asyncio.timeout(TURN_S):
                await self._turn.acquire()
        except TimeoutError:
            raise StoreUnavailable("The caseworker had no time for the question; try again later") from None
        finally:
            self._waiting -= 1
        try:
            return await self._asked(name, body)
        finally:
            self._turn.release()

    async def _asked(self, name: str, body: Any) -> bytes:
        for _ in range(TRIES):
            await self._there()
            pid = self._child.pid
            try:
                return await self._call(name, body)
            except StoreUnavailable:
                if not await self._ended(pid):
                    raise
                self._died_at(hashlib.blake2b(self._encode([name, body]), digest_size=16).digest())
        raise StoreUnavailable("The caseworker ended while it answered; it is being started again, try again later")

    async def _ended(self, pid: int | None) -> bool:
        """Whether the process that was asked has ended."""
        for _ in range(ENDED_LOOKS):
            if self._child.pid != pid:
                return True
            await asyncio.sleep(LOOK_S)
        return False

    def _died_at(self, known: bytes) -> None:
        """Counts that the process ended at a question. Raises Unprocessable for one at which it always does: it would keep others out."""
        self._deaths[known] = self._deaths.pop(known, 0) + 1
        while len(self._deaths) > REMEMBERED:
            self._deaths.popitem(last=False)
        if self._deaths[known] >= MOST_DEATHS:
            element = self.at
            text = f"What runs processes ended {MOST_DEATHS} times at this step, at '{element}'; right would be less to do in one step"
            raise Unprocessable(text, element=element)

    async def _call(self, name: str, body: Any) -> bytes:
        try:
            async with asyncio.timeout(self._longest_s):
                return await self._client.call(name, body, fresh=False, timeout_s=self._longest_s)
        except TimeoutError:
            if self._child.pid != self._heard:
                raise StoreUnavailable("The caseworker ended while it answered; it is being started again, try again later") from None
            element = self.at
            self._kill()
            text = f"The process does not come to rest, and was stopped at '{element}'; right would be less to do in one step"
            raise Unprocessable(text, element=element) from None

    async def _there(self) -> None:
        """Waits until the process listens: its start does not count as part of a step."""
        try:
            async with asyncio.timeout(TURN_S):
                while self._child.pid is None or self._child.pid != self._heard:
                    if self._child.pid is not None and await self._listens():
                        self._heard = self._child.pid
                    else:
                        await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise StoreUnavailable("The caseworker is not there: it starts, or the log says why; try again later") from None

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_unix_connection(self._socket)
        except OSError:
            return False
        writer.close()
        return True

    def _kill(self) -> None:
        pid = self._child.pid
        if pid is not None:
            log.warning("the caseworker hangs and is killed", extra={"element": self.at})
            os.kill(pid, signal.SIGKILL)
