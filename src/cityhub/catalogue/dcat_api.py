"""The doors of the catalogue as DCAT: `/catalog` and `/dataset/{name}`, in the form that is asked for or that the ending names.

Source: W3C DCAT 3; the addresses and the paging are those of CKAN's DCAT extension, whose harvesters ask for them.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

import orjson

from cityhub.catalogue.dcat import Publication, page_node
from cityhub.catalogue.district_words import DistrictWords
from cityhub.catalogue.model import Dataset
from cityhub.catalogue.seen import ANY_PAGE, Seen, Viewers
from cityhub.catalogue.workers import Workers
from cityhub.model.errors import BadRequestData, NotAcceptable
from cityhub.web.http import Request, Response, Route

PAGE: Final = 100
MAX_KEPT: Final = 32
FORMS: Final = {
    "jsonld": "application/ld+json",
    "ttl": "text/turtle",
    "xml": "application/rdf+xml",
    "rdf": "application/rdf+xml",
    "nt": "application/n-triples",
}
TASKS: Final = {"ttl": "turtle", "xml": "xml", "rdf": "xml", "nt": "nt"}
_ACCEPTED: Final = {
    "application/ld+json": "jsonld", "application/json": "jsonld", "text/turtle": "ttl", "application/rdf+xml": "xml",
    "application/n-triples": "nt", "text/html": "html", "*/*": "jsonld", "application/*": "jsonld", "text/*": "ttl",
}  # fmt: skip


class DcatApi:
    """The doors of the catalogue for harvesters.

    Args:
        viewers: Who sees what.
        words: Title, description and publisher of the catalogue.
        workers: Who makes other forms than JSON-LD.
    """

    def __init__(self, viewers: Viewers, words: DistrictWords, workers: Workers) -> None:
        self._viewers = viewers
        self._words = words
        self._workers = workers
        self._kept: OrderedDict[tuple[Any, ...], bytes] = OrderedDict()

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        whole = [Route("GET", "/catalog", self._catalogue(""), "public", "DCAT Catalogue", "DCAT 3", "catalogue")]
        for form in FORMS:
            said = f"DCAT Catalogue as {form}"
            whole.append(Route("GET", f"/catalog.{form}", self._catalogue(form), "public", said, "DCAT 3", "catalogue"))
        return [*whole, Route("GET", "/dataset/{name}", self._dataset, "public", "DCAT Dataset", "DCAT 3", "catalogue")]

    def _catalogue(self, form: str) -> Any:
        async def answer(request: Request) -> Response:
            chosen = form or _negotiated(request)
            if chosen == "html":
                return Response(303, headers=[("location", "/open-data"), ("vary", "accept")])
            seen = await self._viewers.seen(request)
            query = request.query
            found = await _chosen(seen, query)
            page = _page(query)
            part = found[(page - 1) * PAGE : page * PAGE]
            key = (seen.tenant, seen.contents.version, seen.everything, chosen, tuple(sorted(query.items())))
            address = f"{seen.base}/catalog" + (f".{form}" if form else "")
            document = self._publication(seen).catalogue(part, page_node(address, query, page, PAGE, len(found)))
            return await self._answer(key, chosen, document)

        return answer

    async def _dataset(self, request: Request) -> Response:
        name, _, ending = request.parameters["name"].rpartition(".")
        if ending in FORMS and name:
            chosen = ending
        else:
            name, chosen = request.parameters["name"], _negotiated(request)
        seen = await self._viewers.seen(request)
        dataset = seen.find(name)
        if chosen == "html":
            return Response(303, headers=[("location", f"/open-data/{dataset.name}"), ("vary", "accept")])
        key = (seen.tenant, seen.contents.version, chosen, dataset.id)
        return await self._answer(key, chosen, self._publication(seen).document(dataset))

    def _publication(self, seen: Seen) -> Publication:
        return Publication(seen.contents, seen.base, self._words.title, self._words.description, self._words.provider)

    async def _answer(self, key: tuple[Any, ...], form: str, document: Any) -> Response:
        body = self._kept.get(key)
        if body is None:
            body = orjson.dumps(document)
            if form in TASKS:
                body = await self._workers.run(TASKS[form], body)
            self._kept[key] = body
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return Response(200, body, [("vary", "accept"), ANY_PAGE], f"{FORMS[form]};charset=utf-8" if form == "ttl" else FORMS[form])


async def _chosen(seen: Seen, query: dict[str, str]) -> list[Dataset]:
    """What the parameters "q" and "modified_since" leave of the datasets that the caller sees."""
    found = [dataset for dataset in seen.datasets() if not dataset.private]
    if query.get("q"):
        scores = await seen.search(query["q"])
        found = [dataset for dataset in found if dataset.id in scores]
    if query.get("modified_since"):
        found = [dataset for dataset in found if dataset.modified >= query["modified_since"]]
    return found


def _page(query: dict[str, str]) -> int:
    text = query.get("page", "1")
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9])):
        raise BadRequestData(f"'page' must be a number from 1, not '{text[:50]}'")
    return int(text[:9])


def _negotiated(request: Request) -> str:
    """The form that the caller likes best. Raises NotAcceptable."""
    best, form = 0.0, ""
    accept = request.headers.get("accept", "*/*")
    for item in accept.split(",")[:50]:
        media, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = next((_number(part[2:]) for part in parameters if part.startswith("q=")), 1.0)
        if media in _ACCEPTED and quality > best:
            best, form = quality, _ACCEPTED[media]
    if not form:
        raise NotAcceptable(f"The catalogue can be had as {', '.join(sorted(set(FORMS.values())))} and text/html, not as '{accept[:100]}'")
    return form


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
