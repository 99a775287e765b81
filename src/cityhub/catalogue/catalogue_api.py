"""The catalogue's own doors under `/api/catalogue`: search, one dataset with all that is known of it, sample, quality, lineage, files.

Reading is open to everybody and shows what is open; holders of `catalogue.read` see everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final
from uuid import uuid4

import msgspec

from cityhub.catalogue.downloads import Downloads
from cityhub.catalogue.licences import LICENCES, find_licence
from cityhub.catalogue.lineage import Runs, around, graph_of, own_events
from cityhub.catalogue.model import Dataset, Distribution, Names, Theme, in_language
from cityhub.catalogue.national import CATEGORIES, CYCLES, GRADES, SHARES
from cityhub.catalogue.quality import Profile, Quality
from cityhub.catalogue.register import Register
from cityhub.catalogue.seen import WRITE, Seen, Viewers
from cityhub.catalogue.tables import Tables, has_rows
from cityhub.model.errors import BadRequestData, InvalidRequest
from cityhub.web.http import Request, Response, Route, json_response
from cityhub.web.negotiation import tenant_of

PREFIX: Final = "/api/catalogue"
PAGE: Final = 20
MAX_PAGE: Final = 200
SAMPLE: Final = 10
FILTERS: Final = ("theme", "provider", "share", "cycle", "grade", "kind", "open", "tag", "format")
ORDERS: Final = ("relevance", "title", "modified", "quality")
_OWN: Final = frozenset(("id", "origin", "available", "created", "modified", "statement", "upstream"))


class CatalogueApi:
    """The doors of the catalogue for pages and programs of the hub.

    Args:
        register: The catalogue.
        viewers: Who sees what.
        tables: Rows of datasets.
        quality: Profiles.
        runs: Lineage that other programs told of.
        downloads: Files.
        district: The district's short name, by language.
    """

    def __init__(
        self, register: Register, viewers: Viewers, tables: Tables, quality: Quality, runs: Runs, downloads: Downloads, district: Names
    ) -> None:
        self._district = district
        self._register = register
        self._viewers = viewers
        self._tables = tables
        self._quality = quality
        self._runs = runs
        self._downloads = downloads

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        one = f"{PREFIX}/datasets/{{id}}"

        def door(method: str, path: str, handler: Any, permission: str, operation: str) -> Route:
            return Route(method, path, handler, permission, operation, tag="catalogue")

        return [
            door("GET", f"{PREFIX}/datasets", self._search, "public", "Search Catalogue"),
            door("POST", f"{PREFIX}/datasets", self._create, WRITE, "Create Catalogue Dataset"),
            door("GET", one, self._show, "public", "Show Catalogue Dataset"),
            door("PATCH", one, self._patch, WRITE, "Edit Catalogue Dataset"),
            door("DELETE", one, self._remove, WRITE, "Remove Catalogue Dataset"),
            door("GET", f"{one}/sample", self._sample, "public", "Sample of Catalogue Dataset"),
            door("GET", f"{one}/quality", self._show_quality, "public", "Quality of Catalogue Dataset"),
            door("POST", f"{one}/quality", self._measure, WRITE, "Measure Quality of Catalogue Dataset"),
            door("GET", f"{one}/lineage", self._lineage, "public", "Lineage of Catalogue Dataset"),
            door("GET", f"{one}/download/{{form}}", self._download, "public", "Download Catalogue Dataset"),
            door("GET", f"{PREFIX}/words", self._words, "public", "Words of the Catalogue"),
            door("POST", "/api/v1/lineage", self._take_run, WRITE, "Take OpenLineage Event"),
        ]

    async def _search(self, request: Request) -> Response:
        seen = await self._viewers.seen(request)
        query = request.query
        for name in query:
            if name not in (*FILTERS, "q", "limit", "offset", "sort"):
                raise InvalidRequest(f"'{name[:50]}' is no parameter here; these are: q, {', '.join(FILTERS)}, sort, limit, offset")
        limit, offset = _number(query, "limit", PAGE, MAX_PAGE), _number(query, "offset", 0, 1_000_000)
        profiles = await self._quality.latest(seen.tenant)
        found = [dataset for dataset in seen.datasets() if seen.everything or not dataset.private]
        words = query.get("q", "").strip()
        scores = await seen.search(words) if words else {}
        if words:
            found = [dataset for dataset in found if dataset.id in scores]
        facets = _facets(found, query, seen)
        found = [dataset for dataset in found if _chosen(dataset, query, seen)]
        found = _ordered(found, query.get("sort", "relevance" if words else "title"), scores, profiles)
        page = [summary(dataset, seen, profiles.get(dataset.id)) for dataset in found[offset : offset + limit]]
        return json_response({"total": len(found), "limit": limit, "offset": offset, "datasets": page, "facets": facets})

    async def _show(self, request: Request) -> Response:
        seen = await self._viewers.seen(request)
        dataset = seen.find(request.parameters["id"])
        profile = (await self._quality.latest(seen.tenant)).get(dataset.id)
        return json_response(whole(dataset, seen, profile))

    async def _sample(self, request: Request) -> Response:
        seen = await self._viewers.seen(request)
        dataset = seen.find(request.parameters["id"])
        limit = _number(request.query, "limit", SAMPLE, MAX_PAGE)
        if not has_rows(dataset):
            return json_response({"fields": _fields(dataset), "rows": [], "total": None, "why": "The hub has no rows of this dataset"})
        table = await self._tables.page(seen.tenant, dataset, 0, limit, request.query.get("lang", "zh"))
        return json_response({"fields": _fields(dataset), "rows": table.rows, "total": table.total})

    async def _show_quality(self, request: Request) -> Response:
        seen = await self._viewers.seen(request)
        dataset = seen.find(request.parameters["id"])
        history = await self._quality.history(seen.tenant, dataset)
        if not history:
            why = "No profile has been made yet" if has_rows(dataset) else "The hub has no rows of this dataset"
            return json_response({"latest": None, "history": [], "why": why})
        figures = [{name: one[name] for name in ("at", "rows", "completeness", "timeliness", "validity")} for one in history]
        return json_response({"latest": history[-1], "history": figures})

    async def _measure(self, request: Request) -> Response:
        seen = await self._viewers.whole(tenant_of(request), request.principal)
        return json_response(await self._quality.measure(seen.tenant, seen.find(request.parameters["id"])), 201)

    async def _lineage(self, request: Request) -> Response:
        seen = await self._viewers.seen(request)
        dataset = seen.find(request.parameters["id"])
        told = await self._runs.events(seen.tenant) if seen.everything else []
        events = around(dataset, [*own_events(seen.contents), *told], seen.contents)
        if not seen.everything:
            events = [_only_open(event, seen) for event in events]
        return json_response({"dataset": dataset.name, "graph": graph_of(events, seen.contents), "events": events})

    async def _download(self, request: Request) -> Response:
        seen = await self._viewers.seen(request)
        dataset = seen.find(request.parameters["id"])
        return await self._downloads.answer(seen.tenant, dataset, request.parameters["form"], _provider(dataset, seen).get("zh", ""))

    async def _words(self, request: Request) -> Response:
        seen = await self._viewers.seen(request)
        return json_response({
            "shares": SHARES, "cycles": CYCLES, "grades": GRADES, "categories": CATEGORIES,
            "licences": [msgspec.to_builtins(licence) for licence in LICENCES],
            "themes": [{"name": theme.name, "title": theme.title} for theme in seen.contents.themes.all if theme.state == "active"],
            "everything": seen.everything, "district": self._district,
        })  # fmt: skip

    # -- Edits -------------------------------------------------------------------------------------------------------

    async def _create(self, request: Request) -> Response:
        seen = await self._viewers.whole(tenant_of(request), request.principal)
        document = {"id": str(uuid4()), **_editable(request.json(), {})}
        dataset = await self._register.create(seen.tenant, self._converted(document, seen))
        return json_response(await self._again(seen.tenant, dataset), 201, [("location", f"{PREFIX}/datasets/{dataset.id}")])

    async def _patch(self, request: Request) -> Response:
        seen = await self._viewers.whole(tenant_of(request), request.principal)
        known = seen.find(request.parameters["id"])
        before: dict[str, Any] = msgspec.to_builtins(known)
        document = {**before, **_editable(request.json(), before)}
        dataset = await self._register.change(seen.tenant, self._converted(document, seen))
        return json_response(await self._again(seen.tenant, dataset))

    async def _remove(self, request: Request) -> Response:
        seen = await self._viewers.whole(tenant_of(request), request.principal)
        await self._register.remove(seen.tenant, seen.find(request.parameters["id"]))
        return Response(204)

    def _converted(self, document: dict[str, Any], seen: Seen) -> Dataset:
        distributions = document.get("distributions")
        for item in distributions if isinstance(distributions, list) else ():
            if isinstance(item, dict):
                item.setdefault("id", str(uuid4()))
        try:
            dataset = msgspec.convert(document, Dataset)
        except msgspec.ValidationError as error:
            raise BadRequestData(f"The dataset cannot be kept: {error}") from None
        owner = seen.contents.agencies.find(dataset.owner)
        if dataset.owner and owner is None:
            raise BadRequestData(f"'owner' must be an agency of the catalogue; '{dataset.owner[:100]}' is none")
        unknown = [name for name in dataset.themes if seen.contents.themes.find(name) is None]
        if unknown:
            raise BadRequestData(f"'themes' must be themes of the catalogue; '{unknown[0][:100]}' is none")
        return msgspec.structs.replace(
            dataset, owner=owner.id if owner else "", tags=sorted(set(dataset.tags)), themes=sorted(set(dataset.themes))
        )

    async def _again(self, tenant: str, dataset: Dataset) -> dict[str, Any]:
        seen = await self._viewers.whole(tenant)
        return whole(dataset, seen, (await self._quality.latest(tenant)).get(dataset.id))

    async def _take_run(self, request: Request) -> Response:
        seen = await self._viewers.whole(tenant_of(request), request.principal)
        await self._runs.take(seen.tenant, request.json())
        return Response(201)


def _editable(given: Any, before: dict[str, Any]) -> dict[str, Any]:
    """The members of a merge patch (RFC 7396) that people may change; null gives the default back."""
    if not isinstance(given, dict):
        raise InvalidRequest("The body must be a JSON object with the members of a dataset that change")
    known = Dataset.__struct_fields__
    for name in given:
        if name not in known or name in _OWN:
            possible = ", ".join(name for name in known if name not in _OWN)
            raise BadRequestData(f"'{name[:100]}' is no member that can be edited; these can: {possible}")
    defaults: dict[str, Any] = msgspec.to_builtins(Dataset(id="-", name="--"))
    return {name: defaults[name] if value is None else value for name, value in given.items()}


# -- Forms -----------------------------------------------------------------------------------------------------------


def summary(dataset: Dataset, seen: Seen, profile: Profile | None) -> dict[str, Any]:
    """A dataset as a list shows it."""
    return {
        "id": dataset.id, "name": dataset.name, "title": dataset.title, "description": dataset.description,
        "kind": dataset.origin.kind if dataset.origin else "", "provider": _provider(dataset, seen), "share": dataset.share,
        "open": dataset.open, "cycle": dataset.cycle, "grade": dataset.grade, "simulated": dataset.simulated, "themes": dataset.themes,
        "tags": dataset.tags, "formats": list(dict.fromkeys(item.format for item in dataset.distributions if item.format)),
        "modified": dataset.modified, "quality": _quality(profile),
    }  # fmt: skip


def whole(dataset: Dataset, seen: Seen, profile: Profile | None) -> dict[str, Any]:
    """All that is known of a dataset."""
    document: dict[str, Any] = msgspec.to_builtins(dataset)
    licence = find_licence(dataset.licence)
    themes = [theme for name in dataset.themes if (theme := seen.contents.themes.find(name))]
    document |= {
        "provider": _provider(dataset, seen),
        "providerCode": owner.code if (owner := seen.contents.agencies.find(dataset.owner)) else "",
        "licence": msgspec.to_builtins(licence),
        "themes": [{"name": theme.name, "title": theme.title} for theme in themes],
        "national": _national(dataset, seen, themes),
        "distributions": [{**msgspec.to_builtins(item), "url": _address(item, seen)} for item in dataset.distributions],
        "quality": _quality(profile),
        "hasRows": has_rows(dataset),
        "examples": _examples(dataset, seen),
    }
    if not seen.everything:
        document.pop("statement")
        document["upstream"] = [id for id in dataset.upstream if _is_seen(id, seen)]
    return document


def _national(dataset: Dataset, seen: Seen, themes: Iterable[Theme]) -> dict[str, str]:
    """The core metadata in the national catalogue's own words."""
    owner = seen.contents.agencies.find(dataset.owner)
    kinds = "、".join([CATEGORIES[dataset.category], *(in_language(theme.title) for theme in themes)])
    return {
        "信息资源分类": kinds, "信息资源名称": in_language(dataset.title), "信息资源代码": dataset.code,
        "信息资源提供方": _provider(dataset, seen).get("zh", ""), "信息资源提供方代码": owner.code if owner else "",
        "信息资源摘要": in_language(dataset.description), "信息资源格式": dataset.format, "共享类型": SHARES[dataset.share],
        "共享条件": dataset.share_condition, "共享方式": dataset.share_method,
        "开放属性": ("向社会开放" if dataset.open else "不向社会开放") + (f"：{dataset.open_condition}" if dataset.open_condition else ""),
        "更新周期": CYCLES[dataset.cycle], "发布日期": dataset.issued or dataset.created[:10], "关联资源代码": "、".join(dataset.related),
        "数据分级": GRADES[dataset.grade],
    }  # fmt: skip


