"""Who sees what of the catalogue: everybody what is open, holders of `catalogue.read` everything."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

from cityhub.catalogue.ckan_form import package_of
from cityhub.catalogue.ckan_query import Fields, fields_of
from cityhub.catalogue.model import Agency, Dataset, Theme
from cityhub.catalogue.register import Contents, Register
from cityhub.catalogue.search import TextIndex
from cityhub.model.errors import NotFound
from cityhub.model.ports import Access, Principal
from cityhub.web.http import Request
from cityhub.web.negotiation import tenant_of

READ: Final = "catalogue.read"
WRITE: Final = "catalogue.write"
ANY_PAGE: Final = ("access-control-allow-origin", "*")
"""The header that lets pages from everywhere read an answer. They come as strangers, so what they read is open."""
NOBODY: Final = Principal()
MAX_KEPT: Final = 8
"""Of so many tenants is kept what searches need."""
AT_ONCE: Final = 100
"""So many datasets are put into the index anew while others wait."""


class Seen:
    """The catalogue as one caller sees it.

    Attributes:
        tenant: Whose catalogue.
        contents: All of it, seen or not.
        everything: Whether the caller sees what is not open.
        base: The address of this hub, without "/" at its end.
        principal: Who the caller is.
    """

    def __init__(self, tenant: str, contents: Contents, everything: bool, base: str, derived: Derived, principal: Principal) -> None:
        self.principal = principal
        self.tenant = tenant
        self.contents = contents
        self.everything = everything
        self.base = base
        self._derived = derived

    def sees(self, dataset: Dataset) -> bool:
        """Whether the caller may know of a dataset."""
        return self.everything or (is_open(dataset) and dataset.state == "active")

    def datasets(self) -> list[Dataset]:
        """The active datasets that the caller sees, by name."""
        return [dataset for dataset in self.contents.datasets.all if dataset.state == "active" and self.sees(dataset)]

    def find(self, key: str) -> Dataset:
        """The dataset with an id or a name. Raises NotFound, also for one that the caller may not know of."""
        dataset = self.contents.datasets.find(key)
        if dataset is None or not self.sees(dataset):
            raise NotFound(f"There is no dataset '{key[:200]}' in the catalogue")
        return dataset

    async def search(self, words: str) -> dict[str, float]:
        """Scores by id of the datasets whose texts have the words, best first, whether or not the caller sees them."""
        return dict((await self._derived.index(self.contents)).search(words))

    def fields(self, dataset: Dataset) -> Fields:
        """What CKAN's queries see of a dataset."""
        return self._derived.fields(dataset, self.contents)


class Derived:
    """What searches need of one catalogue, made when it is first asked for; it follows the changes.

    Args:
        base: The address of the hub.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self._index: TextIndex | None = None
        self._version = -1
        self._fields: dict[str, tuple[Dataset, Fields]] = {}
        self._fields_version = -1
        self._groups: tuple[list[Agency], list[Theme]] = ([], [])

    async def index(self, contents: Contents) -> TextIndex:
        """The index of the texts of these contents."""
        index = self._index
        if index is None or (self._version != contents.version and index.changes(contents) > AT_ONCE):
            # In a thread, since thousands of datasets take a second; a new index, since the old one is being asked meanwhile.
            index = self._index = await asyncio.to_thread(TextIndex, contents)
        elif self._version != contents.version:
            index.follow(contents)
        self._version = contents.version
        return index

    def fields(self, dataset: Dataset, contents: Contents) -> Fields:
        """See `cityhub.catalogue.ckan_query.fields_of`."""
        if self._fields_version != contents.version:
            groups = (contents.agencies.all, contents.themes.all)
            if groups != self._groups:  # their names stand in the fields
                self._fields.clear()
            self._fields_version, self._groups = contents.version, groups
        known = self._fields.get(dataset.id)
        if known is None or known[0] is not dataset:
            known = self._fields[dataset.id] = (dataset, fields_of(package_of(dataset, contents, self._base)))
        return known[1]


def is_open(dataset: Dataset) -> bool:
    """Whether residents see a dataset."""
    return dataset.open and not dataset.private and dataset.grade == "general"


class Viewers:
    """Makes each caller's view.

    Args:
        register: The catalogue.
        access: Who may see what is not open.
        base: The address under which this hub is reached.
    """

    def __init__(self, register: Register, access: Access, base: str) -> None:
        self._register = register
        self._access = access
        self._base = base.rstrip("/")
        self._derived: OrderedDict[str, Derived] = OrderedDict()

    async def seen(self, request: Request) -> Seen:
        """The catalogue as the caller of a public door sees it."""
        principal = self._access.identify(request.headers, request.peer)
        tenant = tenant_of(request)
        return await self.whole(tenant, principal, self._access.decide(principal, READ, tenant) == "allow")

    async def whole(self, tenant: str, principal: Principal = NOBODY, everything: bool = True) -> Seen:
        """The catalogue for somebody who was let in."""
        contents = await self._register.contents(tenant)
        return Seen(tenant, contents, everything, self._base, self._of(tenant), principal)

    def _of(self, tenant: str) -> Derived:
        derived = self._derived.get(tenant)
        if derived is None:
            derived = self._derived[tenant] = Derived(self._base)
            while len(self._derived) > MAX_KEPT:
                self._derived.popitem(last=False)
        return derived
