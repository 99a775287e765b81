"""The part of Solr's query syntax that CKAN's clients use, as a predicate over packages.

`word "a phrase" field:value field:"a phrase" field:(a OR b) field:[a TO b] field:* *:* + - NOT AND OR ( )`; `*` and `?` stand for any
characters. Words without a field go to the text search of the catalogue.

Source: CKAN 2.11, `package_search`; Apache Solr, the standard query parser.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from typing import Any, Final

from cityhub.catalogue.ckan_errors import SearchQueryError

Fields = dict[str, list[str]]
Predicate = Callable[[Fields, bool], bool]
"""Of the fields of a package and of whether it was found by its text."""

MAX_LENGTH: Final = 5_000
MAX_DEPTH: Final = 20
_TOKEN: Final = re.compile(
    r"""\s*(?:
    (?P<range>[\[{][^\]}]*[\]}]) | (?P<open>\() | (?P<close>\)) | (?P<field>[A-Za-z*][\w*.-]*):(?=\S)
    | (?P<phrase>"(?:[^"\\]|\\.)*") | (?P<sign>[+!-])(?=\S) | (?P<word>(?:[^\s()"\[\]{}:]|\\.|:(?=\S))+) | (?P<bad>\S)
    )""",
    re.VERBOSE,
)
_RANGE: Final = re.compile(r"[\[{]\s*(\S+)\s+TO\s+(\S+?)\s*[\]}]$", re.IGNORECASE)


class Query:
    """A query that was understood.

    Attributes:
        words: What to look for in the texts; "" for nothing.
    """

    def __init__(self, words: str, predicate: Predicate) -> None:
        self.words = words
        self._predicate = predicate

    def matches(self, fields: Fields, found: bool) -> bool:
        """Whether a package matches; `found`: its texts have the words."""
        return self._predicate(fields, found)


def parse(text: str) -> Query:
    """The query of a text; an empty one matches everything. Raises SearchQueryError."""
    if len(text) > MAX_LENGTH:
        raise SearchQueryError(f"a query may have at most {MAX_LENGTH} characters")
    reader = _Reader(text)
    predicate = reader.alternatives(0)
    if reader.kind is not None:
        raise SearchQueryError(f"')' without '(' in '{text[:100]}'")
    return Query(" ".join(reader.words), predicate)


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = [(match.lastgroup, match.group(match.lastgroup or 0)) for match in _TOKEN.finditer(text.strip())]
        self._at = 0
        self.words: list[str] = []
        for kind, value in self._tokens:
            if kind == "bad":
                raise SearchQueryError(f"'{value}' has no meaning where it stands in '{text[:100]}'")

    @property
    def kind(self) -> str | None:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else None

    @property
    def value(self) -> str:
        return self._tokens[self._at][1]

    def alternatives(self, depth: int, field: str = "") -> Predicate:
        """Terms with AND, OR or nothing between them (nothing is AND, in a field's parentheses OR)."""
        if depth > MAX_DEPTH:
            raise SearchQueryError(f"more than {MAX_DEPTH} parentheses in each other")
        groups: list[list[Predicate]] = [[]]
        while self.kind is not None and self.kind != "close":
            if self.kind == "word" and self.value in ("AND", "&&"):
                self._at += 1
            elif self.kind == "word" and self.value in ("OR", "||"):
                self._at += 1
                groups.append([])
            else:
                groups[-1].append(self._term(depth, field))
        full = [group for group in groups if group]
        if not full:
            return lambda fields, found: True
        return lambda fields, found: any(all(one(fields, found) for one in group) for group in full)

    def _term(self, depth: int, field: str) -> Predicate:
        kind, value = self.kind, self.value
        self._at += 1
        if kind == "sign" or (kind == "word" and value == "NOT"):
            if self.kind in (None, "close"):
                raise SearchQueryError(f"something must follow '{value}'")
            inner = self._term(depth, field)
            return inner if value == "+" else lambda fields, found: not inner(fields, found)
        if kind == "field":
            if self.kind is None:
                raise SearchQueryError(f"something must follow '{value}:'")
            return self._term(depth, value)
        if kind == "open":
            inner = self.alternatives(depth + 1, field)
            if self.kind != "close":
                raise SearchQueryError("'(' without ')'")
            self._at += 1
            return inner
        if kind == "range":
            return _between(field, value)
        text = re.sub(r"\\(.)", r"\1", value[1:-1] if kind == "phrase" else value)
        return self._value(field, text, kind == "phrase")

    def _value(self, field: str, text: str, phrase: bool) -> Predicate:
        if field in ("", "text"):
            if text == "*":
                return lambda fields, found: True
            self.words.append(text.strip("*?"))
            return lambda fields, found: found
        if text == "*" and not phrase:
            return lambda fields, found: field == "*" or bool(fields.get(field))
        wanted = text.lower()
        if not phrase and ("*" in wanted or "?" in wanted):
            pattern = re.compile(fnmatch.translate(wanted.replace("[", "[[]")))
            return lambda fields, found: any(pattern.match(value.lower()) for value in fields.get(field, ()))
        if field in _TEXTS:
            return lambda fields, found: any(wanted in value.lower() for value in fields.get(field, ()))
        return lambda fields, found: any(wanted == value.lower() for value in fields.get(field, ()))


_TEXTS: Final = frozenset(("title", "notes", "author", "maintainer", "res_name", "res_description"))
"""Fields in which a word is looked for; the others must be equal."""


def _between(field: str, text: str) -> Predicate:
    match = _RANGE.match(text)
    if match is None or not field:
        raise SearchQueryError(f"a range must be written as field:[low TO high], not '{text[:100]}'")
    low, high = (None if end == "*" else _moment(end) for end in match.groups())
    return lambda fields, found: any((low is None or value >= low) and (high is None or value <= high) for value in fields.get(field, ()))


def _moment(text: str) -> str:
    """A time as fields have it, without zone; other texts as they are."""
    return text.strip('"').removesuffix("Z")


def sort_keys(text: str) -> list[tuple[str, bool]]:
    """(field, whether from high to low) of a `sort` such as "score desc, metadata_modified desc". Raises SearchQueryError."""
    keys = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, order = part.partition(" ")
        if order.strip().lower() not in ("asc", "desc"):
            raise SearchQueryError(f"'sort' must be like 'name asc, metadata_modified desc', not '{text[:100]}'")
        keys.append((name, order.strip().lower() == "desc"))
    return keys


_LONG: Final = frozenset(("information_items", "quality_rules"))
"""Extras that nobody looks for as a whole; the text search knows the names in them."""


def fields_of(package: dict[str, Any]) -> Fields:
    """The fields of a package that queries, facets and sorting see."""
    organization = package["organization"]
    fields: Fields = {
        name: [str(package[name])]
        for name in ("id", "name", "title", "notes", "license_id", "state", "type", "author", "maintainer", "url", "owner_org", "version")
        if package.get(name) not in (None, "")
    }
    fields |= {name: [str(package[name])] for name in ("metadata_created", "metadata_modified") if package[name]}
    fields |= {
        "dataset_type": [package["type"]], "private": [str(package["private"]).lower()],
        "capacity": ["private" if package["private"] else "public"],
        "isopen": [str(package["isopen"]).lower()], "tags": [tag["name"] for tag in package["tags"]],
        "groups": [group["name"] for group in package["groups"]], "organization": [organization["name"]] if organization else [],
        "res_format": [item["format"] for item in package["resources"]], "res_url": [item["url"] for item in package["resources"]],
        "res_name": [item["name"] for item in package["resources"]], "num_resources": [str(package["num_resources"])],
        "res_description": [item["description"] for item in package["resources"]], "license": [str(package["license_id"])],
        "title_string": [package["title"]],
    }  # fmt: skip
    for extra in package["extras"]:
        if extra["key"] in _LONG:
            continue
        fields[f"extras_{extra['key']}"] = fields.setdefault(extra["key"], [str(extra["value"])])
    return fields
