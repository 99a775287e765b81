"""What the tiers cost (TCO): bytes, files, requests and money of each, as the files lie now and as they would under a plan.

Formulas, for each tier, over 30 days:
    storage   = bytes / 10^9 * storage_per_gb_month
    reads     = requests / 1000 * reads_per_1000            (as the engine counted them, see `access`)
    retrieval = bytes read / 10^9 * retrieval_per_gb
    writes    = files that would move in * ceil(bytes / 8 MiB) / 1000 * writes_per_1000      (once, not each month)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import msgspec

from cityhub.history.tiers.access import Accesses
from cityhub.history.tiers.moving import due
from cityhub.history.tiers.plan import Plan
from cityhub.history.tiers.shelves import BLOCK
from cityhub.history.tiers.tables import Held
from cityhub.model.time import Clock, to_text

GB: Final = 1_000_000_000


class TierCost(msgspec.Struct, frozen=True):
    """What lies in one tier and what it costs in 30 days, in the plan's currency.

    Attributes:
        tier: The tier's name.
        title: What people call it.
        files: Files.
        bytes: Their bytes.
        rows: Their rows.
        requests: Requests that read, in 30 days.
        read: Bytes that they brought, in 30 days.
        storage: Money for keeping.
        reads: Money for these requests.
        retrieval: Money for bringing bytes back.
        total: All three together.
        source: Where the prices come from.
    """

    tier: str
    title: str
    files: int
    bytes: int
    rows: int
    requests: int
    read: int
    storage: float
    reads: float
    retrieval: float
    total: float
    source: str


class Costs(msgspec.Struct, frozen=True):
    """The report: `today` as the files lie, `planned` as they would lie after the plan's policies are carried out.

    Attributes:
        at: When it was made.
        currency: Of all money.
        note: What the figures rest on.
        today: By tier, hot to cold.
        planned: The same after the moves.
        total_today: Money in 30 days.
        total_planned: Money in 30 days after the moves.
        moves: Files that would move.
        move_bytes: Their bytes.
        move_cost: Money for the requests of the moves, once.
        forecast: Bytes that are expected in days to come, if a forecaster was asked: {"days", "low", "middle", "high"}.
    """

    at: str
    currency: str
    note: str
    today: list[TierCost]
    planned: list[TierCost]
    total_today: float
    total_planned: float
    moves: int
    move_bytes: int
    move_cost: float
    forecast: dict[str, float] | None = None


def costs(
    files: Sequence[Held], plan: Plan, accesses: Accesses | None, clock: Clock, forecast: dict[str, float] | None = None
) -> Costs:
    """The report of files under a plan; another plan gives the what-if. A tier of which a plan does not know counts as the first."""
    moves = due(files, plan, accesses, clock)
    now = {file.path: plan.tier_at(file.path).name for file in files}
    then = now | {one.file.path: one.tier.name for one in moves}
    today, planned = _by_tier(files, now, plan, accesses), _by_tier(files, then, plan, accesses)
    writes = sum(math.ceil(one.file.size / BLOCK) / 1000 * one.tier.writes_per_1000 for one in moves)
    counted = "reads counted over 30 days" if accesses else "no reads counted"
    return Costs(
        at=to_text(clock.now()),
        currency=plan.currency,
        note=f"Prices are assumptions of the plan (see source of each tier); {counted}.",
        today=today,
        planned=planned,
        total_today=round(sum(tier.total for tier in today), 4),
        total_planned=round(sum(tier.total for tier in planned), 4),
        moves=len(moves),
        move_bytes=sum(one.file.size for one in moves),
        move_cost=round(writes, 4),
        forecast=forecast,
    )


def _by_tier(files: Sequence[Held], where: dict[str, str], plan: Plan, accesses: Accesses | None) -> list[TierCost]:
    found = []
    for tier in plan.tier:
        mine = [file for file in files if where[file.path] == tier.name]
        months = [accesses.month(file.path) for file in mine] if accesses else []
        size = sum(file.size for file in mine)
        requests, read = sum(month[0] for month in months), sum(month[1] for month in months)
        storage = size / GB * tier.storage_per_gb_month
        reads = requests / 1000 * tier.reads_per_1000
        retrieval = read / GB * tier.retrieval_per_gb
        found.append(
            TierCost(
                tier=tier.name,
                title=tier.title,
                files=len(mine),
                bytes=size,
                rows=sum(file.rows for file in mine),
                requests=requests,
                read=read,
                storage=storage,
                reads=reads,
                retrieval=retrieval,
                total=storage + reads + retrieval,
                source=tier.source,
            )
        )
    return found
