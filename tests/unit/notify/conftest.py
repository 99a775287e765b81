"""Fixtures of the notify room's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from cityhub.notify.delivery import MessageDelivery
from cityhub.web.addresses import AddressPolicy
from tests.unit.notify.receiver import Receiver


class Listener:
    """Remembers what a lane tells."""

    def __init__(self) -> None:
        self.attempts: list[tuple[Any, bool]] = []
        self.answers: list[tuple[Any, str]] = []
        self.done: list[Any] = []
        self.was_ready = 0

    def attempted(self, token: Any, first: bool) -> None:
        self.attempts.append((token, first))

    def answered(self, token: Any, reason: str, first: bool) -> None:
        self.answers.append((token, reason))

    def finished(self, token: Any) -> None:
        self.done.append(token)

    def ready(self) -> None:
        self.was_ready += 1


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def delivery() -> AsyncIterator[MessageDelivery]:
    policy = AddressPolicy((), loopback_allowed=True)
    made = MessageDelivery(policy, policy)
    yield made
    await made.close()
