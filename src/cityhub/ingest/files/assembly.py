"""The imports of a hub, put together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from cityhub.ingest.files.imports_api import ImportApi
from cityhub.ingest.files.jobs import Jobs
from cityhub.ingest.files.looks import Looks
from cityhub.ingest.files.uploads import Uploads
from cityhub.model.jsonld import TermMap
from cityhub.model.ports import Intake, Staging, Store
from cityhub.model.time import Clock
from cityhub.web.http import Route

SWEEP_S: Final = 600.0
"""How often files that are too old are looked for."""


class Around(msgspec.Struct, frozen=True):
    """What imports stand among.

    Attributes:
        store: Where records are kept.
        intake: The door into the context.
        staging: The door into the history.
        clock: The present time.
        data: The data folder.
        terms: The @context of a URL ("": that of the district) and a tenant.
        most_bytes: Largest file.
        keep_days: How long files are kept.
        body_bytes: Largest request body.
    """

    store: Store
    intake: Intake
    staging: Staging
    clock: Clock
    data: Path
    terms: Callable[[str, str], Awaitable[TermMap]]
    most_bytes: int
    keep_days: float
    body_bytes: int


class Imports:
    """Files and what becomes of them.

    Args:
        around: What they stand among.
    """

    def __init__(self, around: Around) -> None:
        self._uploads = Uploads(around.store, around.data, around.clock, around.most_bytes, around.keep_days)
        self._looks = Looks(around.most_bytes)
        self._jobs = Jobs(around.store, around.intake, around.staging, around.data, around.clock)
        self._api = ImportApi(self._uploads, self._looks, self._jobs, around.terms, around.body_bytes)

    def routes(self) -> list[Route]:
        """All doors."""
        return self._api.routes()

    async def start(self) -> None:
        """Goes on with imports that were under way when the hub ended."""
        await self._jobs.load()

    async def sweep(self) -> None:
        """Drops files that are too old; to be called again and again."""
        await self._uploads.sweep(self._jobs.files())

    async def stop(self) -> None:
        """Ends the processes; what they did not finish goes on when the hub runs again."""
        await self._jobs.stop()
        await self._looks.stop()