def _examples(dataset: Dataset, seen: Seen) -> list[dict[str, str]]:
    """How a program gets the dataset."""
    found = []
    if has_rows(dataset):
        found.append(
            {"title": "CSV", "text": f"curl -o {dataset.name}.csv '{seen.base}/api/catalogue/datasets/{dataset.name}/download/csv'"}
        )
    table = next((item for item in dataset.distributions if item.format == "CSV"), None)
    if table is not None:
        address = f"{seen.base}/api/3/action/datastore_search?resource_id={table.id}&limit=5"
        found.append({"title": "CKAN datastore_search", "text": f"curl '{address}'"})
        url = f"{seen.base}/api/catalogue/datasets/{dataset.name}/download/csv"
        found.append({"title": "Python (pandas)", "text": f'import pandas\npandas.read_csv("{url}")'})
    if seen.everything:  # interfaces ask who is calling
        found += [
            {"title": item.name or item.format, "text": f"curl '{_address(item, seen)}'"}
            for item in dataset.distributions
            if item.service and item.format != "SQL"
        ]
        if dataset.statement:
            found.append(
                {"title": "SQL", "text": f"curl -d '{dataset.statement} LIMIT 5' -H 'content-type: text/plain' '{seen.base}/api/sql'"}
            )
    found.append({"title": "DCAT", "text": f"curl '{seen.base}/dataset/{dataset.name}.ttl'"})
    return found


