"""A feed as the doors show it: its definition, who changed it, and how it stands."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from cityhub.ingest.district import District
from cityhub.ingest.district import Feed as DistrictFeed
from cityhub.ingest.feed import Feed
from cityhub.ingest.gateway_port import FeedState, Gateway
from cityhub.ingest.register.feeds import FeedRegister
from cityhub.ingest.register.letters import Letters
from cityhub.model.errors import Conflict
from cityhub.model.ports import Document, Store
from cityhub.model.time import Clock
from cityhub.registers.district_files import DistrictFiles
from cityhub.registers.versioned import present

SILENT_AFTER: Final = 3
"""A feed is silent after so many of its intervals without a message."""
DISTRICT: Final = "district"
"""The protocol of the feeds that the hub plays by itself from the district's folder."""


class FeedAnswers:
    """Makes the answers about feeds.

    Args:
        register: The feeds.
        letters: The dead letters.
        gateway: Knows how they stand.
        store: Has the entities of the district's own feeds.
        clock: The present time.
        district: The district, whose own feeds are shown as well; None: none.
        files: Its feed files; None: none.
    """

    def __init__(
        self, register: FeedRegister, letters: Letters, gateway: Gateway, store: Store, clock: Clock, district: District | None,
        files: DistrictFiles[Feed] | None,
    ) -> None:  # fmt: skip
        self._register = register
        self._letters = letters
        self._gateway = gateway
        self._store = store
        self._clock = clock
        self._district = district
        self._files = files

    async def all(self) -> list[dict[str, Any]]:
        """Every feed, those of the register first."""
        states = self._gateway.states()
        shown = [self._shown(feed, states.get(feed.id)) for feed in self._register.all()]
        played = self._district.feeds if self._district else []
        return shown + [await self._played(feed) for feed in played if self._register.record(feed.id) is None]

    async def one(self, id: str) -> dict[str, Any]:
        """One feed. Raises NotFound."""
        if self._register.record(id) is None and (played := self._of_district(id)) is not None:
            return await self._played(played)
        feed = self._register.get(id)
        return self._shown(feed, self._gateway.states().get(id))

    def check_changeable(self, id: str) -> None:
        """Raises Conflict for a feed that the hub plays itself."""
        if self._of_district(id) is not None:
            raise Conflict(f"The feed '{id}' is played from the district's folder and changed there, in its feeds.toml; take another id")

    def _of_district(self, id: str) -> DistrictFeed | None:
        feeds = self._district.feeds if self._district is not None else []
        return next((feed for feed in feeds if feed.id == id), None)

    def _shown(self, feed: Feed, state: FeedState | None) -> dict[str, Any]:
        record = self._register.record(feed.id) or {}
        answer = present(record)
        answer["status"] = self._status(feed, record, state)
        if record["origin"]:
            differs = self._files.differing.get(feed.id, "") if self._files else ""
            answer["district"] = {"file": record["origin"]["file"], "touched": record["touched"], "differs": bool(differs)}
        return answer

    def _status(self, feed: Feed, record: Document, state: FeedState | None) -> dict[str, Any]:
        if state is None:
            state = FeedState("waiting" if feed.enabled else "stopped", _unreported(feed, record), record["at"])
        elif not feed.enabled and state.state != "stopped":  # the last report is older than the order to stop
            state = msgspec.structs.replace(state, state="stopped", detail=_unreported(feed, record), since=record["at"], connections=0)
        status: dict[str, Any] = msgspec.to_builtins(state)
        status["deadLetters"] = self._letters.count(feed.id)
        silent = self._silent_since(state, feed.interval_s) if feed.enabled else ""
        return {**status, **({"silentSince": silent} if silent else {})}

    def _silent_since(self, state: FeedState, interval_s: float) -> str:
        since = state.last_at or state.since
        if not interval_s or not since:
            return ""
        quiet = self._clock.now() - datetime.fromisoformat(since)
        return since if quiet > timedelta(seconds=SILENT_AFTER * interval_s) else ""

    async def _played(self, feed: DistrictFeed) -> dict[str, Any]:
        """A feed that the hub plays from the district's folder; nobody changes it here."""
        district = self._district
        entity = await self._store.fetch("", district.uri("Feed", feed.id)) if district is not None else None
        last = entity["modifiedAt"] if entity else ""
        simulated = feed.kind == "simulated"
        state = FeedState("running" if entity else "waiting", "" if entity else "It has not been played yet", "", last_at=last)
        source = {"kind": feed.kind, "source": feed.source, **({"file": feed.file} if feed.file else {})}
        return {
            "id": feed.id, "title": feed.names, "protocol": DISTRICT, "source": source, "simulated": simulated,
            "interval_s": feed.period_s if simulated else 0.0, "licence": feed.license, "enabled": True, "readOnly": True, "version": 1,
            "status": {**msgspec.to_builtins(state), "deadLetters": 0},
        }  # fmt: skip


def _unreported(feed: Feed, record: Document) -> str:
    if not feed.enabled:
        return f"Stopped by {record['by']}" if record.get("touched") else "'enabled' is false"
    return "The gateway has not told of it yet"
