"""The standing check: gaps of rosters are told before they come."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from cityhub.cases.duty.rota import Rota
from cityhub.model.ports import Notice, Notices, Store
from cityhub.model.time import Clock, to_text

AHEAD: Final = timedelta(days=14)
SOON: Final = timedelta(days=1)
"""A gap that is so near is told again, urgently."""
TEMPLATE: Final = "duty-gap"
WHY: Final = "CQT-03"
"""Around the clock in the flood season; a gap in the roster is told.

Source: 重庆市防汛抗旱条例 (Chongqing's ordinance on flood and drought control), article 24.
"""
LEADER: Final = "leader"


class Standing:
    """The check.

    Args:
        store: Where notices are asked for.
        rota: The rosters.
        notices: Tells the leaders of the post's department.
        clock: The present time.
    """

    def __init__(self, store: Store, rota: Rota, notices: Notices, clock: Clock) -> None:
        self._store = store
        self._rota = rota
        self._notices = notices
        self._clock = clock

    def gaps(self, start: datetime, end: datetime) -> list[dict[str, Any]]:
        """The gaps of all posts in a span, the next first."""
        found = [
            {"post": post.id, "title": post.title, "department": post.department, "from": to_text(first), "to": to_text(last)}
            for post in self._rota.posts.all()
            for first, last in self._rota.gaps(post, start, end)
        ]
        return sorted(found, key=lambda gap: (str(gap["from"]), str(gap["post"])))

    async def check(self) -> int:
        """Tells of the gaps of the next two weeks, each once, and again when it is near; how many there are."""
        now = self._clock.now().replace(minute=0, second=0, microsecond=0)
        found = self.gaps(now, now + AHEAD)
        writes = [self._notices.write(self._notice(gap, now)) for gap in found]
        if writes:
            await self._store.write("", writes)
        return len(found)

    def _notice(self, gap: dict[str, Any], now: datetime) -> Notice:
        is_near = gap["from"] < to_text(now + SOON)
        # A gap that has begun begins anew with each look; its day names it.
        key = f"duty-gap:{gap['post']}:{gap['to']}" + ("#soon" if is_near else "")
        return Notice(
            key, WHY, TEMPLATE, {**gap, "near": is_near}, departments=[(gap["department"], LEADER)], urgent=is_near,
            link="/roster",
        )  # fmt: skip