def _address(item: Distribution, seen: Seen) -> str:
    return seen.base + item.url if item.url.startswith("/") else item.url


def _fields(dataset: Dataset) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(field) for field in dataset.fields]


def _provider(dataset: Dataset, seen: Seen) -> dict[str, str]:
    owner = seen.contents.agencies.find(dataset.owner)
    return (owner.title or {"zh": owner.name}) if owner else {}


def _quality(profile: Profile | None) -> dict[str, Any] | None:
    if profile is None:
        return None
    return {name: profile[name] for name in ("at", "rows", "completeness", "timeliness", "validity")}


def _is_seen(id: str, seen: Seen) -> bool:
    dataset = seen.contents.datasets.find(id)
    return dataset is not None and seen.sees(dataset)


def _only_open(event: dict[str, Any], seen: Seen) -> dict[str, Any]:
    """The event without the datasets that the caller may not know of."""
    return {**event, **{side: [item for item in event[side] if _is_seen(item["name"], seen)] for side in ("inputs", "outputs")}}


# -- Choosing --------------------------------------------------------------------------------------------------------


def _values(dataset: Dataset, name: str, seen: Seen) -> list[str]:
    owner = seen.contents.agencies.find(dataset.owner)
    values: dict[str, list[str]] = {
        "theme": dataset.themes, "provider": [owner.name] if owner else [], "share": [dataset.share], "cycle": [dataset.cycle],
        "grade": [dataset.grade], "kind": [dataset.origin.kind if dataset.origin else "entered"], "open": [str(dataset.open).lower()],
        "tag": dataset.tags, "format": list({item.format for item in dataset.distributions if item.format}),
    }  # fmt: skip
    return values[name]


