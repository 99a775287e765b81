"""The query options of a request, read and bounded.

Source: OGC 18-088, 9.3 (Query options).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from cityhub.ingest.sensorthings.expression import Expression, Path, parse, parse_order, paths_in
from cityhub.ingest.sensorthings.kinds import KINDS, Kind, Link
from cityhub.model.errors import BadRequestData, NotImplementedHere

PAGE: Final = 100
"""Entities on a page when the request does not say."""
MAX_PAGE: Final = 1_000
"""Most entities on a page; what is more is reached by @iot.nextLink."""
MAX_SKIP: Final = 10_000_000
MAX_EXPAND_DEPTH: Final = 5
MAX_EXPANDS: Final = 30
"""Most links that one request expands."""
MAX_STEPS: Final = 6
"""Most links in one path of an expression."""
OPTIONS: Final = ("$filter", "$orderby", "$select", "$expand", "$top", "$skip", "$count", "$resultFormat", "resultFormat")


class Query(msgspec.Struct, frozen=True):
    """What is wanted of a set of entities.

    Attributes:
        filter: What must hold.
        order: What they are sorted by, each with whether descending; empty: the order in which they were made.
        select: Names of what is shown; None: everything.
        expand: What is shown inside, by link.
        top: Most entities; None: the usual page.
        skip: So many are left out first.
        count: Whether all that match are counted.
        format: "" or "dataArray".
        given: The options as they were written, by name.
    """

    filter: Expression | None = None
    order: tuple[tuple[Expression, bool], ...] = ()
    select: tuple[str, ...] | None = None
    expand: dict[str, Query] = {}
    top: int | None = None
    skip: int = 0
    count: bool = False
    format: str = ""
    given: tuple[tuple[str, str], ...] = ()

    @property
    def size(self) -> int:
        """Most entities on a page."""
        return PAGE if self.top is None else min(self.top, MAX_PAGE)


def read_query(kind: Kind, options: Mapping[str, str], now: str) -> Query:
    """The query options of a request for a kind of entities. Raises BadRequestData saying what would be right."""
    return _Reader(now).query(kind, options, 0)


class _Reader:
    def __init__(self, now: str) -> None:
        self._now = now
        self._expands = 0

    def query(self, kind: Kind, options: Mapping[str, str], depth: int) -> Query:
        for name in options:
            if name not in OPTIONS:
                raise BadRequestData(f"'{name[:50]}' is no query option; known: {', '.join(OPTIONS)}")
        filter = parse(options["$filter"], self._now) if options.get("$filter") else None
        order = tuple(parse_order(options["$orderby"], self._now)) if options.get("$orderby") else ()
        for expression in (filter, *(one for one, _ in order)):
            if expression is not None:
                for path in paths_in(expression):
                    check_path(kind, path)
        return Query(
            filter, order, self._select(kind, options.get("$select")), self._expand(kind, options.get("$expand"), depth),
            _number(options, "$top"), min(_number(options, "$skip") or 0, MAX_SKIP), _flag(options, "$count"), _format(options, kind),
            tuple(options.items()),
        )  # fmt: skip

    def _select(self, kind: Kind, text: str | None) -> tuple[str, ...] | None:
        if text is None:
            return None
        names = tuple(name.strip() for name in text.split(","))
        known = (*kind.properties, *kind.links, "id", "@iot.id", "@iot.selfLink", *DERIVED.get(kind.name, ()))
        for name in names:
            if name.partition("/")[0] not in known:
                raise BadRequestData(f"'$select': '{name[:50]}' is no property of {kind.plural}; known: {', '.join(known)}")
        return names

    def _expand(self, kind: Kind, text: str | None, depth: int) -> dict[str, Query]:
        if not text:
            return {}
        if depth >= MAX_EXPAND_DEPTH:
            raise BadRequestData(f"'$expand' may go at most {MAX_EXPAND_DEPTH} links deep")
        found: dict[str, Query] = {}
        for item in split(text, ","):
            name, inner = _item(item)
            head, _, rest = name.partition("/")
            link = kind.links.get(head)
            if link is None:
                raise BadRequestData(f"'$expand': '{head[:50]}' is no link of {kind.plural}; known: {', '.join(kind.links)}")
            self._expands += 1
            if self._expands > MAX_EXPANDS:
                raise BadRequestData(f"'$expand' may name at most {MAX_EXPANDS} links")
            options = {"$expand": f"{rest}({inner})" if inner else rest} if rest else _options(inner)
            query = self.query(KINDS[link.kind], options, depth + 1)
            if head in found:  # Datastreams/Sensor,Datastreams/Thing
                query = msgspec.structs.replace(found[head], expand={**found[head].expand, **query.expand})
            found[head] = query
        return found


DERIVED: Final = {"Datastream": ("phenomenonTime", "resultTime", "observedArea"), "Observation": ()}
"""Properties that nobody gives: they follow from the observations."""


def check_path(kind: Kind, path: Path) -> None:
    """Raises BadRequestData for a path that is none of a kind."""
    steps = 0
    for place, part in enumerate(path.parts):
        link = kind.links.get(part)
        if link is None:
            if part in kind.properties or part in ("id", "@iot.id") or part in DERIVED.get(kind.name, ()):
                return
            where = "/".join(path.parts[: place + 1])
            known = ", ".join((*kind.properties, "id", *kind.links))
            raise BadRequestData(f"'{where[:100]}' is nothing that {kind.plural} have; known: {known}")
        kind = KINDS[link.kind]
        steps += 1
        if steps > MAX_STEPS:
            raise BadRequestData(f"A path in an expression may have at most {MAX_STEPS} links")
    raise BadRequestData(f"'{'/'.join(path.parts)[:100]}' is a link; a property of it is meant, such as {'/'.join(path.parts)[:100]}/id")


def links_of(kind: Kind, path: Path) -> tuple[tuple[tuple[str, Link], ...], tuple[str, ...]]:
    """The links of a path that `check_path` has passed, and the rest: a property with what is inside of it."""
    steps: list[tuple[str, Link]] = []
    for place, part in enumerate(path.parts):
        link = kind.links.get(part)
        if link is None:
            return tuple(steps), path.parts[place:]
        steps.append((part, link))
        kind = KINDS[link.kind]
    return tuple(steps), ()


def split(text: str, sign: str) -> Iterator[str]:
    """The parts of a text between signs that stand neither in parentheses nor in quotes."""
    depth, quoted, start = 0, False, 0
    for place, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif not quoted:
            depth += (character == "(") - (character == ")")
            if character == sign and depth == 0:
                yield text[start:place]
                start = place + 1
    if depth or quoted:
        raise BadRequestData(f"Parentheses or quotes are not closed in '{text[:100]}'")
    yield text[start:]


def _item(text: str) -> tuple[str, str]:
    name, bracket, inner = text.strip().partition("(")
    if bracket and not inner.endswith(")"):
        raise BadRequestData(f"'$expand': '{text[:100]}' must look like Datastreams($top=1;$orderby=name)")
    return name.strip(), inner[:-1] if bracket else ""


def _options(text: str) -> dict[str, str]:
    found = {}
    for part in split(text, ";") if text.strip() else ():
        name, sign, value = part.partition("=")
        if not sign:
            raise BadRequestData(f"'$expand': '{part[:50]}' must look like $top=1")
        found[name.strip()] = value
    return found


def _number(options: Mapping[str, str], name: str) -> int | None:
    text = options.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise BadRequestData(f"'{name}' must be a natural number, not '{text[:50]}'")
    return int(text)


def _flag(options: Mapping[str, str], name: str) -> bool:
    text = options.get(name, "false")
    if text not in ("true", "false"):
        raise BadRequestData(f"'{name}' must be true or false, not '{text[:50]}'")
    return text == "true"


def _format(options: Mapping[str, str], kind: Kind) -> str:
    text = options.get("$resultFormat", options.get("resultFormat", ""))
    if text not in ("", "dataArray", "json"):
        raise NotImplementedHere(f"'$resultFormat' may be dataArray; '{text[:50]}' is not offered here")
    if text == "dataArray" and kind.name != "Observation":
        raise BadRequestData("'$resultFormat=dataArray' goes with Observations only")
    return "" if text == "json" else text
