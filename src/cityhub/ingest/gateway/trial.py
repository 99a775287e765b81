"""Trying a message out: what it would become, and nothing kept."""

from __future__ import annotations

from typing import Any, Final

from cityhub.ingest.gateway.stages import Stages
from cityhub.ingest.gateway.words import Tried
from cityhub.ingest.gateway_port import Problem, Stage, Trial
from cityhub.ingest.message import Message
from cityhub.model.errors import CityHubError
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.render import render_entity
from cityhub.model.ngsild.view import View
from cityhub.model.ports import EntityUpdate

MOST_RECORDS: Final = 200
"""So many records of a sample are looked at."""


def tried(stages: Stages, message: Message) -> Tried:
    """What a message would become."""
    try:
        decoded = message.records
        if decoded is None:
            decoded = stages.decoding(message.format)(message.body, message.about)
    except (ValueError, CityHubError) as error:
        return Tried(problems=[(-1, "decode", str(error))])
    try:
        records = stages.mapping.records(decoded, message)[:MOST_RECORDS]
    except (ValueError, CityHubError) as error:
        return Tried(decoded[:MOST_RECORDS], problems=[(-1, "map", str(error))])
    updates: list[EntityUpdate] = []
    problems: list[tuple[int, str, str]] = []
    for place, record in enumerate(records):
        try:
            updates += stages.mapping.apply(record, message)
        except (ValueError, CityHubError) as error:
            problems.append((place, "map", str(error)))
    return Tried(records, stages.quality.flag(updates, message.received_at), problems)


def trial_of(outcome: Tried, terms: TermMap) -> Trial:
    """The trial as the port gives it: entities concise, with the names of the @context."""
    stages: dict[str, Stage] = {"decode": "decode", "map": "map"}
    problems = [Problem(place, stages.get(stage, "check"), reason) for place, stage, reason in outcome.problems]
    return Trial(outcome.records, [_shown(update, terms) for update in outcome.updates], problems)


def _shown(update: EntityUpdate, terms: TermMap) -> dict[str, Any]:
    entity = {"id": update.id, "type": update.types, "attrs": update.attributes, "createdAt": "", "modifiedAt": ""}
    return render_entity(entity, terms, View("concise"))
