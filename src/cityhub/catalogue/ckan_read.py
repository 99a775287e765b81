"""CKAN's reading actions: packages, resources, organizations, groups, tags, licences.

Each method is one action, called with the caller's view and the parameters.
Source: CKAN 2.11, `ckan.logic.action.get`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, Final

import orjson

from cityhub import __version__
from cityhub.catalogue.ckan_errors import SearchQueryError, ValidationError
from cityhub.catalogue.ckan_form import Package, agency_form, package_of, relationship_form, resource_of, theme_form
from cityhub.catalogue.ckan_query import Fields, parse, sort_keys
from cityhub.catalogue.licences import LICENCES, find_licence
from cityhub.catalogue.model import Agency, Dataset, Theme, in_language
from cityhub.catalogue.seen import Seen
from cityhub.model.errors import NotFound

Data = dict[str, Any]
CKAN_VERSION: Final = "2.11.0"
"""The version of CKAN whose interface this is."""
MAX_PAGE: Final = 1_000
SEARCH_PAGE: Final = 10
BREATH: Final = 100
"""So many packages are looked at before other requests get their turn."""
FACETS: Final = 50
DEFAULT_FACETS: Final = ("organization", "groups", "tags", "res_format", "license_id")


class CkanReading:
    """The actions that change nothing."""

    async def site_read(self, seen: Seen, data: Data) -> Any:
        """That the site may be read."""
        return True

    async def status_show(self, seen: Seen, data: Data) -> Any:
        """What this site is."""
        return {
            "site_title": "CityHub", "site_description": "", "site_url": seen.base, "ckan_version": CKAN_VERSION, "error_emails_to": None,
            "locale_default": "zh_Hans_CN", "extensions": ["dcat", "datastore"], "cityhub_version": __version__,
        }  # fmt: skip

    async def license_list(self, seen: Seen, data: Data) -> Any:
        """The licences that a package may name."""
        return [
            {
                "id": one.id, "title": in_language(one.title), "url": one.url, "status": "active",
                "od_conformance": "approved" if one.is_open else "",
                "is_okd_compliant": one.is_open, "is_generic": one.id.startswith("other"), "family": "", "maintainer": "",
                "domain_content": one.is_open, "domain_data": one.is_open, "domain_software": False,
            }
            for one in LICENCES
        ]  # fmt: skip

    # -- Packages and resources --------------------------------------------------------------------------------------

    async def package_list(self, seen: Seen, data: Data) -> Any:
        """Names of packages."""
        states = {"active"} | {word for word, name in (("draft", "include_drafts"), ("deleted", "include_deleted")) if flag(data, name)}
        names = [
            dataset.name
            for dataset in seen.contents.datasets.all
            if dataset.state in states and seen.sees(dataset) and (not dataset.private or flag(data, "include_private"))
        ]
        return page(names, data, None)

    async def current_package_list_with_resources(self, seen: Seen, data: Data) -> Any:
        """Packages, the newest first."""
        found = sorted((one for one in seen.datasets() if not one.private), key=lambda dataset: dataset.modified, reverse=True)
        return [package(seen, dataset) for dataset in page(found, data, MAX_PAGE)]

    async def package_show(self, seen: Seen, data: Data) -> Any:
        """One package."""
        return package(seen, seen.find(wanted(data)))

    async def package_autocomplete(self, seen: Seen, data: Data) -> Any:
        """Packages whose name or title has a text."""
        text = str(data.get("q", "")).lower()
        found = []
        for dataset in seen.datasets():
            title = in_language(dataset.title)
            for field, value in (("name", dataset.name), ("title", title)):
                if text in value.lower():
                    found.append(
                        {"name": dataset.name, "title": title, "match_field": field, "match_displayed": f"{title} ({dataset.name})"}
                    )
                    break
        return page(found, data, 10)

    async def package_search(self, seen: Seen, data: Data) -> Any:
        """Packages that a query finds, in pages, with counts by facet."""
        query = parse(str(data.get("q") or "*:*"))
        filters = [parse(text) for text in _texts(data.get("fq"), "fq") + _texts(data.get("fq_list"), "fq_list") if text]
        scores = await seen.search(query.words) if query.words else {}
        filter_scores = [await seen.search(one.words) if one.words else {} for one in filters]
        hits: list[Hit] = []
        for place, dataset in enumerate(_searched(seen, data)):
            if place % BREATH == 0:
                await asyncio.sleep(0)
            fields = seen.fields(dataset)
            if query.matches(fields, dataset.id in scores) and all(
                one.matches(fields, dataset.id in found) for one, found in zip(filters, filter_scores, strict=True)
            ):
                hits.append((dataset, fields))
        order = str(data.get("sort") or "score desc, metadata_modified desc")
        hits = _sorted(hits, sort_keys(order), scores)
        rows, start = number(data, "rows", SEARCH_PAGE, MAX_PAGE), number(data, "start", 0)
        facets = _facets([fields for _, fields in hits], data, seen)
        return {
            "count": len(hits),
            "sort": order,
            "results": [package(seen, dataset) for dataset, _ in hits[start : start + rows]],
            "facets": {name: {item["name"]: item["count"] for item in facet["items"]} for name, facet in facets.items()},
            "search_facets": facets,
        }

    async def resource_show(self, seen: Seen, data: Data) -> Any:
        """One resource."""
        dataset, position = find_resource(seen, wanted(data))
        return resource_of(dataset, dataset.distributions[position], position, seen.base)

    async def resource_search(self, seen: Seen, data: Data) -> Any:
        """Resources with "field:text" in them."""
        terms = [term.partition(":") for term in _texts(data.get("query"), "query")]
        if not terms or not all(colon for _, colon, _ in terms):
            raise ValidationError({"query": ["Must be of the form field:text"]})
        found = [
            resource
            for dataset in seen.datasets()
            for resource in package(seen, dataset)["resources"]
            if all(text.lower() in str(resource.get(field, "")).lower() for field, _, text in terms)
        ]
        return {"count": len(found), "results": page(found, data, MAX_PAGE)}

    async def resource_view_list(self, seen: Seen, data: Data) -> Any:
        """There are no views of a resource; it must exist all the same."""
        find_resource(seen, wanted(data))
        return []

    async def package_relationships_list(self, seen: Seen, data: Data) -> Any:
        """The relations of a package, to all others or to one."""
        dataset = seen.find(wanted(data))
        other = seen.find(str(data["id2"])).id if data.get("id2") else None
        kind = data.get("rel")
        return [
            relationship_form(dataset, relation)
            for relation in dataset.relations
            if (other is None or relation.object == other) and (not kind or relation.type == kind)
        ]

    # -- Organizations and groups ------------------------------------------------------------------------------------

    async def organization_list(self, seen: Seen, data: Data) -> Any:
        """Names of organizations, or all of them."""
        return _list(seen.contents.agencies.all, counts(seen, "owner"), data, "organizations", agency_form)

    async def organization_list_for_user(self, seen: Seen, data: Data) -> Any:
        """The organizations that the caller may work for."""
        if not seen.everything:
            return []
        found = counts(seen, "owner")
        return [agency_form(agency, found[agency.id]) for agency in seen.contents.agencies.all if agency.state == "active"]

    async def organization_autocomplete(self, seen: Seen, data: Data) -> Any:
        """Organizations whose name or title has a text."""
        return _complete(seen.contents.agencies.all, data)

    async def organization_show(self, seen: Seen, data: Data) -> Any:
        """One organization."""
        agency = seen.contents.agencies.find(wanted(data))
        if agency is None:
            raise NotFound("Organization was not found")
        return _with_packages(seen, agency_form(agency, counts(seen, "owner")[agency.id]), data, lambda one: one.owner == agency.id)

    async def group_list(self, seen: Seen, data: Data) -> Any:
        """Names of groups, or all of them."""
        return _list(seen.contents.themes.all, counts(seen, "themes"), data, "groups", theme_form)

    async def group_list_authz(self, seen: Seen, data: Data) -> Any:
        """The groups that the caller may work in."""
        if not seen.everything:
            return []
        return [theme_form(theme, 0) for theme in seen.contents.themes.all if theme.state == "active"]

    async def group_autocomplete(self, seen: Seen, data: Data) -> Any:
        """Groups whose name or title has a text."""
        return _complete(seen.contents.themes.all, data)

    async def group_show(self, seen: Seen, data: Data) -> Any:
        """One group."""
        theme = _theme(seen, wanted(data))
        return _with_packages(seen, theme_form(theme, counts(seen, "themes")[theme.name]), data, lambda one: theme.name in one.themes)

    async def group_package_show(self, seen: Seen, data: Data) -> Any:
        """The packages of a group."""
        theme = _theme(seen, wanted(data))
        return [package(seen, one) for one in page([one for one in seen.datasets() if theme.name in one.themes], data, MAX_PAGE)]

    # -- Tags and what this site has none of -------------------------------------------------------------------------

    async def tag_list(self, seen: Seen, data: Data) -> Any:
        """Tags, or those with a text in them."""
        names = [name for name in sorted(_tags(seen)) if str(data.get("query") or "").lower() in name.lower()]
        return [_tag(name) for name in names] if flag(data, "all_fields") else names

    async def tag_search(self, seen: Seen, data: Data) -> Any:
        """Tags with a text in them."""
        texts = [text.lower() for text in _texts(data.get("query"), "query")]
        names = [name for name in sorted(_tags(seen)) if any(text in name.lower() for text in texts)]
        return {"count": len(names), "results": [_tag(name) for name in page(names, data, MAX_PAGE)]}

    async def tag_autocomplete(self, seen: Seen, data: Data) -> Any:
        """Names of tags with a text in them."""
        return page(
            [name for name in sorted(_tags(seen)) if str(data.get("query") or data.get("q") or "").lower() in name.lower()], data, 10
        )

    async def tag_show(self, seen: Seen, data: Data) -> Any:
        """One tag."""
        name = wanted(data)
        if name not in _tags(seen):
            raise NotFound(f"There is no tag '{name[:100]}'")
        packages = [package(seen, one) for one in seen.datasets() if name in one.tags]
        return {**_tag(name), **({"packages": packages[:MAX_PAGE]} if flag(data, "include_datasets") else {})}

    async def format_autocomplete(self, seen: Seen, data: Data) -> Any:
        """Formats of resources with a text in them."""
        formats = {item.format.lower() for one in seen.datasets() for item in one.distributions if item.format}
        return page([name for name in sorted(formats) if str(data.get("q") or "").lower() in name], data, 5)

    async def vocabulary_list(self, seen: Seen, data: Data) -> Any:
        """There are free tags only."""
        return []

    async def user_list(self, seen: Seen, data: Data) -> Any:
        """Who uses the hub is not told here."""
        return []


# -- Parameters ------------------------------------------------------------------------------------------------------


def wanted(data: Data, name: str = "id") -> str:
    """A parameter that must be there. Raises ValidationError."""
    value = data.get(name) or (data.get("name_or_id") if name == "id" else None)
    if not isinstance(value, str):
        raise ValidationError({name: ["Missing value"]})
    return value


def flag(data: Data, name: str) -> bool:
    """Whether a parameter is true, in any of the ways to write it."""
    return str(data.get(name, "")).lower() in ("true", "1", "yes", "t", "on")


def number(data: Data, name: str, default: int, most: int | None = None) -> int:
    """A parameter that is a natural number, cut to the most that is possible. Raises ValidationError."""
    value = data.get(name)
    if value in (None, ""):
        return default
    try:
        found = int(str(value))
    except ValueError:
        found = -1
    if found < 0 or len(str(value)) > 12:
        raise ValidationError({name: ["Must be a natural number"]})
    return found if most is None else min(found, most)


def page(items: list[Any], data: Data, default: int | None) -> list[Any]:
    """The items from "offset" on, at most "limit"."""
    offset = number(data, "offset", 0)
    limit = number(data, "limit", default if default is not None else len(items) + offset, MAX_PAGE if default is not None else None)
    return items[offset : offset + limit]


def _texts(value: Any, name: str) -> list[str]:
    """A parameter that is a text or a list of texts; a list may be written as JSON."""
    if isinstance(value, str) and value.startswith("[") and name == "fq_list":
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            raise SearchQueryError(f"'{name}' must be a list of texts") from None
    if value in (None, ""):
        return []
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in found):
        raise SearchQueryError(f"'{name}' must be a text or a list of texts")
    return found


# -- Packages --------------------------------------------------------------------------------------------------------


def package(seen: Seen, dataset: Dataset) -> Package:
    """A dataset in CKAN's form."""
    return package_of(dataset, seen.contents, seen.base)


