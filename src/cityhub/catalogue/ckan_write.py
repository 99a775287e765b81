"""CKAN's writing actions: packages, resources, relationships, organizations, groups.

Source: CKAN 2.11, `ckan.logic.action.create`, `update`, `patch`, `delete`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import msgspec

from cityhub.catalogue.ckan_errors import ValidationError
from cityhub.catalogue.ckan_form import agency_form, agency_of, dataset_of, relationship_form, resource_of, theme_form, theme_of
from cityhub.catalogue.ckan_read import Data, counts, find_resource, package, wanted
from cityhub.catalogue.model import Agency, Dataset, Relation, Theme
from cityhub.catalogue.register import Listed, Register
from cityhub.catalogue.seen import Seen
from cityhub.model.errors import NotFound


class CkanWriting:
    """The actions that change the catalogue.

    Args:
        register: Where the changes go.
        whole: The catalogue of a tenant, as one sees it who may change it.
    """

    def __init__(self, register: Register, whole: Callable[[str], Any]) -> None:
        self._register = register
        self._whole = whole

    # -- Packages ----------------------------------------------------------------------------------------------------

    async def package_create(self, seen: Seen, data: Data) -> Any:
        """Adds a package."""
        _no_upload(data)
        return await self._shown(seen, await self._register.create(seen.tenant, dataset_of(data, None, seen.contents, seen.base)))

    async def package_update(self, seen: Seen, data: Data) -> Any:
        """Makes a package what is given; what is left out is emptied."""
        _no_upload(data)
        known = _known(seen, data)
        return await self._shown(
            seen, await self._register.change(seen.tenant, dataset_of({**data, "id": known.id}, known, seen.contents, seen.base))
        )

    async def package_patch(self, seen: Seen, data: Data) -> Any:
        """Changes the members that are given, and no others."""
        known = _known(seen, data)
        whole = {**package(seen, known), **data, "id": known.id}
        if "owner_org" in data:
            whole.pop("organization")
        return await self._shown(seen, await self._register.change(seen.tenant, dataset_of(whole, known, seen.contents, seen.base)))

    async def package_owner_org_update(self, seen: Seen, data: Data) -> Any:
        """Gives a package to another organization."""
        return await self.package_patch(seen, {"id": wanted(data), "owner_org": data.get("organization_id") or ""})

    async def package_delete(self, seen: Seen, data: Data) -> Any:
        """Marks a package as deleted."""
        await self._register.change(seen.tenant, msgspec.structs.replace(_known(seen, data), state="deleted"))

    async def dataset_purge(self, seen: Seen, data: Data) -> Any:
        """Removes a package for good; one that comes by itself comes back without what people changed of it."""
        await self._register.remove(seen.tenant, _known(seen, data))

    async def package_resource_reorder(self, seen: Seen, data: Data) -> Any:
        """Puts the named resources of a package first, in the order given."""
        known, order = _known(seen, data), data.get("order")
        by_id = {item.id: item for item in known.distributions}
        if not isinstance(order, list) or not set(map(str, order)) <= by_id.keys() or len(set(map(str, order))) != len(order):
            raise ValidationError({"order": ["Must be a list of ids of the package's resources, each once"]})
        first = [by_id[str(id)] for id in order]
        items = [*first, *(item for item in known.distributions if item not in first)]
        await self._register.change(seen.tenant, msgspec.structs.replace(known, distributions=items))
        return {"id": known.id, "order": [item.id for item in items]}

    async def _shown(self, seen: Seen, dataset: Dataset) -> Data:
        return package(await self._whole(seen.tenant), dataset)

    # -- Resources ---------------------------------------------------------------------------------------------------

    async def resource_create(self, seen: Seen, data: Data) -> Any:
        """Adds a resource to a package."""
        _no_upload(data)
        known = seen.find(wanted(data, "package_id"))
        given = {**data, "id": str(data.get("id") or uuid4())}
        return await self._with_resources(seen, known, [*package(seen, known)["resources"], given], given["id"])

    async def resource_update(self, seen: Seen, data: Data) -> Any:
        """Makes a resource what is given."""
        _no_upload(data)
        known, position = find_resource(seen, wanted(data))
        resources = package(seen, known)["resources"]
        resources[position] = data
        return await self._with_resources(seen, known, resources, str(data["id"]))

    async def resource_patch(self, seen: Seen, data: Data) -> Any:
        """Changes members of a resource."""
        known, position = find_resource(seen, wanted(data))
        return await self.resource_update(seen, {**package(seen, known)["resources"][position], **data})

    async def resource_delete(self, seen: Seen, data: Data) -> Any:
        """Removes a resource from its package."""
        known, position = find_resource(seen, wanted(data))
        items = [item for place, item in enumerate(known.distributions) if place != position]
        await self._register.change(seen.tenant, msgspec.structs.replace(known, distributions=items))

    async def _with_resources(self, seen: Seen, known: Dataset, resources: list[Data], id: str) -> Data:
        wanted_dataset = dataset_of({**package(seen, known), "resources": resources}, known, seen.contents, seen.base)
        dataset = await self._register.change(seen.tenant, wanted_dataset)
        position = next(place for place, item in enumerate(dataset.distributions) if item.id == id)
        return resource_of(dataset, dataset.distributions[position], position, seen.base)

    # -- Relationships -----------------------------------------------------------------------------------------------

    async def package_relationship_create(self, seen: Seen, data: Data) -> Any:
        """Says that a package has to do with another one."""
        subject, other = seen.find(wanted(data, "subject")), seen.find(wanted(data, "object"))
        relation = _relation(data, other)
        others = [one for one in subject.relations if (one.type, one.object) != (relation.type, relation.object)]
        await self._register.change(seen.tenant, msgspec.structs.replace(subject, relations=[*others, relation]))
        return relationship_form(subject, relation)

    async def package_relationship_update(self, seen: Seen, data: Data) -> Any:
        """Changes the comment of a relationship."""
        subject, other = seen.find(wanted(data, "subject")), seen.find(wanted(data, "object"))
        relation = _relation(data, other)
        if not any((one.type, one.object) == (relation.type, relation.object) for one in subject.relations):
            raise NotFound("This relationship between the packages was not found.")
        return await self.package_relationship_create(seen, data)

    async def package_relationship_delete(self, seen: Seen, data: Data) -> Any:
        """Takes a relationship back."""
        subject, other = seen.find(wanted(data, "subject")), seen.find(wanted(data, "object"))
        relation = _relation(data, other)
        left = [one for one in subject.relations if (one.type, one.object) != (relation.type, relation.object)]
        if len(left) == len(subject.relations):
            raise NotFound("This relationship between the packages was not found.")
        await self._register.change(seen.tenant, msgspec.structs.replace(subject, relations=left))

    # -- Organizations and groups ------------------------------------------------------------------------------------

    async def organization_create(self, seen: Seen, data: Data) -> Any:
        """Adds an organization."""
        return agency_form(await self._register.create(seen.tenant, agency_of(data, None)), 0)

    async def organization_update(self, seen: Seen, data: Data) -> Any:
        """Makes an organization what is given."""
        known = _record(seen.contents.agencies, data, "Organization")
        return self._agency(seen, await self._register.change(seen.tenant, agency_of({**data, "id": known.id}, known)))

    async def organization_patch(self, seen: Seen, data: Data) -> Any:
        """Changes members of an organization."""
        known = _record(seen.contents.agencies, data, "Organization")
        return self._agency(
            seen, await self._register.change(seen.tenant, agency_of({**agency_form(known, 0), **data, "id": known.id}, known))
        )

    async def organization_delete(self, seen: Seen, data: Data) -> Any:
        """Marks an organization as deleted; it must not provide any packages."""
        known = _record(seen.contents.agencies, data, "Organization")
        if counts(seen, "owner")[known.id]:
            raise ValidationError({"id": ["Organization cannot be deleted while it still has datasets"]})
        await self._register.change(seen.tenant, msgspec.structs.replace(known, state="deleted"))

    async def organization_purge(self, seen: Seen, data: Data) -> Any:
        """Removes an organization for good; its packages are nobody's then."""
        await self._register.remove(seen.tenant, _record(seen.contents.agencies, data, "Organization"))

    async def group_create(self, seen: Seen, data: Data) -> Any:
        """Adds a group."""
        return theme_form(await self._register.create(seen.tenant, theme_of(data, None)), 0)

    async def group_update(self, seen: Seen, data: Data) -> Any:
        """Makes a group what is given."""
        known = _record(seen.contents.themes, data, "Group")
        return self._theme(seen, await self._register.change(seen.tenant, theme_of({**data, "id": known.id}, known)))

    async def group_patch(self, seen: Seen, data: Data) -> Any:
        """Changes members of a group."""
        known = _record(seen.contents.themes, data, "Group")
        return self._theme(
            seen, await self._register.change(seen.tenant, theme_of({**theme_form(known, 0), **data, "id": known.id}, known))
        )

    async def group_delete(self, seen: Seen, data: Data) -> Any:
        """Marks a group as deleted."""
        await self._register.change(seen.tenant, msgspec.structs.replace(_record(seen.contents.themes, data, "Group"), state="deleted"))

    async def group_purge(self, seen: Seen, data: Data) -> Any:
        """Removes a group for good."""
        await self._register.remove(seen.tenant, _record(seen.contents.themes, data, "Group"))

    def _agency(self, seen: Seen, agency: Agency) -> Data:
        return agency_form(agency, counts(seen, "owner")[agency.id])

    def _theme(self, seen: Seen, theme: Theme) -> Data:
        return theme_form(theme, counts(seen, "themes")[theme.name])


def _known(seen: Seen, data: Data) -> Dataset:
    return seen.find(str(data.get("id") or wanted(data, "name")))


def _record(listed: Listed[Any], data: Data, what: str) -> Any:
    record = listed.find(wanted(data))
    if record is None:
        raise NotFound(f"{what} was not found.")
    return record


def _relation(data: Data, other: Dataset) -> Relation:
    try:
        return msgspec.convert({"type": data.get("type"), "object": other.id, "comment": data.get("comment") or ""}, Relation)
    except msgspec.ValidationError:
        raise ValidationError({"type": ["Must be one of depends_on, derives_from, child_of, links_to"]}) from None


def _no_upload(data: Data) -> None:
    if "upload" in data:
        raise ValidationError({"upload": ["The catalogue keeps no files; give the address of the file as 'url'"]})
