"""The page docs/protocols.md: each protocol has a row and an example that can be connected."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from cityhub.ingest.feed import Feed, read_feed
from cityhub.ingest.protocols import PROTOCOLS, connect, protocol_module, read_settings
from tests.unit.ingest.protocols.peers import Kept, surroundings

PAGE = (Path(__file__).parents[4] / "docs/protocols.md").read_text("utf-8")
EXAMPLES: list[str] = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: text.splitlines()[1].removeprefix("protocol: "))
def test_each_example_can_be_connected(text: str, tmp_path: Path) -> None:
    feed: Feed = read_feed(text.encode())
    if feed.protocol == "folder":
        feed = msgspec.structs.replace(feed, source=feed.source | {"folder": str(tmp_path)})
    assert hasattr(connect(feed, surroundings(Kept(), folders=(str(tmp_path),))), "run")
    assert read_settings(feed) is not None


def test_each_protocol_has_an_example_and_a_row() -> None:
    shown = {read_feed(text.encode()).protocol for text in EXAMPLES}
    assert shown == set(PROTOCOLS)
    assert set(PROTOCOLS) <= set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_each_protocol_has_a_schema_and_says_what_it_is(name: str) -> None:
    module = protocol_module(name)
    assert msgspec.json.schema(module.Settings) and module.__doc__


def test_no_library_of_a_protocol_is_loaded_before_a_feed_needs_it() -> None:
    import subprocess
    import sys

    names = "pymodbus asyncua pysnmp aiocoap pymysql psycopg apsw pyarrow"
    program = (
        "import sys; from cityhub.ingest.protocols import PROTOCOLS, protocol_module; [protocol_module(name) for name in PROTOCOLS];"
        f"print([name for name in {names.split()} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
