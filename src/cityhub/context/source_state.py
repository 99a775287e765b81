"""What became of requests to context sources: counters, the last success and failure, and who is left alone for now.

Kept in memory: a restart begins anew, as counters are no part of what was registered.

Source: GS CIM 009 V1.9.1, clauses 5.2.9 (status, timesSent, ...) and 5.2.34 (cooldown).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cityhub.context.registered import Registration
from cityhub.model.ngsild import moment
from cityhub.model.time import Clock, to_text


class _State:
    __slots__ = ("failed", "last_failure", "last_success", "ok", "rests_until_s", "sent")

    def __init__(self) -> None:
        self.sent = 0
        self.failed = 0
        self.ok = True
        self.last_success = ""
        self.last_failure = ""
        self.rests_until_s = 0.0


class SourceStates:
    """States by registration.

    Args:
        clock: Tells when something happened.
        monotonic: Seconds on a clock that is never set.
    """

    def __init__(self, clock: Clock, monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._states: dict[tuple[str, str, str], _State] = {}

    def rests(self, registration: Registration) -> bool:
        """Whether the source failed so lately that it is to be left alone."""
        state = self._states.get(_key(registration))
        return state is not None and state.rests_until_s > self._monotonic()

    def succeeded(self, registration: Registration) -> None:
        """The source answered."""
        state = self._of(registration)
        state.sent += 1
        state.ok = True
        state.last_success = to_text(self._clock.now())

    def failed(self, registration: Registration) -> None:
        """The source could not be reached, or did not answer in time."""
        state = self._of(registration)
        state.sent += 1
        state.failed += 1
        state.ok = False
        state.last_failure = to_text(self._clock.now())
        if registration.cooldown_s:
            state.rests_until_s = self._monotonic() + registration.cooldown_s

    def members(self, registration: Registration) -> dict[str, Any]:
        """The read-only members of the registration's document; none when nothing was ever sent."""
        state = self._states.get(_key(registration))
        if state is None:
            return {}
        members: dict[str, Any] = {"status": "ok" if state.ok else "failed", "timesSent": state.sent}
        if state.failed:
            members["timesFailed"] = state.failed
        if state.last_success:
            members["lastSuccess"] = moment.show(state.last_success)
        if state.last_failure:
            members["lastFailure"] = moment.show(state.last_failure)
        return members

    def forget(self, tenant: str, id: str) -> None:
        """Drops what is known of a registration that is gone."""
        for key in [key for key in self._states if key[:2] == (tenant, id)]:
            del self._states[key]

    def _of(self, registration: Registration) -> _State:
        return self._states.setdefault(_key(registration), _State())


def _key(registration: Registration) -> tuple[str, str, str]:
    # With another endpoint it is another source, whose state is not known.
    return registration.tenant, registration.id, registration.endpoint
