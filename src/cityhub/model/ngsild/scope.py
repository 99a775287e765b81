"""Queries by scope: the NGSI-LD Scope Query Language.

Source: GS CIM 009 clause 4.19.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from cityhub.model.condition import Anything, Condition, ScopeUnder
from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild.alternatives import read_alternatives
from cityhub.model.ngsild.q_condition import all_of, any_of

_SCOPE: Final = re.compile(r"/?(?:[^\W\d_]\w*|\+)(?:/(?:[^\W\d_]\w*|\+))*(?:/#)?|/#")
Test = Callable[[list[str]], bool]


class ScopeQuery:
    """A scope query that was read; immutable.

    Attributes:
        text: As it was written.
        matches: Whether an entity (or registration) has the scopes that are asked for.
        condition: A condition that every matching entity satisfies.
    """

    __slots__ = ("_test", "condition", "text")

    def __init__(self, text: str, alternatives: list[list[str]]) -> None:
        self.text = text
        self._test = _any_of([_all_of([_scope_test(scope) for scope in scopes]) for scopes in alternatives])
        self.condition: Condition = any_of([all_of([_condition(scope) for scope in scopes]) for scopes in alternatives])

    def matches(self, entity: dict[str, Any]) -> bool:
        """Whether the entity's scopes match; an entity without a scope matches nothing."""
        scopes = entity.get("scope")
        if not scopes:
            return False
        return self._test([scopes] if type(scopes) is str else scopes)


def parse_scope_q(text: str, where: str = "scopeQ") -> ScopeQuery:
    """The query of a text such as '(/Madrid/Districts;/CompanyA)|/Madrid/Gardens/#'.

    '+' stands for one level, a final '/#' for the scope and all below it, '/#' alone for any scope. The leading '/' may
    be left out. Raises BadRequestData for anything else, TooComplexQuery if it is too long.
    """
    alternatives = read_alternatives(text, where)
    for scope in (scope for scopes in alternatives for scope in scopes):
        if _SCOPE.fullmatch(scope) is None:
            raise BadRequestData(f"'{where}' has {scope!r}; a scope is like '/Madrid/Gardens', '/Madrid/+/North' or '/Madrid/#'")
    return ScopeQuery(text, [[scope if scope[0] == "/" else f"/{scope}" for scope in scopes] for scopes in alternatives])


def _scope_test(scope: str) -> Test:
    """Whether one of several scopes is what a term of the query says."""
    if scope == "/#":
        return bool
    below = scope.endswith("/#")
    head = scope.removesuffix("/#")
    if "+" in head:
        levels = ["[^/]+" if level == "+" else re.escape(level) for level in head.split("/")]
        match = re.compile("/".join(levels) + ("(?:/.*)?" if below else ""), re.DOTALL).fullmatch
        return lambda scopes: any(map(match, scopes))
    if not below:
        return lambda scopes: scope in scopes
    return lambda scopes: any(item == head or item.startswith(f"{head}/") for item in scopes)


def _all_of(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda scopes: all(test(scopes) for test in tests)


def _any_of(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda scopes: any(test(scopes) for test in tests)


def _condition(scope: str) -> Condition:
    """The levels before the first wildcard."""
    head = "/".join(_until_wildcard(scope.split("/")))
    return ScopeUnder(head) if head else Anything()


def _until_wildcard(levels: Iterable[str]) -> Iterable[str]:
    for level in levels:
        if level in ("+", "#"):
            return
        yield level
