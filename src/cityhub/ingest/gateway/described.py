"""The protocols and formats that a feed may name, as a screen shows them."""

from __future__ import annotations

from typing import Literal

import msgspec

from cityhub.ingest.decoding import FORMATS
from cityhub.ingest.gateway_port import Described
from cityhub.ingest.protocols import PROTOCOLS, protocol_module


def described(what: Literal["protocols", "formats"]) -> list[Described]:
    """All protocols or all formats; imports the modules of all protocols."""
    if what == "formats":
        return [_described(name, form.options, form.options.__doc__, form.title) for name, form in FORMATS.items()]
    modules = {name: protocol_module(name) for name in PROTOCOLS}
    return [_described(name, module.Settings, module.__doc__) for name, module in modules.items()]


def _described(name: str, settings: type[msgspec.Struct], text: str | None, title: dict[str, str] | None = None) -> Described:
    return Described(name, (text or "").strip().partition("\n")[0], msgspec.json.schema(settings), title or {})
