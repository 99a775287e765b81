"""Imports as jobs: each in a process of its own, one after the other, going on after whatever ended."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from cityhub.ingest.files.frames import Progress, Run, Stage, Take
from cityhub.ingest.files.job import COLLECTION, ENDED, Job, told
from cityhub.ingest.files.process import Process, start
from cityhub.ingest.files.uploads import FOLDER
from cityhub.model.errors import CityHubError, Conflict, NotFound, StoreUnavailable
from cityhub.model.ports import BOOKMARKS, Document, Intake, Staging, Store, Write
from cityhub.model.time import Clock, to_text

AT_ONCE: Final = 2
"""Jobs that run at a time; the others wait."""
ATTEMPTS: Final = 3
"""A process that ends without a word is started again, so often without having come further."""
PAUSE_S: Final = 1.0
PATIENCE: Final = 60
"""How often a batch is tried while the store is away, with a pause of a second."""
RATE_S: Final = 5.0
"""The rate is that of the last seconds."""
KEPT: Final = 500
"""Jobs of a tenant that are kept; older ones that ended are dropped."""

log = logging.getLogger(__name__)


class Jobs:
    """The imports of a hub.

    Args:
        store: Where their records are.
        intake: Where updates go.
        staging: Where observations go.
        data: The data folder.
        clock: The present time.
        begin: Starts the process of a run.
    """

    def __init__(
        self, store: Store, intake: Intake, staging: Staging, data: Path, clock: Clock, begin: Callable[[Run], Awaitable[Process]] = start
    ) -> None:  # fmt: skip
        self._store, self._intake, self._staging, self._clock, self._begin = store, intake, staging, clock, begin
        self._data = data
        self._jobs: dict[str, Job] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._rates: dict[str, list[tuple[float, int]]] = {}

    async def load(self) -> None:
        """Reads the jobs that are kept, and goes on with those that were under way."""
        for _, record in await self._store.records(None, COLLECTION):
            job = msgspec.convert(record, Job)
            self._jobs[job.id] = job
            # Another hub on the same database has the files of its own jobs.
            if job.state not in ENDED and (self._data / FOLDER / job.file).is_dir():
                self._run_later(job)

    async def create(self, job: Job) -> Job:
        """Takes a job in; it runs when it is its turn."""
        job = msgspec.structs.replace(job, id=secrets.token_hex(16), created=to_text(self._clock.now()))
        await self._keep(job)
        await self._drop_old(job.tenant)
        self._run_later(job)
        return job

    def find(self, tenant: str, id: str) -> Job:
        """A job. Raises NotFound."""
        job = self._jobs.get(id)
        if job is None or job.tenant != tenant:
            raise NotFound(f"There is no import '{id[:100]}'")
        return job

    def all(self, tenant: str) -> list[Job]:
        """The jobs of a tenant, the newest first."""
        return [job for job in reversed(self._jobs.values()) if job.tenant == tenant]

    def tell(self, job: Job) -> dict[str, Any]:
        """A job as the doors tell of it."""
        return told(job, self._rate(job.id), sum(1 for id in job.staged if self._staging.is_waiting(id)))

    def files(self) -> frozenset[str]:
        """Ids of the files of jobs that have not ended."""
        return frozenset(job.file for job in self._jobs.values() if job.state not in ENDED)

    async def cancel(self, job: Job) -> Job:
        """Ends a job; what was taken before stays. Raises Conflict when it has ended."""
        if job.state in ENDED:
            raise Conflict(f"The import has ended: it is '{job.state}'")
        await self._end_task(job.id)
        return await self._changed(job.id, state="cancelled", ended=self._now())

    async def resume(self, job: Job) -> Job:
        """Goes on with a job that failed or was cancelled, where it was. Raises Conflict when it runs or is done."""
        if job.state not in ("failed", "cancelled"):
            raise Conflict(f"Only an import that failed or was cancelled can go on; this one is '{job.state}'")
        job = await self._changed(job.id, state="waiting", reason="", ended="")
        self._run_later(job)
        return job

    def refused(self, job: Job) -> Path:
        """The file of what a job refused; it may not be there yet."""
        return self._data / FOLDER / "refused" / f"{job.id}.csv"

    async def stop(self) -> None:
        """Ends the processes; their jobs go on when the hub runs again."""
        for id in list(self._tasks):
            await self._end_task(id)

    def _run_later(self, job: Job) -> None:
        self._tasks[job.id] = asyncio.create_task(self._run(job.id), name=f"import {job.id}")

    async def _end_task(self, id: str) -> None:
        task = self._tasks.pop(id, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self, id: str) -> None:
        """Runs a job until it has ended, starting its process again when that was ended by something else."""
        attempts = 0
        try:
            async with self._turns:
                await self._changed(id, state="running", started=self._now())
                while True:
                    before = await self._last(self._jobs[id])
                    reason = await self._attempt(id, before)
                    if reason is not None:
                        break
                    attempts = attempts + 1 if (await self._last(self._jobs[id])).begin == before.begin else 0
                    if attempts >= ATTEMPTS:
                        reason = "The process of the import was ended again and again by something else, such as a lack of memory"
                        break
                    log.warning("the process of the import %s ended; it is started again", id)
                    await asyncio.sleep(PAUSE_S)
                await self._changed(id, state="failed" if reason else "done", reason=reason, ended=self._now())
        except CityHubError as error:
            log.error("the import %s stands still: %s", id, error.detail)
            self._jobs[id] = msgspec.structs.replace(self._jobs[id], state="failed", reason=error.detail)
        finally:
            if self._tasks.get(id) is asyncio.current_task():
                del self._tasks[id]
            self._rates.pop(id, None)

    async def _attempt(self, id: str, before: Progress) -> str | None:
        """One process; returns why it failed, "" when it came to the end, None when it ended without a word."""
        job = self._jobs[id]
        folder = self._data / FOLDER / job.file
        refused = self.refused(job)
        await asyncio.to_thread(refused.parent.mkdir, parents=True, exist_ok=True)
        order = Run(
            str(folder), job.key, job.plan, job.names, job.created, str(folder / "staged"), job.seed, str(refused),
            before.begin, before if before.begin else None, job.is_dry, job.most_rows,
        )  # fmt: skip
        process = await self._begin(order)
        try:
            while (said := await process.answer()) is not None:
                word, raw = said
                if word in ("progress", "ended"):
                    self._note(id, msgspec.msgpack.decode(raw, type=Progress))
                if word in ("ended", "failed"):
                    return "" if word == "ended" else msgspec.msgpack.decode(raw, type=str)
                if word == "take":
                    await self._answer(process, "taken", self._take(job, msgspec.msgpack.decode(raw, type=Take)))
                elif word == "stage":
                    await self._answer(process, "staged", self._stage(id, msgspec.msgpack.decode(raw, type=Stage)))
            return None
        finally:
            await process.end()

    async def _answer(self, process: Process, word: str, work: Awaitable[Any]) -> None:
        try:
            answer = await work
        except CityHubError as error:
            word, answer = "refused", error.detail
        process.say(word, answer)

    async def _take(self, job: Job, take: Take) -> list[str]:
        """What became of each update. The position goes with the last of them, in one transaction."""
        marks: list[tuple[str, Document]] = [(_bookmark(job.id), {"progress": msgspec.to_builtins(take.progress)})]
        for left in range(PATIENCE, -1, -1):
            try:
                results = await self._intake.take(job.tenant, take.updates, (), marks)
                return [result.detail if isinstance(result, CityHubError) else result for result in results]
            except StoreUnavailable:
                if not left:
                    raise
                await asyncio.sleep(PAUSE_S)
        raise AssertionError

    async def _stage(self, id: str, stage: Stage) -> bool:
        """Gives a staged file to the history, unless it has it; the position is kept after it, as the same file is known again."""
        job = self._jobs[id]
        path = self._data / FOLDER / job.file / "staged" / f"{stage.id}.parquet"
        await self._staging.stage(job.tenant, stage.id, path, stage.rows, job.name)
        staged = list(dict.fromkeys([*job.staged, stage.id]))
        await self._changed(id, progress=stage.progress, staged=staged)
        return True

    async def _last(self, job: Job) -> Progress:
        """How far a job has come for good."""
        if job.is_dry:
            return Progress()
        mark = await self._store.fetch(job.tenant, _bookmark(job.id), BOOKMARKS)
        kept = msgspec.convert(mark["progress"], Progress) if mark is not None else Progress()
        return kept if kept.begin > job.progress.begin or job.plan.target == "entities" else job.progress

    def _note(self, id: str, progress: Progress) -> None:
        self._jobs[id] = msgspec.structs.replace(self._jobs[id], progress=progress)
        rates = self._rates.setdefault(id, [])
        now = time.monotonic()
        if not rates or now - rates[-1][0] > 0.25:
            rates.append((now, progress.rows))
        while len(rates) > 2 and now - rates[0][0] > RATE_S:
            rates.pop(0)

    def _rate(self, id: str) -> float:
        rates = self._rates.get(id) or []
        if len(rates) < 2:
            return 0.0
        return max(0.0, (rates[-1][1] - rates[0][1]) / max(1e-3, rates[-1][0] - rates[0][0]))

    async def _changed(self, id: str, **members: Any) -> Job:
        job = msgspec.structs.replace(self._jobs[id], **members)
        await self._keep(job)
        return job

    async def _keep(self, job: Job) -> None:
        document = msgspec.to_builtins(job)
        self._jobs[job.id] = job
        results = await self._store.write(job.tenant, [Write(job.id, lambda before, at: (document, None), COLLECTION)])
        if isinstance(results[0], CityHubError):
            raise results[0]

    async def _drop_old(self, tenant: str) -> None:
        ended = [job for job in self.all(tenant) if job.state in ENDED]
        for job in ended[KEPT:]:
            del self._jobs[job.id]
            writes = [Write(job.id, _gone, COLLECTION), Write(_bookmark(job.id), _gone, BOOKMARKS)]
            await self._store.write(tenant, writes)
            self.refused(job).unlink(missing_ok=True)

    def _now(self) -> str:
        return to_text(self._clock.now())


def seed_of(tenant: str, digest: str, job_plan: Any) -> str:
    """The same for the same file, plan and tenant."""
    return hashlib.sha256(msgspec.json.encode([tenant, digest, job_plan], order="deterministic")).hexdigest()


def _bookmark(id: str) -> str:
    return f"import:{id}"


def _gone(before: Document | None, at: str) -> tuple[None, None]:
    return None, None
