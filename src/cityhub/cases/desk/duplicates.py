"""Cases that may be about the same thing: same kind, near in space and time, with similar words. They are proposed, never merged alone.

The similarity of two texts is the Dice coefficient of their pairs of neighbouring characters (bigrams), which needs no list of Chinese
words. Source: L. R. Dice (1945), "Measures of the amount of ecologic association between species", Ecology 26(3).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final
from unicodedata import normalize

from cityhub.cases.desk.index import Row
from cityhub.cases.desk.kinds import Kind
from cityhub.model.ngsild.earth import distance_m

LEAST: Final = 0.3
"""What the sum of nearness and similarity must reach, both from 0 to 1, on average."""
MOST: Final = 20


def bigrams(text: str) -> Counter[str]:
    """The pairs of neighbouring letters and characters of a text; punctuation and spaces do not count."""
    letters = "".join(sign for sign in normalize("NFKC", text).lower() if sign.isalnum())
    return Counter(letters[place : place + 2] for place in range(len(letters) - 1))


def similarity(one: Counter[str], other: Counter[str]) -> float:
    """How much two texts have in common, 0 to 1.

    >>> similarity(bigrams("路灯不亮"), bigrams("路灯不亮！"))
    1.0
    """
    total = one.total() + other.total()
    return 2 * (one & other).total() / total if total else 0.0


def duplicates_of(row: Row, kind: Kind, others: Iterable[Row]) -> list[dict[str, Any]]:
    """Open cases that may be about the same thing, the likeliest first; at most 20.

    Each is a case as in a list, with "distanceM" (None: one of them has no place), "apartS" (seconds between them), "similarity" and
    "likelihood" (their mean, 0 to 1).
    """
    opened, words = datetime.fromisoformat(row.shown["openedAt"]), bigrams(row.words)
    found: list[dict[str, Any]] = []
    for other in others:
        if other.shown["kind"] != kind.id or other.shown["id"] == row.shown["id"]:
            continue
        apart = abs(datetime.fromisoformat(other.shown["openedAt"]) - opened)
        distance = _distance(row, other)
        if apart > timedelta(hours=kind.within_h) or (distance is not None and distance > kind.radius_m):
            continue
        alike = similarity(words, bigrams(other.words))
        likelihood = _likelihood(distance, kind.radius_m, alike)
        if likelihood >= LEAST:
            found.append({
                **other.shown, "distanceM": None if distance is None else round(distance, 1), "apartS": apart.total_seconds(),
                "similarity": round(alike, 3), "likelihood": round(likelihood, 3),
            })  # fmt: skip
    return sorted(found, key=lambda one: one["likelihood"], reverse=True)[:MOST]


def _distance(one: Row, other: Row) -> float | None:
    if one.location is None or other.location is None:
        return None
    return distance_m(*one.location, *other.location)


def _likelihood(distance: float | None, radius_m: float, alike: float) -> float:
    """Without a place the words alone must say it, and say it well."""
    if distance is None:
        return alike if alike >= 2 * LEAST else 0.0
    near = 1.0 - 0.5 * distance / radius_m if radius_m > 0 else 1.0
    return (near + alike) / 2 if alike >= LEAST / 2 else 0.0
