"""Who is near whom: the places and links of a rule's subjects and of the other entities that one of its figures is about."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable
from math import cos, radians
from typing import Any, Final

from cityhub.model.ngsild.earth import distance_m
from cityhub.model.ngsild.shapes import shape_of
from cityhub.rules.engine.tallies import ENDS, at_once

MOST_OTHERS: Final = 50_000
MOST_SAMPLES: Final = 1_000
MOST_AFFECTED: Final = 1_000
"""So many subjects at most are looked at again when one other entity changes."""
_METRES_PER_DEGREE: Final = 110_000.0
Point = tuple[float, float]


def point_of(geometry: Any) -> Point | None:
    """The middle of a GeoJSON geometry; None where it has none."""
    if type(geometry) is not dict:
        return None
    if geometry.get("type") == "Point":
        lon, lat = geometry["coordinates"][:2]
        return float(lon), float(lat)
    shape = shape_of(geometry)
    return (shape.centroid.x, shape.centroid.y) if shape is not None and not shape.is_empty else None


class Grid:
    """Places in squares about as wide as a radius.

    Args:
        radius_m: How far is near.
    """

    def __init__(self, radius_m: float) -> None:
        self._radius_m = radius_m
        self._step = max(radius_m / _METRES_PER_DEGREE, 1e-5)
        self._cells: dict[tuple[int, int], set[str]] = {}
        self.places: dict[str, Point] = {}

    def put(self, id: str, place: Point | None) -> bool:
        """Something is at a place now; None: nowhere. Returns whether it was elsewhere."""
        old = self.places.get(id)
        if old == place:
            return False
        if old is not None:
            self._cells[self._cell(old)].discard(id)
            del self.places[id]
        if place is not None:
            self._cells.setdefault(self._cell(place), set()).add(id)
            self.places[id] = place
        return True

    def within(self, place: Point | None) -> set[str]:
        """What lies within the radius of a place."""
        if place is None:
            return set()
        lon, lat = place
        x, y = self._cell(place)
        wide = min(int(1 / max(cos(radians(lat)), 0.01)) + 1, 100)
        found: set[str] = set()
        for column in range(x - wide, x + wide + 1):
            for row in range(y - 1, y + 2):
                for id in self._cells.get((column, row), ()):
                    other = self.places[id]
                    if distance_m(lon, lat, other[0], other[1]) <= self._radius_m:
                        found.add(id)
        return found

    def _cell(self, place: Point) -> tuple[int, int]:
        return int(place[0] // self._step), int(place[1] // self._step)


class Targets:
    """Who points to what."""

    def __init__(self) -> None:
        self._by_target: dict[str, set[str]] = {}
        self.of: dict[str, tuple[str, ...]] = {}

    def put(self, id: str, targets: tuple[str, ...]) -> bool:
        """Something points to these now. Returns whether it pointed elsewhere."""
        if self.of.get(id, ()) == targets:
            return False
        for target in self.of.pop(id, ()):
            self._by_target[target].discard(id)
        if targets:
            self.of[id] = targets
            for target in targets:
                self._by_target.setdefault(target, set()).add(id)
        return True

    def to(self, targets: Iterable[str]) -> set[str]:
        """Who points to one of these."""
        return {id for target in targets for id in self._by_target.get(target, ())}


class Surroundings:
    """The other entities of one figure, and where the rule's subjects are.

    Attributes:
        samples: Of each other entity its observations in the order of their times.

    Args:
        radius_m: 0: wherever.
        linked: Whether a link must join them.
        over: How long an observation counts, in microseconds; 0: only the last one of each, for ever.
    """

    def __init__(self, radius_m: float, linked: bool, over: int) -> None:
        self._radius_m = radius_m
        self._linked = linked
        self._over = over
        self.samples: dict[str, list[tuple[int, Any]]] = {}
        self.others = Grid(radius_m)
        self.subjects = Grid(radius_m)
        self.other_targets = Targets()
        self.subject_targets = Targets()
        self._about: dict[str, list[str]] = {}
        self._affected: dict[str, list[str]] = {}

    def put_subject(self, id: str, place: Point | None, targets: tuple[str, ...]) -> None:
        """A subject is there and points there; None and () when it is gone."""
        if self.subjects.put(id, place) | self.subject_targets.put(id, targets):
            self._forget_joined()

    def put_other(self, id: str, place: Point | None, targets: tuple[str, ...]) -> None:
        """Another entity is there and points there."""
        if self.others.put(id, place) | self.other_targets.put(id, targets):
            self._forget_joined()

    def _forget_joined(self) -> None:
        self._about.clear()
        self._affected.clear()

    def observe(self, id: str, moment: int, value: Any) -> bool:
        """Another entity was observed; False when there are too many."""
        samples = self.samples.get(id)
        if samples is None:
            if len(self.samples) >= MOST_OTHERS:
                return False
            samples = self.samples[id] = []
            self._forget_joined()
        place = bisect_right(samples, moment, key=_moment)
        if place and samples[place - 1][0] == moment:
            samples[place - 1] = (moment, value)
        else:
            insort(samples, (moment, value), key=_moment)
        oldest = samples[-1][0] - self._over if self._over else samples[-1][0] - 1
        keep = max(bisect_right(samples, oldest, key=_moment), len(samples) - MOST_SAMPLES)
        del samples[:keep]
        return True

    def forget_other(self, id: str) -> None:
        """Another entity is gone."""
        if self.samples.pop(id, None) is not None:
            self._forget_joined()
        self.put_other(id, None, ())

    def about(self, subject: str) -> list[str]:
        """The other entities about a subject, in the order of their ids."""
        about = self._about.get(subject)
        if about is None:
            about = self._about[subject] = self._find_about(subject)
        return about

    def _find_about(self, subject: str) -> list[str]:
        found: set[str] | None = self.others.within(self.subjects.places.get(subject)) if self._radius_m else None
        if self._linked:
            joined = self.other_targets.to((*self.subject_targets.of.get(subject, ()), subject))
            found = joined if found is None else found & joined
        if found is None:
            found = set(self.samples)
        return sorted(id for id in found if id != subject and id in self.samples)

    def affected(self, other: str, all_subjects: Iterable[str]) -> list[str]:
        """The subjects that another entity is about, in the order of their ids."""
        if not self._radius_m and not self._linked:
            return sorted(all_subjects)
        affected = self._affected.get(other)
        if affected is None:
            affected = self._affected[other] = self._find_affected(other)
        return affected

    def _find_affected(self, other: str) -> list[str]:
        found: set[str] | None = self.subjects.within(self.others.places.get(other)) if self._radius_m else None
        if self._linked:
            targets = self.other_targets.of.get(other, ())
            joined = self.subject_targets.to(targets) | set(targets)
            found = joined if found is None else found & joined
        return sorted(found or ())

    def figure(self, function: str, subject: str, moment: int) -> Any:
        """The figure of what is about a subject; "count" is how many entities."""
        ids = self.about(subject)
        if function == "count":
            return sum(1 for id in ids if self._fresh(self.samples[id], moment))
        if function not in ENDS:  # the order changes nothing: sums are exact
            return at_once(function, [sample for id in ids for sample in self._fresh(self.samples[id], moment)])
        samples = [(at, id, value) for id in ids for at, value in self._fresh(self.samples[id], moment)]
        samples.sort(key=lambda one: one[:2])
        return at_once(function, [(at, value) for at, _, value in samples])

    def _fresh(self, samples: list[tuple[int, Any]], moment: int) -> list[tuple[int, Any]]:
        if not self._over or not samples or (samples[-1][0] <= moment and samples[0][0] > moment - self._over):
            return samples
        start = bisect_right(samples, moment - self._over, key=_moment)
        return samples[start : bisect_right(samples, moment, lo=start, key=_moment)]


def _moment(sample: tuple[int, Any]) -> int:
    return sample[0]
