"""The screen: a message is there as soon as it is kept; whoever is looking sees it at once."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from cityhub.model.errors import TooBusy
from cityhub.model.ports import Person
from cityhub.notify.notices.channels.channel import Outcome, Parcel
from cityhub.web.events import named_event

MOST_SCREENS: Final = 1_000
MOST_WAITING: Final = 200
HEARTBEAT_S: Final = 15.0
HEARTBEAT: Final = b": still here\n\n"


class Screens:
    """The channel "screen", and the screens that are open.

    Implements `cityhub.notify.notices.channels.channel.Channel`.
    """

    name = "screen"
    repeatable = True

    def __init__(self) -> None:
        self._open: dict[str, set[Screen]] = {}
        self.count = 0

    def address(self, person: Person) -> str:
        """Everybody can look."""
        return person.id

    async def send(self, parcel: Parcel) -> Outcome:
        """Shows it on every screen of the person that is open."""
        shown = {
            "id": parcel.id, "key": parcel.key, "why": parcel.why, "subject": parcel.subject, "text": parcel.text,
            "urgent": parcel.urgent, "link": parcel.link, "at": parcel.at,
        }  # fmt: skip
        screens = self._open.get(parcel.person, set())
        for screen in list(screens):
            screen.show("notice", shown)
        return Outcome("sent", delivered=bool(screens))

    def tell(self, person: str, event: str, data: dict[str, Any]) -> None:
        """Tells the person's other screens of something, such as that a message was read."""
        for screen in list(self._open.get(person, ())):
            screen.show(event, data)

    def open(self, person: str, unread: int) -> Screen:
        """A screen of a person. Raises TooBusy when too many are open."""
        if self.count >= MOST_SCREENS:
            raise TooBusy(f"{MOST_SCREENS} screens listen for notices, which is as many as this hub serves; try again later")
        screen = Screen(self, person)
        self._open.setdefault(person, set()).add(screen)
        self.count += 1
        screen.show("ready", {"unread": unread})
        return screen

    def leave(self, screen: Screen) -> None:
        """Forgets a screen; again does nothing."""
        screens = self._open.get(screen.person, set())
        if screen in screens:
            screens.discard(screen)
            self.count -= 1
        if not screens:
            self._open.pop(screen.person, None)

    def close(self) -> None:
        """Ends all."""
        for screens in list(self._open.values()):
            for screen in list(screens):
                screen.end()


class Screen:
    """One open screen: an asynchronous iterator of server-sent events."""

    def __init__(self, screens: Screens, person: str) -> None:
        self.person = person
        self._screens = screens
        self._waiting: list[bytes] = []
        self._arrived = asyncio.Event()
        self._over = False

    def show(self, event: str, data: dict[str, Any]) -> None:
        """Puts an event into the buffer; a screen that takes nothing is ended: what it missed is in the list of what is unread."""
        if len(self._waiting) >= MOST_WAITING:
            self.end()
            return
        self._waiting.append(named_event(event, data))
        self._arrived.set()

    def end(self) -> None:
        """Ends it after what waits."""
        self._over = True
        self._screens.leave(self)
        self._arrived.set()

    def __aiter__(self) -> Screen:
        return self

    async def __anext__(self) -> bytes:
        while not self._waiting:
            if self._over:
                raise StopAsyncIteration
            self._arrived.clear()
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._arrived.wait()
            except TimeoutError:
                return HEARTBEAT
        events, self._waiting = self._waiting, []
        return b"".join(events)

    async def aclose(self) -> None:
        """Ends it; may be called again."""
        self.end()
