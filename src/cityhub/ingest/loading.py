"""Bringing a district's entities and recorded figures into a hub, once, and again only when a file has changed."""

from __future__ import annotations

from typing import Any

import msgspec

from cityhub.ingest.district import District, EntityFile, Feed, digest_of, read_entities
from cityhub.ingest.upsert import HubClient, Rejected

Entity = dict[str, Any]


class Loaded(msgspec.Struct, frozen=True):
    """What a loading did: files whose content was new, entities sent, entities refused."""

    files: tuple[str, ...]
    entities: int
    rejected: tuple[Rejected, ...]


def load_district(client: HubClient, district: District, patience_s: float = 60.0) -> Loaded:
    """Loads the district's entity files and its recorded feeds into the hub.

    A file is skipped when the hub's `Dataset` or `Feed` entity for it bears the digest of its content. A changed file is
    sent whole: its attributes replace those of the same name, others stay, and entities that are no longer in it stay.
    The digest is written last, and only when nothing was refused, so a loading that was cut short is done again.

    Raises:
        HubAway: when the hub stayed away for `patience_s`.
        ValueError: when a file is not JSON lines.
    """
    known = {item["id"]: item.get("digest") for item in client.entities(["Dataset", "Feed"], patience_s)}
    parts: list[EntityFile | Feed] = [*district.about.entities, *(feed for feed in district.feeds if feed.kind == "recorded")]
    files: list[str] = []
    count = 0
    rejected: list[Rejected] = []
    for part in parts:
        path = district.path(part.file)
        digest = digest_of(path)
        about = describe_file(district, part) if isinstance(part, EntityFile) else describe_feed(district, part)
        if known.get(about["id"]) == digest:
            continue
        entities = read_entities(path)
        refused = client.upsert(entities, patience_s) if isinstance(part, EntityFile) else _play(client, entities, patience_s)
        about["itemCount"] = len({entity["id"] for entity in entities})
        if not refused:
            about["digest"] = digest
        rejected += refused + client.upsert([about], patience_s)
        files.append(part.file)
        count += len(entities)
    return Loaded(tuple(files), count, tuple(rejected))


def _play(client: HubClient, entities: list[Entity], patience_s: float) -> list[Rejected]:
    """Sends recorded figures in their order. A batch never holds an entity twice, so each figure is a change of its own."""
    rejected: list[Rejected] = []
    batch: dict[str, Entity] = {}
    for entity in entities:
        if entity["id"] in batch:
            rejected += client.upsert(list(batch.values()), patience_s)
            batch = {}
        batch[entity["id"]] = entity
    return rejected + client.upsert(list(batch.values()), patience_s)


def describe_file(district: District, part: EntityFile) -> Entity:
    """The `Dataset` entity of an entity file, without its digest."""
    about: Entity = {
        "id": district.uri("Dataset", part.id), "type": "Dataset", "name": {"languageMap": part.names},
        "source": part.source, "license": part.license,
    }
    if part.date:
        about["period"] = part.date
    return about


def describe_feed(district: District, feed: Feed) -> Entity:
    """The `Feed` entity of a feed, without state, digest or count."""
    about: Entity = {
        "id": district.uri("Feed", feed.id), "type": "Feed", "name": {"languageMap": feed.names},
        "source": feed.source, "license": feed.license, "simulated": feed.kind == "simulated",
    }
    if feed.kind == "simulated":
        about["updatePeriod"] = {"value": feed.period_s, "unitCode": "SEC"}
    return about
