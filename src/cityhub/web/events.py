"""Changes as server-sent events: what a client asked for, what a change means to it, and the bytes on the wire.

Source: WHATWG HTML, section 9.2, server-sent events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec
import orjson

from cityhub.model.change import Change
from cityhub.model.entity import Entity

Kind = Literal["created", "updated", "deleted", "left"]
"""`left`: the entity is still there but no longer satisfies the query."""


class Selection(msgspec.Struct, frozen=True):
    """What a client wants to hear.

    Attributes:
        key: Equal for selections that match the same changes in the same form.
        form: Equal for selections that write a change in the same form (context, representation).
        matches: Whether an entity satisfies the query.
        render: The entity as it is sent, and its types: JSON values under the client's context.
    """

    key: str
    form: str
    matches: Callable[[Entity], bool]
    render: Callable[[Entity], dict[str, Any]]
    tenant: str = ""


def kind_of(change: Change, matches: Callable[[Entity], bool]) -> Kind | None:
    """What a change means to a query; None when it does not concern it."""
    if change.after is None:
        return "deleted" if change.before is not None and matches(change.before) else None
    if matches(change.after):
        return change.kind
    return "left" if change.before is not None and matches(change.before) else None


def event_of(change: Change, kind: Kind, selection: Selection) -> bytes:
    """A change as a server-sent event."""
    document = change.after if change.after is not None else change.before
    rendered = selection.render(document) if document is not None else {}
    data = {
        "position": change.position, "id": change.id, "type": rendered.get("type", []), "kind": kind, "at": change.at,
        "entity": rendered if change.after is not None else None,
    }
    return b"id: %d\ndata: %s\n\n" % (change.position, orjson.dumps(data))


def named_event(name: str, data: dict[str, Any], position: int | None = None) -> bytes:
    """An event with a name of its own."""
    place = b"" if position is None else b"id: %d\n" % position
    return b"%sevent: %s\ndata: %s\n\n" % (place, name.encode(), orjson.dumps(data))


def written_once(change: Change, selection: Selection, written: dict[tuple[str, Kind], bytes]) -> bytes | None:
    """A change as an event in the selection's form, written once per form; None when the query does not ask for it."""
    kind = kind_of(change, selection.matches)
    if kind is None:
        return None
    form = (selection.form, kind)
    event = written.get(form)
    if event is None:
        event = written[form] = event_of(change, kind, selection)
    return event
