"""Search in Chinese and English over the texts of some thousand datasets: pairs of characters find, whole words rank.

A question is cut into pieces: words with known synonyms first, then what is left of each run of characters. A dataset is found
when it has enough of the pieces; each piece counts by how rare it is and by where it stands.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Final

from cityhub.catalogue.model import Dataset, Names
from cityhub.catalogue.national import CATEGORIES, CYCLES, GRADES, SHARES
from cityhub.catalogue.register import Contents
from cityhub.catalogue.synonyms import MEANINGS, STOP

ENOUGH: Final = 0.6
"""Which part of the question, by length, a dataset must have."""
LITTLE: Final = 0.3
"""Which part is enough when no dataset has more."""
PARTLY: Final = 0.35
"""What a piece counts that is not there as a whole but of which at least this part of the pairs is."""
ALL: Final = 1_000_000
"""More datasets than a catalogue can have: the index cannot follow, a new one is needed."""
MAX_QUESTION: Final = 200
_RUN: Final = re.compile(r"[a-z0-9][a-z0-9._-]*|[\u3400-\u9fff\uf900-\ufaff]+")
_CHINESE: Final = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_KNOWN: Final = re.compile("|".join(re.escape(word) for word in sorted((*MEANINGS, *STOP), key=len, reverse=True) if _CHINESE.search(word)))


class TextIndex:
    """The texts of one catalogue's datasets.

    Args:
        contents: What is in the catalogue.
    """

    def __init__(self, contents: Contents) -> None:
        self._known: dict[str, Dataset] = {}
        self._texts: dict[str, list[tuple[float, str]]] = {}
        self._places: dict[str, set[str]] = {}
        self._groups = (contents.agencies.all, contents.themes.all)
        for dataset in contents.datasets.all:
            self._add(dataset, contents)

    def changes(self, contents: Contents) -> int:
        """How many datasets would have to be read again to follow the contents; `ALL` when an agency or a theme changed."""
        if self._groups != (contents.agencies.all, contents.themes.all):
            return ALL
        gone = sum(contents.datasets.find(id) is None for id in self._known)
        return gone + sum(self._known.get(dataset.id) is not dataset for dataset in contents.datasets.all)

    def follow(self, contents: Contents) -> None:
        """Makes it the index of these contents, whose agencies and themes are the same."""
        for id in [id for id in self._known if contents.datasets.find(id) is not self._known[id]]:
            for gram in self._grams_of(id):
                self._places[gram].discard(id)
            del self._known[id], self._texts[id]
        for dataset in contents.datasets.all:
            if dataset.id not in self._known:
                self._add(dataset, contents)

    def _add(self, dataset: Dataset, contents: Contents) -> None:
        self._known[dataset.id] = dataset
        self._texts[dataset.id] = _texts(dataset, contents)
        for gram in self._grams_of(dataset.id):
            self._places.setdefault(gram, set()).add(dataset.id)

    def _grams_of(self, id: str) -> set[str]:
        return {gram for _, text in self._texts[id] for gram in _grams(text)}

    def search(self, question: str) -> list[tuple[str, float]]:
        """(id, score) of the datasets that match, best first; equal ones by name. An empty question matches none."""
        pieces = _pieces(question[:MAX_QUESTION])
        whole = sum(len(piece[0]) for piece in pieces)
        scores: dict[str, float] = {}
        covered: dict[str, float] = {}
        for alternatives in pieces:
            found = self._piece(alternatives)
            rarity = math.log(1 + len(self._known) / max(1, len(found)))
            for place, (score, part) in found.items():
                scores[place] = scores.get(place, 0.0) + score * rarity
                covered[place] = covered.get(place, 0.0) + part * len(alternatives[0])
        matching = [place for place in scores if covered[place] >= ENOUGH * whole]
        matching = matching or [place for place in scores if covered[place] >= LITTLE * whole]
        return [(place, scores[place]) for place in sorted(matching, key=lambda place: (-scores[place], self._known[place].name))]

    def _piece(self, alternatives: Sequence[str]) -> dict[str, tuple[float, float]]:
        best: dict[str, tuple[float, float]] = {}
        for rank, word in enumerate(alternatives):
            closeness = 1.0 if rank == 0 else 0.6
            for place, part in self._parts(word).items():
                score = closeness * sum(weight * _occurs(word, text, part) for weight, text in self._texts[place])
                if score > best.get(place, (0.0, 0.0))[0]:
                    best[place] = (score, part)
        return best

    def _parts(self, word: str) -> dict[str, float]:
        """By place, which part of a word's pairs is there."""
        grams = list(_grams(word, whole=False))
        if not grams:
            return {}
        counts: dict[str, int] = {}
        for gram in grams:
            for place in self._places.get(gram, ()):
                counts[place] = counts.get(place, 0) + 1
        least = len(grams) if len(grams) < 3 else PARTLY * len(grams)
        return {place: count / len(grams) for place, count in counts.items() if count >= least}


def _occurs(word: str, text: str, part: float) -> float:
    if word in text:
        return 1.5 if text == word else 1.0
    return PARTLY * part if part < 1 else 0.0


def _pieces(question: str) -> list[tuple[str, ...]]:
    words: list[str] = []
    for run in _RUN.findall(question.lower()):
        words += _cut(run) if _CHINESE.match(run) else [run]
    telling = [word for word in words if word not in STOP] or words
    return [_alternatives(word) for word in dict.fromkeys(telling)]


def _cut(run: str) -> list[str]:
    """Known words and what stands between them."""
    found: list[str] = []
    at = 0
    for match in _KNOWN.finditer(run):
        found += [run[at : match.start()], match.group()]
        at = match.end()
    return [piece for piece in (*found, run[at:]) if piece]


def _alternatives(word: str) -> tuple[str, ...]:
    return (word, *(other for other in MEANINGS.get(word, ()) if other != word))


def _grams(text: str, *, whole: bool = True) -> Iterable[str]:
    """Latin words with their beginnings, single Chinese characters and pairs of them; without `whole` only what a search looks for."""
    for run in _RUN.findall(text):
        if not _CHINESE.match(run):
            yield from ((run[:end] for end in range(2, len(run) + 1)) if whole else (run,))
            if whole and len(run) == 1:
                yield run
        elif len(run) == 1:
            yield run
        else:
            yield from (run[at : at + 2] for at in range(len(run) - 1))
            if whole:
                yield from run


def _texts(dataset: Dataset, contents: Contents) -> list[tuple[float, str]]:
    owner = contents.agencies.find(dataset.owner)
    themes = [theme for name in dataset.themes if (theme := contents.themes.find(name))]
    fields = [text for field in dataset.fields for text in (field.name, *field.title.values())]
    told = (
        SHARES[dataset.share],
        CYCLES[dataset.cycle],
        GRADES[dataset.grade],
        CATEGORIES[dataset.category],
        "开放" if dataset.open else "",
    )
    weighted: list[tuple[float, Iterable[str]]] = [
        (8.0, dataset.title.values()), (5.0, (dataset.name, dataset.code, dataset.id)), (5.0, dataset.tags),
        (3.0, _all(theme.title for theme in themes)), (3.0, owner.title.values() if owner else ()), (2.0, fields),
        (2.0, dataset.description.values()), (1.0, told), (1.0, (item.format for item in dataset.distributions)),
        (1.0, (dataset.source, *map(str, dataset.extras.values()))),
    ]  # fmt: skip
    return [(weight, text.lower()) for weight, texts in weighted for text in texts if text]


def _all(names: Iterable[Names]) -> Iterable[str]:
    return [text for texts in names for text in texts.values()]
