"""Quotas: what is above them is gathered into one digest for the person and the channel, never lost.

A digest is a message that is due when the period of the quota ends: the full hour, or the next day. It counts as one message; it is not
gathered itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import msgspec

from cityhub.model.ports import Document, Write
from cityhub.model.time import Clock, to_text
from cityhub.notify.notices.expansion import Surroundings
from cityhub.notify.notices.ledger import Ledger, Line, document_of
from cityhub.notify.notices.message import MESSAGES, Message, message_id
from cityhub.notify.notices.policy import day_of, next_day
from cityhub.notify.notices.template import Template, worded

TEMPLATE: Final = "digest"
WHY: Final = "quota"
MOST_DIGESTS: Final = 1_000
MOST_LINES: Final = 50
"""So many subjects a digest names; it says how many more there are."""
_USUAL: Final = Template(
    "digest",
    {"zh": "汇总", "en": "Digest"},
    {"zh": "汇总：{count} 条通知", "en": "Digest: {count} notices"},
    {
        "zh": '以下通知超出限额，已汇总：\n{string join(subjects, "\\n")}'
        '{if more > 0 then "\\n另有 " + string(more) + " 条，见通知台账" else ""}',
        "en": 'These notices were above the quota and are gathered here:\n{string join(subjects, "\\n")}'
        '{if more > 0 then "\\nand " + string(more) + " more, see the ledger of notices" else ""}',
    },
    version=0,
)


class Quotas:
    """Counts what leaves, and gathers what is too much.

    Args:
        ledger: The messages.
        around: Policy, templates and the district's time; asked anew each time.
        clock: The present time.
    """

    def __init__(self, ledger: Ledger, around: Callable[[], Surroundings], clock: Clock) -> None:
        self._ledger = ledger
        self._around = around
        self._clock = clock
        self._of_hour: Counter[tuple[str, str, str]] = Counter()
        self._of_day: Counter[tuple[str, str]] = Counter()

    def load(self) -> None:
        """Counts what left in this hour and on this day."""
        now = self._clock.now()
        hour, day = _hour(now), day_of(now, self._around().zone)
        for _, line in self._ledger.lines():
            if line.sent_at and not line.urgent:
                sent = datetime.fromisoformat(line.sent_at)
                self._of_hour[line.person, line.channel, _hour(sent)] += _hour(sent) == hour
                self._of_day[line.channel, day_of(sent, self._around().zone)] += day_of(sent, self._around().zone) == day

    async def hold_back(self, id: str, line: Line) -> bool:
        """Counts a message that is about to leave; True when it was gathered into a digest, or has to wait for the next day."""
        if line.urgent or line.channel == "screen":
            return False
        around = self._around()
        now = self._clock.now()
        hour, day = (line.person, line.channel, _hour(now)), (line.channel, day_of(now, around.zone))
        most = around.policy.channel_per_day.get(line.channel)
        is_digest = line.why == WHY
        if most is not None and self._of_day[day] >= most:
            until = next_day(now, around.zone)
            await (self._postpone(id, until) if is_digest else self._gather(id, line, until))
            return True
        if not is_digest and self._of_hour[hour] >= around.policy.person_per_hour:
            await self._gather(id, line, _next_hour(now))
            return True
        self._forget(now)
        self._of_hour[hour] += 1
        self._of_day[day] += 1
        return False

    def _forget(self, now: datetime) -> None:
        if len(self._of_hour) > 10_000:
            hour = _hour(now)
            self._of_hour = Counter({key: count for key, count in self._of_hour.items() if key[2] == hour})

    async def _postpone(self, id: str, until: datetime) -> None:
        def later(message: Message, at: str) -> Message | None:
            return msgspec.structs.replace(message, due_at=to_text(until)) if message.state == "queued" else None

        await self._ledger.change(id, later)

    async def _gather(self, id: str, line: Line, until: datetime) -> None:
        """Takes a message into the digest that is due at a moment, in one transaction."""
        message = await self._ledger.read(id)
        for number in range(1, MOST_DIGESTS):
            key = f"digest:{to_text(until)}#{number}"
            digest = Message(
                message_id("", key, line.person, line.channel), key, WHY, line.person, line.channel, TEMPLATE, message.language, "", "",
                to_text(self._clock.now()), to_text(until), link="/notices", gathers=[id],
            )  # fmt: skip
            step = _Gathering(digest)
            await self._ledger.write_all([Write(digest.id, step.take_in, MESSAGES), Write(id, step.mark, MESSAGES)])
            if step.taken:
                return

    async def worded(self, digest: Message) -> Message:
        """A digest with what it says: the subjects of what it gathers."""
        messages = [await self._ledger.read(id) for id in digest.gathers[:MOST_LINES] if self._ledger.line(id) is not None]
        around = self._around()
        values = {
            "count": len(digest.gathers), "more": len(digest.gathers) - len(messages),
            "subjects": [f"{number}. {message.subject}" for number, message in enumerate(messages, 1)],
        }  # fmt: skip
        wording = worded(around.template(TEMPLATE) or _USUAL, digest.language, values, around.zone)
        text = wording.short if digest.channel == "sms" else wording.text
        return msgspec.structs.replace(digest, subject=wording.subject, text=text)


class _Gathering:
    """A message goes into a digest that has not been sent; if it has been, the message stays as it is and is looked at again."""

    def __init__(self, digest: Message) -> None:
        self._digest = digest
        self.taken = False

    def take_in(self, current: Document | None, at: str) -> tuple[Document | None, Document | None]:
        if current is None:
            self.taken = True
            document = document_of(self._digest)
            return document, document
        digest = msgspec.convert(current, Message)
        self.taken = digest.state == "queued"
        if not self.taken:
            return current, None
        gathers = list(dict.fromkeys((*digest.gathers, *self._digest.gathers)))
        document = document_of(msgspec.structs.replace(digest, gathers=gathers))
        return document, document

    def mark(self, current: Document | None, at: str) -> tuple[Document | None, Document | None]:
        if current is None or not self.taken:
            return current, None
        message = msgspec.convert(current, Message)
        if message.state != "queued":
            return current, None
        document = document_of(msgspec.structs.replace(message, state="gathered", gathered_in=self._digest.id))
        return document, document


def _hour(now: datetime) -> str:
    return to_text(now)[:13]


def _next_hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
