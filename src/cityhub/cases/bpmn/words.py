"""What the hub and the caseworker's process say to each other."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from cityhub.cases.process_port import Begin, Complete, ProcessFiles, Receive, Wake

SOCKET: Final = "caseworker.sock"
PROGRESS: Final = "caseworker.at"
"""The file in which the process notes the element that it is at, for whoever has to end it."""
PROGRESS_BYTES: Final = 256


class CaseworkerOrders(msgspec.Struct, frozen=True):
    """What the process is told at its start.

    Attributes:
        socket: Where it answers.
        progress: The file of `PROGRESS`.
        log_format: As the hub's.
        log_level: As the hub's.
        step_s: How long a step may take, of the processor's time.
        memory: Bytes of memory that the process may have; 0: any.
    """

    socket: str
    progress: str
    log_format: str
    log_level: str
    step_s: float
    memory: int


class StepQuestion(msgspec.Struct, frozen=True, array_like=True):
    """One step."""

    files: ProcessFiles
    state: dict[str, Any] | None
    step: Begin | Complete | Wake | Receive
    now: str


class MigrateQuestion(msgspec.Struct, frozen=True, array_like=True):
    """The same case under another version."""

    files: ProcessFiles
    to: ProcessFiles
    state: dict[str, Any]
    now: str


class DecisionQuestion(msgspec.Struct, frozen=True, array_like=True):
    """One decision that stands alone."""

    dmn: str
    decision: str
    inputs: dict[str, Any]
    now: str


def digest_of(files: ProcessFiles) -> str:
    """What tells the content of two versions apart."""
    known = hashlib.blake2b(files.bpmn.encode(), digest_size=16)
    for name in sorted(files.decisions):
        known.update(f"\0{name}\0{files.decisions[name]}".encode())
    return known.hexdigest()
