"""The protocols that a feed can speak, one module each; a module is imported when a feed needs it."""

from __future__ import annotations

from typing import Final

PROTOCOLS: Final[dict[str, str]] = {
    "sql": "cityhub.ingest.protocols.sql",
    "web": "cityhub.ingest.protocols.web",
}
"""Name of a protocol to its module, which has `Settings` and `connect(feed, settings, around)`."""
