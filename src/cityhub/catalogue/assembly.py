"""The parts of the catalogue put together: what the hub builds and whose doors it opens."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from cityhub.catalogue.automatic import AutomaticParts
from cityhub.catalogue.catalogue_api import CatalogueApi
from cityhub.catalogue.ckan_api import CkanApi
from cityhub.catalogue.dcat_api import DcatApi
from cityhub.catalogue.district_words import Place, read_words
from cityhub.catalogue.downloads import Downloads
from cityhub.catalogue.lineage import Runs
from cityhub.catalogue.offers import EntityTypes, FeedOffers
from cityhub.catalogue.open_data_page import open_data_routes
from cityhub.catalogue.quality import Quality
from cityhub.catalogue.register import Register
from cityhub.catalogue.seen import Viewers
from cityhub.catalogue.tables import Tables
from cityhub.catalogue.workers import Workers
from cityhub.model.ports import Access, Analysis, DatasetSource, Store
from cityhub.model.time import Clock
from cityhub.web.http import Route


class Around(msgspec.Struct, frozen=True):
    """What the catalogue stands among.

    Attributes:
        store: Where its records are kept, and the entities are.
        analysis: SQL over the lake; None: there is none.
        access: Who may see what is not open.
        clock: The present time.
        base: The address under which the hub is reached.
        folder: The district's folder; None: the hub serves no district.
        place: The district.
        sources: Further parts of the hub that offer datasets.
    """

    store: Store
    analysis: Analysis | None
    access: Access
    clock: Clock
    base: str
    folder: Path | None = None
    place: Place = Place()
    sources: Sequence[DatasetSource] = ()


class Catalogue:
    """The catalogue of a hub: its doors.

    Args:
        around: What it stands among.
    """

    def __init__(self, around: Around) -> None:
        words = read_words(around.folder)
        sources: list[DatasetSource] = [
            EntityTypes(around.store, history=around.analysis is not None),
            FeedOffers(around.store),
            *around.sources,
        ]
        parts = AutomaticParts(around.store, sources, words, around.place)
        self.register = Register(around.store, parts, around.clock, time.monotonic)
        self._words = words
        self._place = around.place
        self._workers = Workers()
        self._viewers = Viewers(self.register, around.access, around.base)
        self._tables = Tables(around.store, around.analysis)
        self.quality = Quality(around.store, self.register, self._tables, self._workers, around.clock)
        self._runs = Runs(around.store, around.clock)
        self._downloads = Downloads(self._tables, self._workers)

    def routes(self) -> list[Route]:
        """All doors of the catalogue."""
        return [
            *CkanApi(self.register, self._viewers, self._tables).routes(),
            *CatalogueApi(
                self.register, self._viewers, self._tables, self.quality, self._runs, self._downloads, self._place.short_names
            ).routes(),
            *open_data_routes(),
            *DcatApi(self._viewers, self._words, self._workers).routes(),
        ]
