"""The examples of docs/mapping.md are what happens."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from cityhub.ingest.decoding import FORMATS, decoder
from cityhub.ingest.feed import read_feed
from cityhub.ingest.mapping import compile_mapping
from cityhub.ingest.message import Message
from cityhub.ingest.quality import FLAGS, checks_of
from cityhub.model.entity import VALUE_KEY
from cityhub.model.ngsild.moment import show

PAGE = (Path(__file__).parents[3] / "docs/mapping.md").read_text("utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```\n.*?```(json|text)\n(.*?)```\n.*?```json\n(.*?)```", PAGE, re.DOTALL)
ARRIVED = "2026-11-23T06:06:00.000000Z"


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == PAGE.count("```yaml") >= 4


@pytest.mark.parametrize(("definition", "form", "payload", "result"), EXAMPLES, ids=[read_feed(one[0].encode()).id for one in EXAMPLES])
def test_examples(definition: str, form: str, payload: str, result: str) -> None:
    feed = read_feed(definition.encode())
    mapping, checks = compile_mapping(feed, str), checks_of(feed, str)
    body = payload.encode("gb18030" if form == "text" else "utf-8")
    message = Message(body, {"topic": ["river", "g7"]}, ARRIVED)
    records = mapping.records(decoder(feed.format, feed.decoder)(body, message.about), message)
    updates = [update for record in records for update in checks.flag(mapping.apply(record, message), ARRIVED)]
    found = [{"id": update.id, "type": update.types[0], **{name: concise(*items) for name, items in update.attributes.items()}} for update in updates]
    expected = orjson.loads(result)
    for entity in expected:
        for attribute in entity.values():
            if isinstance(attribute, dict):
                attribute.setdefault("observedAt", show(ARRIVED))  # where the feed has no time of its own
    assert found == expected


def concise(instance: dict[str, Any]) -> dict[str, Any]:
    found = {"value": instance[VALUE_KEY[instance["type"]]], "observedAt": show(instance["observedAt"])}
    if "unitCode" in instance:
        found["unitCode"] = instance["unitCode"]
    return found | {name: items[0]["value"] for name, items in instance.get("attrs", {}).items()}


def test_formats_and_flags_are_all_on_the_page() -> None:
    for name in (*FORMATS, *FLAGS):
        assert f"`{name}`" in PAGE, name
