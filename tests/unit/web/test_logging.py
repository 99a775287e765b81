"""The log: its two forms, the trace id, and that no secret reaches it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from cityhub.web.logging import MAX_TEXT, configure, current_trace, without_secrets


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_line_has_time_level_message_trace_and_facts(stream: io.StringIO) -> None:
    configure("auto", "info", stream)
    token = current_trace.set("ab" * 16)
    logging.getLogger("cityhub.notify").warning("'%s' is late", "水位", extra={"lag": 12, "password": "p"})
    current_trace.reset(token)
    logging.getLogger("cityhub.notify").debug("not shown")
    (line,) = stream.getvalue().splitlines()
    found = json.loads(line)
    assert found.pop("time").endswith("Z")
    assert found == {
        "level": "warning", "logger": "cityhub.notify", "message": "'水位' is late", "trace": "ab" * 16, "lag": 12, "password": "***",
    }


def test_exception_is_part_of_the_json_line(stream: io.StringIO) -> None:
    configure("json", "info", stream)
    try:
        raise ValueError("bad token=abc123")
    except ValueError:
        logging.getLogger("x").exception("It failed")
    found = json.loads(stream.getvalue())
    assert "ValueError: bad token=***" in found["exception"]


def test_text_line_cannot_be_forged(stream: io.StringIO) -> None:
    configure("text", "info", stream)
    logging.getLogger("x").info("id %s", "a\n12:00:00 error cityhub: forged", extra={"n": 1})
    (line,) = stream.getvalue().splitlines()
    assert line.endswith("info    x: id a\\n12:00:00 error cityhub: forged (n=1)")


def test_a_line_is_bounded(stream: io.StringIO) -> None:
    configure("json", "info", stream)
    logging.getLogger("x").info("x" * 1_000_000)
    assert len(stream.getvalue()) < MAX_TEXT + 300


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgresql://hub:s3cret@db/hub is down", "s3cret"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ('{"password": "s3cret", "user": "a"}', "s3cret"),
        ("GET /x?api_key=s3cret&type=A", "s3cret"),
        ("GET /x?access_token=s3cret", "s3cret"),
    ],
)
def test_secrets_in_texts(text: str, secret: str) -> None:
    shown = without_secrets(text)
    assert secret not in shown
    assert "***" in shown


def test_ordinary_texts_stay() -> None:
    text = "Entity urn:ngsi-ld:Device:1 of http://a.example:8080/x@y does not exist"
    assert without_secrets(text) == text