def find_resource(seen: Seen, id: str) -> tuple[Dataset, int]:
    """The dataset of a resource and the resource's place in it. Raises NotFound."""
    for dataset in seen.contents.datasets.all:
        for position, item in enumerate(dataset.distributions):
            if item.id == id and seen.sees(dataset):
                return dataset, position
    raise NotFound("Resource was not found.")


def _searched(seen: Seen, data: Data) -> list[Dataset]:
    states = {"active"} | ({"draft"} if flag(data, "include_drafts") else set()) | ({"deleted"} if flag(data, "include_deleted") else set())
    private = flag(data, "include_private")
    return [one for one in seen.contents.datasets.all if one.state in states and seen.sees(one) and (private or not one.private)]


Hit = tuple[Dataset, Fields]


def _sorted(hits: list[Hit], keys: list[tuple[str, bool]], scores: dict[str, float]) -> list[Hit]:
    for name, descending in reversed(keys):
        if name == "score":
            hits = sorted(hits, key=lambda hit: scores.get(hit[0].id, 0.0), reverse=descending)
        else:
            hits = sorted(hits, key=lambda hit: hit[1].get(name, [""])[:1], reverse=descending)
    return hits


def _facets(found: list[Fields], data: Data, seen: Seen) -> dict[str, Any]:
    wanted_facets = data.get("facet.field")
    if not wanted_facets or str(data.get("facet", "true")).lower() == "false":
        return {}
    if isinstance(wanted_facets, str):
        try:
            wanted_facets = orjson.loads(wanted_facets)
        except orjson.JSONDecodeError:
            wanted_facets = [wanted_facets]
    if not isinstance(wanted_facets, list) or len(wanted_facets) > FACETS:
        raise SearchQueryError(f"'facet.field' must be a list of at most {FACETS} fields")
    limit = _limit(data.get("facet.limit"))
    least = number(data, "facet.mincount", 1)
    facets: dict[str, Any] = {}
    for name in map(str, wanted_facets):
        tally = Counter(value for fields in found for value in set(fields.get(name, ())))
        items = [
            {"name": value, "display_name": _display(name, value, seen), "count": count}
            for value, count in sorted(tally.items(), key=lambda item: (-item[1], item[0]))
            if count >= least
        ]
        facets[name] = {"title": name, "items": items[:limit]}
    return facets


