"""Processes for tests, written short: elements and flows as BPMN."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import quoteattr

from cityhub.cases.bpmn.model import HUB_NAMESPACE
from cityhub.cases.bpmn.preparing import prepare
from cityhub.cases.bpmn.running import take_step
from cityhub.cases.bpmn.stepping import Place
from cityhub.cases.process_port import Begin, Complete, Position, ProcessFiles, Receive, Wake

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def document(*elements: str, process: str = "p", rest: str = "", around: str = "") -> str:
    """A document with one executable process."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:hub={quoteattr(HUB_NAMESPACE)}'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" targetNamespace="urn:test">\n'
        f'{around}<process id="{process}" isExecutable="true">\n' + "\n".join(elements) + f"\n</process>\n{rest}</definitions>"
    )


def flows(*ways: str) -> str:
    """Flows: "a > b", with a condition "a > b: level > 4"."""
    made = []
    for way in ways:
        ends, _, condition = way.partition(":")
        source, target = (end.strip() for end in ends.split(">", 1))
        inner = f"<conditionExpression>{_escaped(condition.strip())}</conditionExpression>" if condition else ""
        made.append(f'<sequenceFlow id="{source}-{target}" sourceRef="{source}" targetRef="{target}">{inner}</sequenceFlow>')
    return "\n".join(made)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


class Case:
    """A case of a process, driven in this process; its state goes through JSON after each step."""

    def __init__(self, bpmn: str, decisions: dict[str, str] | None = None, data: dict[str, Any] | None = None) -> None:
        self.prepared = prepare(ProcessFiles("p", 1, bpmn, decisions or {}))
        self.now = NOW
        self.state: dict[str, Any] | None = None
        self.position = self._take(Begin(data or {}))

    def _take(self, what: Begin | Complete | Wake | Receive) -> Position:
        position = take_step(self.prepared, self.state, what, self.now, Place())
        self.state = json.loads(json.dumps(position.state))
        self.position = position
        return position

    @property
    def waits(self) -> list[str]:
        """The elements of the tasks that wait."""
        return [task.element for task in self.position.tasks]

    def done(self, element: str, **data: Any) -> Position:
        """The first task of an element is done."""
        return self._take(Complete(next(task.id for task in self.position.tasks if task.element == element), data))

    def done_by_id(self, task: str, **data: Any) -> Position:
        """One certain task is done."""
        return self._take(Complete(task, data))

    def wake(self, now: datetime) -> Position:
        """Time passes."""
        self.now = now
        return self._take(Wake())

    def hear(self, message: str, **data: Any) -> Position:
        """A message comes."""
        return self._take(Receive(message, data))

    def passed(self) -> list[str]:
        """The elements of the last step."""
        return [one.element for one in self.position.passed]
