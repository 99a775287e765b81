"""What the operations centre asks for: every address in its client is a door of the hub, with that method."""

from __future__ import annotations

import re
from pathlib import Path

from cityhub.hub import build
from cityhub.settings import Settings

CLIENT = Path(__file__).parents[3] / "ui" / "src" / "api"
ASKED = re.compile(r'ask(?:<[^(]*>)?\(\s*(?:path)?[`"]?([^`",)]+)[`"]?(?:,\s*\{([^)]*?)\})?\s*\)', re.DOTALL)
CONSTANT = re.compile(r'^const ([A-Z]+) = [`"]([^`"]+)[`"];', re.MULTILINE)


def asked_for() -> set[tuple[str, str]]:
    """Method and path of every question, with `{}` for each parameter."""
    found = set()
    for file in CLIENT.glob("*.ts"):
        text = file.read_text("utf-8")
        constants: dict[str, str] = {}
        for name, value in CONSTANT.findall(text):
            constants[name] = value.format_map(constants).replace("$", "")
        for name, value in constants.items():
            text = text.replace(f"${{{name}}}", value)
        for address, options in ASKED.findall(text):
            path = constants.get(address, address).replace("${to}", "start")
            method = re.search(r'method: "([A-Z]+)"', options)
            if path.startswith("/"):
                found.add((method[1] if method else "GET", re.sub(r"\$\{[^}]*\}", "{}", path)))
    return found


async def test_every_address_is_a_door_of_the_hub(tmp_path: Path) -> None:
    hub = await build(Settings(data=tmp_path, feeds=False))
    doors = {(route.method, re.sub(r"\{[^}]*\}", "{}", route.path)) for route in hub.application.router.routes}
    await hub.stop()
    asked = asked_for()
    assert len(asked) > 25
    assert asked - doors == set()
