"""Where an expression is evaluated: the names that stand for values, and what may still be spent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cityhub.model.feel.bounds import MAX_CALLS, MAX_LIST, MAX_STEPS, MAX_STRING, Exceeded
from cityhub.model.time import Clock, SystemClock

MAX_WARNINGS: Final = 50
_HEAVY: Final = frozenset({list, dict, str})
_CLOCK: Final = SystemClock()


class Run:
    """One evaluation: its bounds, its clock and its warnings.

    Attributes:
        steps: Steps that are left.
        calls: Functions that are being evaluated.
        warnings: Why a part came out as null.
        clock: What `now()` and `today()` ask.
    """

    __slots__ = ("calls", "clock", "steps", "warnings")

    def __init__(self, clock: Clock = _CLOCK, steps: int = MAX_STEPS) -> None:
        self.steps = steps
        self.calls = 0
        self.warnings: list[str] = []
        self.clock = clock

    def charge(self, steps: int) -> None:
        """Takes steps off what is left; Exceeded."""
        self.steps -= steps
        if self.steps < 0:
            raise Exceeded("the evaluation takes more steps than it may")

    def charge_value(self, value: Any) -> None:
        """Takes off what a new text or list costs; Exceeded also when it is too long by itself."""
        if type(value) is str:
            if len(value) > MAX_STRING:
                raise Exceeded(f"a text has more than {MAX_STRING} characters")
            self.charge(len(value) >> 6)
        elif type(value) is list:
            if len(value) > MAX_LIST:
                raise Exceeded(f"a list has more than {MAX_LIST} items")
            self.charge(len(value))

    def look_at(self, value: Any) -> None:
        """Takes off what it costs to look at every part of a list or context; Exceeded."""
        if type(value) is list or type(value) is dict:
            self.charge(weight(value))

    def enter(self) -> None:
        """A function is called; Exceeded."""
        self.calls += 1
        if self.calls > MAX_CALLS:
            raise Exceeded(f"more than {MAX_CALLS} functions call each other")
        self.charge(2)

    def leave(self) -> None:
        """A function has answered."""
        self.calls -= 1

    def warn(self, message: str) -> None:
        """Notes why a part is null; beyond the first few nothing is noted."""
        if len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(message)


def weight(value: Any, enough: int = MAX_STEPS) -> int:
    """How many items and characters (a step for each 64) a value is made of, counted until it is more than enough.

    A part that stands in it twice counts twice: `[a, a]` of `[b, b]` of ... is small in memory, and endless to whoever looks at it.
    """
    total = 0
    waiting = [value]
    while waiting and total <= enough:
        part = waiting.pop()
        kind = type(part)
        if kind is str:
            total += len(part) >> 6
        elif kind is list or kind is dict:
            total += len(part)
            waiting.extend(item for item in (part if kind is list else part.values()) if type(item) in _HEAVY)
    return total


class Env:
    """Names within names: a loop's variables, a filter's item, a function's parameters, and what was handed over at the end."""

    __slots__ = ("outer", "vars")

    def __init__(self, names: Mapping[str, Any], outer: Env | None) -> None:
        self.vars = names
        self.outer = outer


class Root(Env):
    """The outermost names, and the run that evaluates with them."""

    __slots__ = ("_run",)

    def __init__(self, names: Mapping[str, Any], run: Run | None = None) -> None:
        self.vars = names
        self.outer = None
        self._run = run

    @property
    def run(self) -> Run:
        """The run; it is made when it is first needed, since most evaluations need none."""
        if self._run is None:
            self._run = Run()
        return self._run


def run_of(env: Env) -> Run:
    """The run that evaluates here."""
    while env.outer is not None:
        env = env.outer
    return env.run  # type: ignore[attr-defined,no-any-return]
