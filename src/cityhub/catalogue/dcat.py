"""The catalogue as DCAT: JSON-LD nodes for catalogue, datasets, distributions, services and agencies.

Words of published lists (frequencies, file types, access rights, themes) are those that DCAT-AP recommends, each with its type in the
graph, so that a reader needs no other document. What the national catalogue asks for and DCAT has no word for stands under the
hub's own terms.

Source: W3C DCAT 3; SEMIC DCAT-AP 3.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from cityhub.catalogue.licences import find_licence
from cityhub.catalogue.model import Agency, Dataset, Distribution, Names
from cityhub.catalogue.national import GRADES, SHARES
from cityhub.catalogue.register import Contents
from cityhub.model.vocabulary import TERMS

Node = dict[str, Any]

CONTEXT: Final[dict[str, str]] = {
    "dcat": "http://www.w3.org/ns/dcat#", "dct": "http://purl.org/dc/terms/", "foaf": "http://xmlns.com/foaf/0.1/",
    "vcard": "http://www.w3.org/2006/vcard/ns#", "adms": "http://www.w3.org/ns/adms#", "skos": "http://www.w3.org/2004/02/skos/core#",
    "spdx": "http://spdx.org/rdf/terms#", "prov": "http://www.w3.org/ns/prov#", "dqv": "http://www.w3.org/ns/dqv#",
    "hydra": "http://www.w3.org/ns/hydra/core#", "xsd": "http://www.w3.org/2001/XMLSchema#", "locn": "http://www.w3.org/ns/locn#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#", "csvw": "http://www.w3.org/ns/csvw#", "cityhub": TERMS,
    "dcatap": "http://data.europa.eu/r5r/",
}  # fmt: skip
EU: Final = "http://publications.europa.eu/resource/authority/"
IANA: Final = "http://www.iana.org/assignments/media-types/"
FREQUENCIES: Final = {
    "realtime": "CONT", "daily": "DAILY", "weekly": "WEEKLY", "monthly": "MONTHLY", "quarterly": "QUARTERLY", "yearly": "ANNUAL",
    "irregular": "IRREG", "once": "NEVER",
}  # fmt: skip
FILE_TYPES: Final = {
    "CSV": "CSV", "JSON": "JSON", "XLSX": "XLSX", "GEOJSON": "GEOJSON", "PDF": "PDF", "XML": "XML", "PARQUET": "PARQUET",
    "NGSI-LD": "JSON_LD",
    "GPKG": "GPKG", "ZIP": "ZIP", "TTL": "RDF_TURTLE", "JSON-LD": "JSON_LD", "HTML": "HTML", "KML": "KML", "SHP": "SHP",
}  # fmt: skip
ACCESS: Final = {"unconditional": "RESTRICTED", "conditional": "RESTRICTED", "none": "NON_PUBLIC"}
"""What of 共享类型 is told of data that are not open to residents: sharing is among government bodies."""
HTML_LANGUAGES: Final = {"zh": "ZHO", "en": "ENG"}


class Publication:
    """Makes the nodes of one catalogue.

    Args:
        contents: What is in it.
        base: The address of the hub, without "/" at its end.
        title: Of the catalogue, by language.
        description: Of the catalogue.
        publisher: Name of the agency that publishes it.
    """

    def __init__(self, contents: Contents, base: str, title: Names, description: Names, publisher: str) -> None:
        self._contents = contents
        self._base = base
        self._title = title
        self._description = description
        self._publisher = contents.agencies.find(publisher)

    def catalogue(self, datasets: Sequence[Dataset], paging: Node | None = None) -> Node:
        """The JSON-LD document of the catalogue with these datasets, and of the page that it is."""
        modified = max((dataset.modified for dataset in datasets), default="")
        services = self._services(datasets)
        catalogue: Node = {
            "@id": f"{self._base}/catalog",
            "@type": "dcat:Catalog",
            "dct:title": _texts(self._title),
            "dct:description": _texts(self._description),
            "dct:language": [_of_list("language", "ZHO", "dct:LinguisticSystem"), _of_list("language", "ENG", "dct:LinguisticSystem")],
            "foaf:homepage": {"@id": f"{self._base}/open-data", "@type": "foaf:Document"},
            "dct:publisher": self._agent(self._publisher),
            "dcat:dataset": [{"@id": self.address(dataset)} for dataset in datasets],
            "dcat:service": [{"@id": service["@id"]} for service in services],
            "dcat:themeTaxonomy": {
                "@id": f"{EU}data-theme",
                "@type": "skos:ConceptScheme",
                "dct:title": [{"@value": "Data theme", "@language": "en"}],
            },
            **({"dct:modified": _time(modified)} if modified else {}),
        }
        nodes = [catalogue, *(self.dataset(dataset) for dataset in datasets), *services]
        return {"@context": CONTEXT, "@graph": [paging, *nodes] if paging else nodes}

    def document(self, dataset: Dataset) -> Node:
        """The JSON-LD document of one dataset."""
        return {"@context": CONTEXT, "@graph": [self.dataset(dataset), *self._services([dataset])]}

    def address(self, dataset: Dataset) -> str:
        """The IRI of a dataset."""
        return f"{self._base}/dataset/{dataset.id}"

    def dataset(self, dataset: Dataset) -> Node:
        """The node of a dataset, with those of its distributions inside."""
        owner = self._contents.agencies.find(dataset.owner) or self._publisher
        node: Node = {
            "@id": self.address(dataset),
            "@type": "dcat:Dataset",
            "dct:title": _texts(dataset.title or {"zh": dataset.name}),
            "dct:description": _texts(dataset.description or dataset.title or {"zh": dataset.name}),
            "dct:identifier": dataset.code or dataset.id,
            "dct:issued": _time(dataset.created),
            "dct:modified": _time(dataset.modified),
            "dct:publisher": self._agent(owner),
            "dct:accrualPeriodicity": _of_list("frequency", FREQUENCIES[dataset.cycle], "dct:Frequency"),
            "dct:accessRights": _of_list("access-right", "PUBLIC" if dataset.open else ACCESS[dataset.share], "dct:RightsStatement"),
            "dct:language": [_of_list("language", "ZHO", "dct:LinguisticSystem")],
            "dcat:landingPage": {"@id": f"{self._base}/open-data/{dataset.name}", "@type": "foaf:Document"},
            "dcat:keyword": [{"@value": tag, "@language": "zh"} for tag in dataset.tags],
            "dcat:theme": self._themes(dataset),
            "dcat:distribution": [self._distribution(dataset, item) for item in dataset.distributions],
            "prov:wasDerivedFrom": [{"@id": f"{self._base}/dataset/{id}"} for id in dataset.upstream],
            "dct:relation": [{"@id": f"{self._base}/dataset/{relation.object}"} for relation in dataset.relations],
            "adms:identifier": {"@id": f"{self.address(dataset)}#code", "@type": "adms:Identifier", "skos:notation": dataset.code}
            if dataset.code
            else [],
            "cityhub:shareType": {"@value": SHARES[dataset.share], "@language": "zh"},
            "cityhub:dataGrade": {"@value": GRADES[dataset.grade], "@language": "zh"},
            "cityhub:simulated": dataset.simulated,
        }
        if dataset.contact or dataset.contact_email:
            node["dcat:contactPoint"] = _contact(f"{self.address(dataset)}#contact", dataset)
        if dataset.bbox:
            node["dct:spatial"] = _area(f"{self.address(dataset)}#area", dataset.bbox)
        if dataset.version:
            node["dcat:version"] = dataset.version
        if dataset.url.startswith(("http://", "https://")):
            node["foaf:page"] = {"@id": quote(dataset.url, safe=_SAFE), "@type": "foaf:Document"}
        if dataset.period_s:
            node["dcat:temporalResolution"] = {"@value": f"PT{dataset.period_s:g}S", "@type": "xsd:duration"}
        return {name: value for name, value in node.items() if value != []}

    def _themes(self, dataset: Dataset) -> list[Node]:
        themes = [theme for name in dataset.themes if (theme := self._contents.themes.find(name))]
        return [
            {"@id": theme.concept or f"{self._base}/group/{theme.name}", "@type": "skos:Concept", "skos:prefLabel": _texts(theme.title)}
            for theme in themes
        ]

    def _distribution(self, dataset: Dataset, item: Distribution) -> Node:
        url = quote(self._base + item.url if item.url.startswith("/") else item.url, safe=_SAFE)
        licence = find_licence(dataset.licence)
        node: Node = {
            "@id": f"{self.address(dataset)}/resource/{item.id}",
            "@type": "dcat:Distribution",
            "dct:title": {"@value": item.name or item.format, "@language": "zh"},
            "dct:description": {"@value": item.description or item.name or item.format, "@language": "zh"},
            "dcat:accessURL": {"@id": url or self.address(dataset), "@type": "rdfs:Resource"},
            "dct:issued": _time(item.created or dataset.created),
            "dct:modified": _time(item.modified or dataset.modified),
            "dct:license": {
                "@id": licence.url or f"{self._base}/licence/{quote(licence.id)}",
                "@type": "dct:LicenseDocument",
                "dct:title": _texts(licence.title),
            },
            "dcatap:availability": _concept("planned-availability/AVAILABLE", "Available"),
        }
        if not item.service and url:
            node["dcat:downloadURL"] = {"@id": url, "@type": "rdfs:Resource"}
        if item.format.upper() in FILE_TYPES:
            node["dct:format"] = _of_list("file-type", FILE_TYPES[item.format.upper()], "dct:MediaTypeOrExtent")
        if item.media_type:
            node["dcat:mediaType"] = {"@id": IANA + quote(item.media_type, safe="/+.-"), "@type": "dct:MediaType"}
        if item.size is not None:
            node["dcat:byteSize"] = {"@value": str(item.size), "@type": "xsd:nonNegativeInteger"}
        if item.service:
            node["dcat:accessService"] = {"@id": self._service_id(item)}
        return node

    def _services(self, datasets: Iterable[Dataset]) -> list[Node]:
        served: dict[str, Node] = {}
        for dataset in datasets:
            for item in dataset.distributions:
                if item.service:
                    id = self._service_id(item)
                    node = served.setdefault(id, self._service(id, item))
                    node["dcat:servesDataset"].append({"@id": self.address(dataset)})
        return [served[id] for id in sorted(served)]

    def _service_id(self, item: Distribution) -> str:
        return f"{self._base}/service/{quote(item.format.lower() or 'api', safe='')}"

    def _service(self, id: str, item: Distribution) -> Node:
        endpoint = item.url.partition("?")[0]
        return {
            "@id": id,
            "@type": "dcat:DataService",
            "dct:title": {"@value": item.name or item.format, "@language": "zh"},
            "dcat:endpointURL": {
                "@id": quote(self._base + endpoint if endpoint.startswith("/") else endpoint, safe=_SAFE),
                "@type": "rdfs:Resource",
            },
            "dcat:endpointDescription": {"@id": f"{self._base}/api/openapi.json", "@type": "rdfs:Resource"},
            "dct:publisher": self._agent(self._publisher),
            "dcat:servesDataset": [],
        }

    def _agent(self, agency: Agency | None) -> Node:
        if agency is None:
            return {"@id": f"{self._base}/organization/publisher", "@type": "foaf:Agent", "foaf:name": _texts(self._title)}
        node: Node = {
            "@id": f"{self._base}/organization/{agency.id}",
            "@type": "foaf:Agent",
            "foaf:name": _texts(agency.title or {"zh": agency.name}),
        }
        if agency.code:
            node["dct:identifier"] = agency.code
        return node


_SAFE: Final = ":/?#[]@!$&'()*+,;=%-._~"


def _texts(names: Mapping[str, str]) -> list[Node]:
    return [{"@value": text, "@language": language} for language, text in names.items() if text]


def _time(text: str) -> Any:
    return {"@value": text, "@type": "xsd:dateTime"} if text else []


def _of_list(name: str, code: str, type: str) -> Node:
    return {"@id": f"{EU}{name}/{code}", "@type": type}


def _concept(name: str, label: str) -> Node:
    return {"@id": EU + name, "@type": "skos:Concept", "skos:prefLabel": [{"@value": label, "@language": "en"}]}


def _contact(id: str, dataset: Dataset) -> Node:
    node: Node = {"@id": id, "@type": ["vcard:Kind", "vcard:Organization"], "vcard:fn": dataset.contact or dataset.contact_email}
    if "@" in dataset.contact_email:
        node["vcard:hasEmail"] = {"@id": f"mailto:{quote(dataset.contact_email, safe='@.+-_')}"}
    return node


def _area(id: str, bbox: tuple[float, float, float, float]) -> Node:
    west, south, east, north = bbox
    ring = f"POLYGON(({west} {south},{east} {south},{east} {north},{west} {north},{west} {south}))"
    wkt = {"@value": ring, "@type": "http://www.opengis.net/ont/geosparql#wktLiteral"}
    return {"@id": id, "@type": "dct:Location", "dcat:bbox": wkt}


def page_node(address: str, query: Mapping[str, str], page: int, size: int, total: int) -> Node:
    """Which page of the catalogue this is, and where the others are (Hydra, as CKAN's DCAT extension has it)."""

    def at(number: int) -> str:
        rest = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items() if name != "page")
        return f"{address}?{rest}{'&' if rest else ''}page={number}"

    last = max(1, -(-total // size))
    node: Node = {
        "@id": at(page), "@type": "hydra:PagedCollection", "hydra:totalItems": total, "hydra:itemsPerPage": size,
        "hydra:first": at(1), "hydra:last": at(last),
    }  # fmt: skip
    if page > 1:
        node["hydra:previous"] = at(page - 1)
    if page < last:
        node["hydra:next"] = at(page + 1)
    return node