def _limit(value: Any) -> int | None:
    try:
        limit = int(str(value)) if value not in (None, "") else FACETS
    except ValueError:
        raise SearchQueryError("'facet.limit' must be a number") from None
    return None if limit < 0 else limit


def _display(name: str, value: str, seen: Seen) -> str:
    record: Agency | Theme | None = None
    if name in ("organization", "owner_org"):
        record = seen.contents.agencies.find(value)
    elif name == "groups":
        record = seen.contents.themes.find(value)
    elif name in ("license_id", "license"):
        return in_language(find_licence(value).title)
    return in_language(record.title) or value if record else value


# -- Organizations, groups and tags ----------------------------------------------------------------------------------


def counts(seen: Seen, member: str) -> Counter[str]:
    """How many datasets that the caller sees each agency or theme has."""
    tally: Counter[str] = Counter()
    for dataset in seen.datasets():
        tally.update([dataset.owner] if member == "owner" else dataset.themes)
    return tally


def _theme(seen: Seen, key: str) -> Theme:
    theme = seen.contents.themes.find(key)
    if theme is None:
        raise NotFound("Group was not found.")
    return theme


def _list(records: list[Any], tally: Counter[str], data: Data, chosen: str, form: Any) -> Any:
    names = data.get(chosen)
    names = names.split(",") if isinstance(names, str) else names
    found = [one for one in records if one.state == "active" and (not names or one.name in names or one.id in names)]
    key, _, order = str(data.get("sort") or data.get("order_by") or "title asc").partition(" ")
    count = {one.id: tally[one.id] if isinstance(one, Agency) else tally[one.name] for one in found}
    if key in ("package_count", "packages"):
        found.sort(key=lambda one: count[one.id], reverse=order.strip().lower() != "asc")
    else:
        found.sort(key=lambda one: one.name if key == "name" else in_language(one.title), reverse=order.strip().lower() == "desc")
    found = page(found, data, None)
    if not flag(data, "all_fields"):
        return [one.name for one in found]
    left_out = {"users", "groups", "tags"} | (set() if flag(data, "include_extras") else {"extras"})
    return [{name: value for name, value in form(one, count[one.id]).items() if name not in left_out} for one in found]


def _complete(records: list[Any], data: Data) -> Any:
    text = str(data.get("q") or "").lower()
    found = [
        {"id": one.id, "name": one.name, "title": in_language(one.title)}
        for one in records
        if one.state == "active" and (text in one.name or text in in_language(one.title).lower())
    ]
    return page(found, data, 20)


def _with_packages(seen: Seen, form: Package, data: Data, belongs: Any) -> Package:
    if not flag(data, "include_datasets"):
        return form
    return {**form, "packages": [package(seen, one) for one in seen.datasets() if belongs(one)][:MAX_PAGE]}


def _tags(seen: Seen) -> set[str]:
    return {tag for dataset in seen.datasets() for tag in dataset.tags}


def _tag(name: str) -> Data:
    return {"id": name, "name": name, "display_name": name, "vocabulary_id": None}
