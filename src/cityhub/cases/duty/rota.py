"""The rota: all posts and what is planned for them. Says who is on duty, and refuses plans with gaps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from cityhub.cases.duty.post import Post, check_post, check_team
from cityhub.cases.duty.roster import Book, Shift, Span, gaps, joined, minus, shifts_between, span_text
from cityhub.model.errors import BadRequestData, CityHubError, Conflict
from cityhub.model.ports import Document, People, Store, Write
from cityhub.model.time import Clock
from cityhub.registers.district_files import DistrictFiles
from cityhub.registers.reading import decoded
from cityhub.registers.versioned import Deed, Kind, VersionedRegister

POSTS: Final = Kind("post", "duty_post", Post, 500)
BOOKS: Final = "duty_roster"
MOST_BYTES: Final = 256 * 1024
LONGEST: Final = timedelta(days=400)
"""So long a plan may be, and so long plans are kept after they have passed."""
MOST_SHIFTS: Final = 3_000
AHEAD: Final = timedelta(days=60)
"""So far a new rotation is checked for gaps and for people in two places; the standing check sees what comes later."""


class Rota:
    """The rota.

    Implements `cityhub.model.ports.Duty`.

    Args:
        store: Where it is kept, in the default tenant.
        people: Who works with the hub.
        clock: The present time.
        zone: The district's time.
        folder: The district's folder with `duty/posts/*.yaml`; None: none.
    """

    def __init__(self, store: Store, people: People, clock: Clock, zone: ZoneInfo, folder: Path | None) -> None:
        self._store = store
        self._people = people
        self._clock = clock
        self.zone = zone
        self.posts: VersionedRegister[Post] = VersionedRegister(POSTS, store)
        self._files = (
            DistrictFiles(folder, "duty/posts/*.yaml", lambda _, content: read_post(content), self.posts, MOST_BYTES) if folder else None
        )
        self._books: dict[str, Book] = {}
        self._lock = asyncio.Lock()

    async def load(self) -> None:
        """Reads what is kept and takes the district's posts."""
        await self.posts.load()
        if self._files is not None:
            await self._files.load()
        for _, record in await self._store.records("", BOOKS):
            book = msgspec.convert(record, Book)
            self._books[book.id] = book

    # -- Who is there --------------------------------------------------------------------------------------------

    def on_duty(self, post: str, at: str) -> list[str]:
        """See `cityhub.model.ports.Duty.on_duty`."""
        moment = datetime.fromisoformat(at)
        found = self.shifts(post, moment, moment + timedelta(microseconds=1))
        return list(dict.fromkeys(person for shift in found for person in shift.people))

    def shifts(self, post: str, start: datetime, end: datetime) -> list[Shift]:
        """The shifts of a post that touch a span, with those people only who still work here; none for a post that is not known."""
        if self.posts.record(post) is None or "deleted" in (self.posts.record(post) or {}):
            return []
        found = shifts_between(self.posts.get(post), self._book(post), start, end, self.zone)
        return [Shift(shift.start, shift.end, [id for id in shift.people if self._is_here(id)]) for shift in found]

    def gaps(self, post: Post, start: datetime, end: datetime) -> list[Span]:
        """When somebody must be at a post and nobody will be."""
        return joined(gaps(post, self.shifts(post.id, start, end), start, end, self.zone))

    def _book(self, post: str) -> Book:
        return self._books.get(post) or Book(post)

    def _is_here(self, id: str) -> bool:
        person = self._people.person(id)
        return person is not None and person.active

    # -- Plans ---------------------------------------------------------------------------------------------------

    async def check(self, id: str, post: Post | None) -> None:
        """Raises Conflict for a rotation with a gap or with somebody in two places within the next 60 days."""
        if post is None or post.rotation is None:
            return
        start = self._clock.now()
        found = shifts_between(post, self._book(post.id), start, start + AHEAD, self.zone)
        self._check_people(found)
        self._refuse_gaps(post, found, start, start + AHEAD)
        self._refuse_two_places(post.id, found)

    async def plan(self, post: str, start: datetime, end: datetime, shifts: Sequence[Shift], deed: Deed) -> Book:
        """Plans a span of a post's roster anew. Raises NotFound; BadRequestData; Conflict for a gap or somebody in two places."""
        definition = self.posts.get(post)
        if not start < end <= start + LONGEST:
            raise BadRequestData(f"'from' must be before 'to', and not more than {LONGEST.days} days")
        for place, shift in enumerate(shifts):
            check_team(shift.people, f"shifts[{place}].people")
            if not start <= shift.start < shift.end <= end:
                raise BadRequestData(f"'shifts[{place}]' must begin before it ends, within 'from' and 'to'")
        self._check_people(shifts)
        self._refuse_gaps(definition, shifts, start, end)

        def planned(book: Book) -> Book:
            others = [one for one in book.shifts if one.end <= start or one.start >= end]
            cut = [Shift(first, last, one.people) for one in book.shifts if one not in others
                   for first, last in minus([(one.start, one.end)], [(start, end)])]  # fmt: skip
            return Book(post, sorted([*others, *cut, *shifts], key=lambda one: one.start), joined([*book.periods, (start, end)]))

        async with self._lock:
            self._refuse_two_places(post, shifts)
            return await self._write(post, planned, deed)

    async def exchange(self, changes: Sequence[tuple[str, Shift]], deed: Deed) -> None:
        """Puts other people into shifts, each a post with the shift as it is to be. Raises Conflict for somebody in two places."""
        async with self._lock:
            for post, shift in changes:
                self._refuse_two_places(post, [shift], replaced=changes)
            for post, shift in changes:

                def changed(book: Book, post: str = post, shift: Shift = shift) -> Book:
                    others = [one for one in book.shifts if (one.start, one.end) != (shift.start, shift.end)]
                    return Book(post, sorted([*others, shift], key=lambda one: one.start), book.periods)

                await self._write(post, changed, deed)

    def _check_people(self, shifts: Iterable[Shift]) -> None:
        for id in {id for shift in shifts for id in shift.people}:
            if not self._is_here(id):
                raise BadRequestData(f"'{id[:100]}' must be the id of a person who works here")

    def _refuse_gaps(self, post: Post, shifts: Iterable[Shift], start: datetime, end: datetime) -> None:
        found = joined(gaps(post, shifts, start, end, self.zone))
        if found:
            shown = [span_text(span, self.zone) for span in found[:10]]
            raise Conflict(
                f"The roster of '{post.id}' has a gap: nobody is there from {', '.join(shown)}"
                + (f" and {len(found) - 10} more" if len(found) > 10 else ""), gaps=shown,
            )  # fmt: skip

    def _refuse_two_places(self, post: str, shifts: Sequence[Shift], replaced: Sequence[tuple[str, Shift]] = ()) -> None:
        """Raises Conflict when somebody of the shifts would be in two places; shifts that are being replaced do not count."""
        if not shifts:
            return
        gone = {(where, shift.start, shift.end) for where, shift in replaced}
        mine: dict[str, list[Shift]] = {}
        for shift in shifts:
            for person in shift.people:
                mine.setdefault(person, []).append(shift)
        start, end = min(shift.start for shift in shifts), max(shift.end for shift in shifts)
        for other in self.posts.all():
            for another in shifts if other.id == post else self.shifts(other.id, start, end):
                if (other.id, another.start, another.end) in gone and other.id != post:
                    continue
                for person in another.people:
                    for shift in mine.get(person, ()):
                        if shift is not another:
                            self._refuse_both(person, (post, shift), (other.id, another))

    def _refuse_both(self, person: str, here: tuple[str, Shift], there: tuple[str, Shift]) -> None:
        start, end = max(here[1].start, there[1].start), min(here[1].end, there[1].end)
        if start < end:
            where = f"at '{here[0]}' and at '{there[0]}' from {span_text((start, end), self.zone)}"
            raise Conflict(f"'{person}' would be in two places: {where}")

    async def _write(self, post: str, change: Callable[[Book], Book], deed: Deed) -> Book:
        def transition(current: Document | None, at: str) -> tuple[Document, Document]:
            book = msgspec.convert(current, Book) if current is not None else Book(post)
            new = _bounded(change(book), datetime.fromisoformat(at) - LONGEST)
            document = {**msgspec.to_builtins(new), "by": deed.by, "at": at, "why": deed.why}
            return document, document

        (result,) = await self._store.write("", [Write(post, transition, BOOKS)], deed.trace)
        if isinstance(result, CityHubError):
            raise result
        book = self._books[post] = msgspec.convert(result, Book)
        return book


def _bounded(book: Book, oldest: datetime) -> Book:
    shifts = [shift for shift in book.shifts if shift.end > oldest]
    if len(shifts) > MOST_SHIFTS:
        raise BadRequestData(f"A roster has at most {MOST_SHIFTS} planned shifts; use a rotation for what repeats")
    return Book(book.id, shifts, [period for period in book.periods if period[1] > oldest])


def read_post(content: bytes) -> Post:
    """A post from YAML or JSON that has been checked. Raises BadRequestData."""
    post = decoded(content, Post, "post", MOST_BYTES)
    check_post(post)
    return post
