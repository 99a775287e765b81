"""`cityhub forget`: a person or thing leaves the context and the history for good."""

from __future__ import annotations

import sys

from cityhub.cli.connection import Failed, command, connect, failure
from cityhub.settings import SettingsRead

FAILED = 1
TIMEOUT_S = 3600.0


def forget(read: SettingsRead, url: str | None, tenant: str, id: str, is_sure: bool) -> int:
    """Has the hub forget an entity and prints what went; returns 0, or 1 when it is not meant (`--yes`) or could not be done."""
    if not is_sure:
        print(f"cityhub: this deletes '{id}' and its whole history for good; if that is meant, add --yes", file=sys.stderr)
        return FAILED

    async def work() -> int:
        async with connect(read.settings, url, tenant) as client:
            response = await client.post("/api/history/forget", json={"id": id}, timeout=TIMEOUT_S)
        if response.status_code != 200:
            raise Failed(failure(response))
        gone = response.json()
        now = "It is no entity any more" if gone["entity"] else "It was no entity now"
        print(
            f"{id} is forgotten. {now}; {gone['observations']:,} observations and {gone['versions']:,} versions are out of the history, "
            f"{gone['files']:,} files were removed."
        )
        print("The journal keeps its newest changes, and backups what they have: see 'Forgetting' in docs/operations.md.")
        return 0

    return command(work)
