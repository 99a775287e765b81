"""The hub's own words as IRIs: what the rooms look for in entities without knowing a district's @context.

`.example` is reserved and never resolves: these IRIs are names, not addresses. A district's context maps its short
terms to them.
"""

from __future__ import annotations

from typing import Final

TERMS: Final = "https://cityhub.example/terms/"

FEED: Final = f"{TERMS}Feed"
"""Type of an entity that describes one feed: what it plays, how often, and when it last did."""

NAME: Final = "https://smartdatamodels.org/name"
SIMULATED: Final = f"{TERMS}simulated"
"""Sub-property `true` on every attribute instance that a model made up; absent from what was observed."""
PROVENANCE: Final = "http://purl.org/dc/terms/provenance"
"""Sub-relationship from an attribute instance to the feed that brought it."""
STATE: Final = f"{TERMS}state"
UPDATE_PERIOD: Final = f"{TERMS}updatePeriod"
ITEM_COUNT: Final = f"{TERMS}itemCount"
