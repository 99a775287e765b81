"""`cityhub tiers`: what the storage tiers cost, today and under a plan; and the moves that the plan wants."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from cityhub.model.errors import CityHubError
from cityhub.model.time import SystemClock
from cityhub.settings import Settings

FAILED = 1


def tiers(settings: Settings, plan: Path | None, as_json: bool, do_move: bool) -> int:
    """Prints the report; with `do_move` files are moved first. The hub may be running: moves are commits like any other engine's.

    Returns 0, or 1 when there is no lake, the plan cannot be used, or a file could not be moved.
    """
    from pyiceberg.catalog.sql import SqlCatalog  # heavy: only for this command

    from cityhub.history.tiers.access import Accesses
    from cityhub.history.tiers.costs import costs
    from cityhub.history.tiers.moving import move
    from cityhub.history.tiers.plan import read_plan
    from cityhub.history.tiers.tables import CatalogTables, held

    if plan is None:
        print("cityhub: there is no plan of tiers; right would be --plan FILE or the setting 'tiers'", file=sys.stderr)
        return FAILED
    lake = Path(settings.data).absolute() / "lake"
    file = lake / "catalog.sqlite"
    if not file.is_file():
        print(f"cityhub: there is no lake in {settings.data}; a hub makes it at its first start", file=sys.stderr)
        return FAILED
    catalog = SqlCatalog("cityhub", uri=f"sqlite:///{file}", warehouse=lake.as_uri())
    try:
        wanted, tables, clock = read_plan(plan), CatalogTables(catalog), SystemClock()
        accesses = Accesses(Path(settings.data), clock)
        left: dict[str, str] = {}
        if do_move:
            done = move(tables, wanted, accesses, clock, lambda now: print(f"{now.files:,} of {now.of_files:,} files", file=sys.stderr))
            left = done.left
        report = costs(held(tables), wanted, accesses, clock)
    except CityHubError as error:
        print(f"cityhub: {error.detail}", file=sys.stderr)
        return FAILED
    finally:
        catalog.close()
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(report), indent=1).decode())
    else:
        print(f"{'tier':<12} {'':<12} {'files':>8} {'GB':>10} {'requests':>10} {report.currency + '/month':>12} {'then':>12}  prices")
        for now, then in zip(report.today, report.planned, strict=True):
            amounts = f"{now.files:>8,} {now.bytes / 1e9:>10,.3f} {now.requests:>10,} {now.total:>12,.4f} {then.total:>12,.4f}"
            print(f"{now.tier:<12} {now.title:<12} {amounts}  {now.source}")
        print(f"{report.moves} files ({report.move_bytes / 1e9:,.3f} GB) would move; {report.note}")
    for path, why in left.items():
        print(f"cityhub: {path} stayed: {why}", file=sys.stderr)
    return FAILED if left else 0
