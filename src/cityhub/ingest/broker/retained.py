"""The last message of each topic that was published to be kept.

Source: MQTT 5.0, section 3.3.1.3.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Final

from cityhub.ingest.broker.door import Publication
from cityhub.ingest.broker.topics import matches

MAX_RETAINED: Final = 20_000
MAX_BYTES: Final = 64 * 1024 * 1024
"""Most bytes of all retained payloads together."""

log = logging.getLogger(__name__)


class Retained:
    """Retained messages, bounded in number and size. What is too much is not retained, only delivered."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._messages: dict[str, Publication] = {}
        self._bytes = 0
        self.refused = 0

    def __len__(self) -> int:
        return len(self._messages)

    def keep(self, publication: Publication) -> None:
        """Keeps it in place of what the topic had; an empty payload removes that."""
        before = self._messages.pop(publication.topic, None)
        if before is not None:
            self._bytes -= len(before.payload)
        if not publication.payload:
            return
        if len(self._messages) >= MAX_RETAINED or self._bytes + len(publication.payload) > MAX_BYTES:
            self.refused += 1
            if self.refused == 1:
                log.warning("there is no room for more retained messages: at most %d of %d bytes together", MAX_RETAINED, MAX_BYTES)
            return
        self._messages[publication.topic] = publication
        self._bytes += len(publication.payload)

    def find(self, filter: str) -> Iterator[Publication]:
        """What matches a filter and has not expired."""
        now = self._now()
        if "+" not in filter and "#" not in filter:
            one = self._messages.get(filter)
            candidates = [one] if one is not None else []
        else:
            candidates = [kept for topic, kept in self._messages.items() if matches(filter, topic)]
        return (kept for kept in candidates if kept.expires is None or kept.expires > now)

    def sweep(self) -> None:
        """Forgets what has expired."""
        now = self._now()
        for topic in [topic for topic, kept in self._messages.items() if kept.expires is not None and kept.expires <= now]:
            self._bytes -= len(self._messages.pop(topic).payload)
