"""The parts of the catalogue that come by themselves: agencies of the context, themes of the district, datasets that are offered."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import msgspec

from cityhub.catalogue.district_words import DistrictWords, Place
from cityhub.catalogue.licences import licence_of
from cityhub.catalogue.model import DOWNLOAD, Agency, Dataset, Distribution, Names, Rule, Theme, in_language, local_name
from cityhub.catalogue.national import CYCLE_SECONDS, resource_code
from cityhub.model.condition import TypeIs
from cityhub.model.entity import value_of
from cityhub.model.ports import DatasetSource, Document, OfferedDataset, Store
from cityhub.model.vocabulary import NAME

ORGANIZATION: Final = "https://smartdatamodels.org/dataModel.Organization/Organization"
MAX_AGENCIES: Final = 1_000


class Automatic(msgspec.Struct, frozen=True):
    """One automatic record: its key among those of its kind, and its document without id."""

    key: str
    document: Document


class AutomaticParts:
    """Reads all automatic records.

    Args:
        store: Asked for organizations.
        sources: Who offers datasets.
        words: What the district says of them.
        place: The district.
    """

    def __init__(self, store: Store, sources: Sequence[DatasetSource], words: DistrictWords, place: Place) -> None:
        self._store = store
        self._sources = sources
        self._words = words
        self._place = place

    async def read(self, tenant: str) -> dict[type, list[Automatic]]:
        """The automatic records by kind: agencies, themes, datasets."""
        agencies = await self._agencies(tenant)
        by_name = {agency.document["name"]: automatic_id(tenant, Agency, agency.key) for agency in agencies}
        offers = [offer for source in self._sources for offer in await source.datasets(tenant)]
        ids = {(offer.kind, offer.key): automatic_id(tenant, Dataset, f"{offer.kind}/{offer.key}") for offer in offers}
        datasets = [self._dataset(offer, ids, by_name) for offer in offers]
        themes = [Automatic(theme.name, msgspec.to_builtins(theme)) for theme in self._words.theme_records()]
        return {Agency: agencies, Theme: themes, Dataset: datasets}

    async def _agencies(self, tenant: str) -> list[Automatic]:
        page = await self._store.find(tenant, TypeIs(ORGANIZATION), None, limit=MAX_AGENCIES)
        found: dict[str, Automatic] = {}
        for entity in page.entities:
            key = local_name(entity["id"])
            names = names_of(entity["attrs"].get(NAME))
            found[key] = Automatic(key, {"name": slug(key), "title": names or {"zh": key}, "entity": entity["id"]})
        if self._words.provider not in found:
            key = self._words.provider
            found[key] = Automatic(key, {"name": slug(key), "title": self._words.provider_name})
        return list(found.values())

    def _dataset(self, offer: OfferedDataset, ids: dict[tuple[Any, str], str], agencies: dict[str, str]) -> Automatic:
        key = f"{offer.kind}/{offer.key}"
        words = self._words.of(_word(offer))
        provider = slug(words.provider or offer.facts.get("provider", "") or self._words.provider)
        item = next((theme.item for theme in self._words.themes if theme.name in words.themes), "00")
        document: Document = {
            "name": slug(_word(offer) if offer.kind == "entity type" else f"{offer.kind} {_word(offer)}"),
            "title": words.title or offer.title or {"zh": _word(offer)},
            "description": words.description or offer.description,
            "origin": {"kind": offer.kind, "key": offer.key},
            "owner": agencies.get(provider, agencies.get(slug(self._words.provider), "")),
            "code": resource_code(words.category, item, self._place.code, key),
            "category": words.category,
            "item": item,
            "format": "数据库",
            "share": words.share,
            "share_condition": in_language(words.share_condition),
            "share_method": "" if words.share == "none" else "共享平台方式：接口与文件",
            "open": words.open,
            "cycle": words.cycle,
            "grade": words.grade,
            "licence": licence_of(words.licence) if words.licence else self._words.licence if words.open else "notspecified",
            "bbox": self._place.bbox,
            "themes": sorted(words.themes),
            "tags": sorted(set(words.tags)),
            "fields": [msgspec.to_builtins(field) for field in offer.fields],
            "statement": offer.statement,
            "upstream": sorted(ids[reference] for reference in offer.upstream if reference in ids),
        }
        if offer.kind == "view":
            document |= _of_history(document)
        facts = {name: value for name, value in offer.facts.items() if name != "provider"}
        document |= facts
        if offer.kind == "entity type":
            document["rules"] = [msgspec.to_builtins(rule) for rule in self._rules(offer, words.cycle)]
        document["fields"] = [self._titled(field) for field in document["fields"]]
        id = ids[(offer.kind, offer.key)]
        document["distributions"] = [_placed(item, id) for item in document.get("distributions", [])]
        return Automatic(key, document)

    def _rules(self, offer: OfferedDataset, cycle: str) -> list[Rule]:
        """What must hold of entities: ids, names, the ranges that the district knows, and how old the newest value may be."""
        names = {field.name for field in offer.fields}
        rules = [Rule("complete", "id"), Rule("unique", "id"), *([Rule("complete", "name")] if "name" in names else [])]
        for name, (low, high) in self._words.ranges.items():
            rules += [Rule("between", name, low, high)] if name in names else []
        if "observed_at" in names and cycle in CYCLE_SECONDS:
            rules.append(Rule("fresh", "observed_at", high=CYCLE_SECONDS[cycle]))
        return rules

    def _titled(self, field: Document) -> Document:
        known = self._words.attributes.get(field["name"].partition(".")[0])
        return {**field, "title": known} if known and not field["title"] else field


def _of_history(document: Document) -> Document:
    """What the past of a type is called, and that it is no open data by itself: it is asked for by statements."""
    title = {"zh": f"{in_language(document['title'])}（历史）", "en": f"{in_language(document['title'], 'en')} (history)"}
    description = {"zh": "每个实体在每个时间的读数，一行一个时间。", "en": "The readings of each entity, a row for each time."}
    return {"title": title, "description": description, "open": False, "licence": "notspecified"}


def _placed(distribution: Document, dataset: str) -> Document:
    """An automatic distribution with an id of its own, and with its address when it is a file of this hub."""
    url = str(distribution["url"])
    if url.startswith(DOWNLOAD):
        url = f"/api/catalogue/datasets/{dataset}/download/{url.removeprefix(DOWNLOAD)}"
    own = str(uuid5(NAMESPACE_URL, f"{dataset}/{distribution['id']}"))
    return msgspec.to_builtins(msgspec.convert({**distribution, "id": own, "url": url}, Distribution))  # type: ignore[no-any-return]


def _word(offer: OfferedDataset) -> str:
    return local_name(offer.key)


def names_of(instances: list[dict[str, Any]] | None) -> Names:
    """The texts by language of a name as an entity has it; {} for none."""
    value = value_of(instances[0]) if instances else None
    if isinstance(value, dict):
        return {str(tag): str(text) for tag, text in value.items() if tag != "@none"}
    return {"zh": value} if isinstance(value, str) else {}


def slug(text: str) -> str:
    """A short name for addresses made of a text: small letters, digits and "-".

    >>> slug("WeatherObserved"), slug("entity type KPI:2"), slug("水")
    ('weather-observed', 'entity-type-kpi-2', 'u6c34')
    """
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(one if ord(one) < 128 else f" u{ord(one):x} " for one in plain if not unicodedata.combining(one))
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", plain)
    short = re.sub(r"[^a-z0-9]+", "-", parted.lower()).strip("-")[:90]
    return short if len(short) >= 2 else f"x-{short}"


def automatic_id(tenant: str, kind: type, key: str) -> str:
    """The UUID of a record that comes by itself, the same in every hub."""
    return str(uuid5(NAMESPACE_URL, f"https://cityhub.example/catalogue/{tenant}/{kind.__name__}/{key}"))
