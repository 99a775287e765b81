"""The lake's upkeep: what copies hold in the journal."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from cityhub.history import keeping
from cityhub.history.keeping import Keeping
from cityhub.history.supervision import LakeStatus


class CopiedLake:
    """A lake whose tables move on between copies."""

    def __init__(self) -> None:
        self.committed = 0

    def flush(self) -> int:
        return self.committed

    @contextlib.contextmanager
    def held(self) -> Iterator[Any]:
        yield [SimpleNamespace(version=SimpleNamespace(position=self.committed))]

    def status(self) -> LakeStatus:
        return LakeStatus(self.committed, self.committed)


async def test_a_copy_that_ends_holds_nothing_and_the_other_one_still_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "copy_of", lambda held: iter([b"tar"]))
    lake: Any = CopiedLake()
    kept = Keeping(lake)

    async def committed() -> int:
        return msgspec.msgpack.decode(await kept.answer_status(b""), type=LakeStatus).committed

    copies = []
    for lake.committed in (5, 9):
        copies.append(kept.answer_copy(b""))
        assert await anext(copies[-1]) == b"tar"
    lake.committed = 20
    assert await committed() == 5
    await copies[0].aclose()
    assert await committed() == 9
    await copies[1].aclose()
    assert await committed() == 20
