"""The @contexts that notifications are written with. None of them holds up the hub: what cannot be had yet is replaced for now.

Source: GS CIM 009 V1.9.1, clauses 5.2.12 (jsonldContext) and 5.8.6.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from cityhub.model.errors import CityHubError
from cityhub.model.jsonld import TermMap
from cityhub.model.ports import Document
from cityhub.web.negotiation import ContextSource

PATIENCE_S: Final = 1.0
"""How long an @context is waited for before notifications are written without it."""

log = logging.getLogger(__name__)


class NotificationTerms:
    """Gives the term map for a subscription's notifications."""

    def __init__(self, contexts: ContextSource) -> None:
        self._contexts = contexts
        self._running: set[asyncio.Task[TermMap]] = set()

    async def of(self, record: Document, tenant: str) -> tuple[TermMap, bool]:
        """The term map, and whether it is the right one.

        An @context that cannot be had is replaced by one without terms: names are then written as IRIs, which is right
        but long. The caller should ask again later.
        """
        context = record["context"]
        known = self._contexts.known(context)
        if known is not None:
            return known, True
        task = asyncio.ensure_future(self._contexts.resolve(context, tenant))
        self._running.add(task)
        task.add_done_callback(self._forget)
        done, _ = await asyncio.wait({task}, timeout=PATIENCE_S)
        if done and task.exception() is None:
            return task.result(), True
        log.warning("subscription %s: its @context is not available, names are written as IRIs for now", record["id"])
        return TermMap(context, {}, set()), False

    def _forget(self, task: asyncio.Task[TermMap]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, CityHubError):
            log.error("an @context could not be resolved", exc_info=error)