def _chosen(dataset: Dataset, query: dict[str, str], seen: Seen, but: str = "") -> bool:
    return all(
        any(value in query[name].split(",") for value in _values(dataset, name, seen))
        for name in FILTERS
        if query.get(name) and name != but
    )


def _facets(found: list[Dataset], query: dict[str, str], seen: Seen) -> dict[str, list[dict[str, Any]]]:
    """By filter, how many datasets each of its values would leave, the other filters being as they are."""
    facets = {}
    for name in FILTERS:
        tally = Counter(value for one in found if _chosen(one, query, seen, but=name) for value in set(_values(one, name, seen)))
        facets[name] = [
            {"value": value, "title": _title(name, value, seen), "count": count}
            for value, count in sorted(tally.items(), key=lambda item: (-item[1], item[0]))[:50]
        ]
    return facets


def _title(name: str, value: str, seen: Seen) -> dict[str, str]:
    record = seen.contents.themes.find(value) if name == "theme" else seen.contents.agencies.find(value) if name == "provider" else None
    if record is not None:
        return record.title
    known = {"share": SHARES, "cycle": CYCLES, "grade": GRADES}.get(name, {})
    return {"zh": known[value]} if value in known else {}


def _ordered(found: list[Dataset], order: str, scores: dict[str, float], profiles: dict[str, Profile]) -> list[Dataset]:
    if order not in ORDERS:
        raise InvalidRequest(f"'sort' must be one of {', '.join(ORDERS)}, not '{order[:50]}'")
    if order == "relevance":
        return sorted(found, key=lambda one: -scores.get(one.id, 0.0))
    if order == "modified":
        return sorted(found, key=lambda one: one.modified, reverse=True)
    if order == "quality":
        return sorted(found, key=lambda one: -_score(profiles.get(one.id)))
    return sorted(found, key=lambda one: in_language(one.title).encode("gb18030", "replace"))


def _score(profile: Profile | None) -> float:
    if profile is None:
        return -1.0
    figures = [profile[name] for name in ("completeness", "timeliness", "validity") if profile[name] is not None]
    return sum(figures) / len(figures) if figures else -1.0


def _number(query: dict[str, str], name: str, default: int, most: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= most):
        raise InvalidRequest(f"'{name}' must be a number from 0 to {most}, not '{text[:50]}'")
    return int(text)
