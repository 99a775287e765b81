"""The people who work with the hub: records of the collection "person", in memory.

A district's folder may bring people to try the hub out with (`people.yaml`); they are taken once and then belong to the register.
Contacts are personal: they are in the records alone, never in entities, and are shown masked.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from cityhub.model.change import Change
from cityhub.model.errors import AlreadyExists, BadRequestData, CityHubError, NotFound
from cityhub.model.ngsild.names import is_uri
from cityhub.model.ports import Document, Journal, Person, Store, Write
from cityhub.registers.journal_reader import JournalReader

PEOPLE: Final = "person"
FILE: Final = "people.yaml"
MOST_PEOPLE: Final = 50_000
MOST_BYTES: Final = 4_000_000
CHANNELS: Final = ("email", "sms", "webhook", "mqtt")
_ROLE: Final = re.compile(r"[a-z][a-z0-9-]{0,40}")

log = logging.getLogger(__name__)


class Register:
    """The port `cityhub.model.ports.People`, and how people come, change and go.

    Args:
        store: Where they are kept, in the default tenant.
        journal: Tells of changes by other hubs on the same store.
    """

    def __init__(self, store: Store, journal: Journal) -> None:
        self._store = store
        self._journal = journal
        self._reader = JournalReader(journal, {PEOPLE: self._changed}, lambda changes: None)
        self._people: dict[str, Person] = {}
        self._task: asyncio.Task[None] | None = None

    def person(self, id: str) -> Person | None:
        """See `People.person`."""
        return self._people.get(id)

    def find(self, department: str = "", role: str = "") -> list[Person]:
        """See `People.find`."""
        found = (
            person
            for person in self._people.values()
            if person.active and (not department or person.department == department) and (not role or role in person.roles)
        )
        return sorted(found, key=lambda person: (person.name, person.id))

    def all(self) -> list[Person]:
        """Everybody, also those who have left."""
        return sorted(self._people.values(), key=lambda person: (person.department, person.name, person.id))

    async def start(self, folder: Path | None) -> None:
        """Reads who is kept, takes those of the district's folder who are not known, and follows the journal."""
        position = self._journal.last()
        for _, record in await self._store.records("", PEOPLE):
            self._take(record["id"], record)
        if folder is not None and (folder / FILE).exists():
            await self._bring(folder / FILE)
        self._task = asyncio.create_task(self._reader.run(position), name="people")

    async def stop(self) -> None:
        """Follows no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def add(self, person: Person, trace: str = "") -> Person:
        """Adds somebody. Raises BadRequestData, AlreadyExists."""
        check(person)
        if len(self._people) >= MOST_PEOPLE:
            raise AlreadyExists(f"A hub knows at most {MOST_PEOPLE} people; remove some first")

        def made(current: Document | None, at: str) -> tuple[Document, None]:
            if current is not None:
                raise AlreadyExists(f"There is a person '{person.id}' already; change it with PATCH")
            return _document(person), None

        return await self._write(person.id, made, trace)

    async def amend(self, id: str, members: dict[str, Any], trace: str = "") -> Person:
        """Changes members of somebody. Raises NotFound, BadRequestData."""

        def amended(current: Document | None, at: str) -> tuple[Document, None]:
            if current is None:
                raise NotFound(f"There is no person '{id[:100]}'")
            person = read({**current, **members, "id": id})
            check(person)
            return _document(person), None

        return await self._write(id, amended, trace)

    async def remove(self, id: str, trace: str = "") -> None:
        """Forgets somebody. Who has steps in cases should rather be made inactive. Raises NotFound."""

        def gone(current: Document | None, at: str) -> tuple[None, None]:
            if current is None:
                raise NotFound(f"There is no person '{id[:100]}'")
            return None, None

        (result,) = await self._store.write("", [Write(id, gone, PEOPLE)], trace)
        if isinstance(result, CityHubError):
            raise result
        self._people.pop(id, None)

    async def _write(self, id: str, transition: Any, trace: str) -> Person:
        (result,) = await self._store.write("", [Write(id, transition, PEOPLE)], trace)
        if isinstance(result, CityHubError):
            raise result
        self._take(id, self._store.get("", id, PEOPLE))
        return self._people[id]

    async def _changed(self, change: Change) -> None:
        self._take(change.id, change.after)

    def _take(self, id: str, record: Document | None) -> None:
        if record is None:
            self._people.pop(id, None)
            return
        try:
            self._people[id] = read(record)
        except BadRequestData:
            log.exception("a person was kept in a form that this version of the hub does not know")

    async def _bring(self, path: Path) -> None:
        try:
            for person in read_people(path.read_bytes()[: MOST_BYTES + 1]):
                if person.id not in self._people:
                    await self.add(person)
        except (OSError, CityHubError) as error:
            log.warning("the people of %s were not taken: %s", path.name, error)


def read(document: Document) -> Person:
    """A person from a document. Raises BadRequestData."""
    try:
        return msgspec.convert(document, Person)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"The person is not as it should be: {error}") from None


def read_people(content: bytes) -> Iterable[Person]:
    """The people of a district's file: a list under "people". Raises BadRequestData."""
    if len(content) > MOST_BYTES:
        raise BadRequestData(f"A file of people may have at most {MOST_BYTES} bytes")
    try:
        document = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise BadRequestData(f"The file is not YAML: {error}") from None
    people = document.get("people") if isinstance(document, dict) else None
    if not isinstance(people, list):
        raise BadRequestData("A file of people must have a list 'people'")
    return [read(one) for one in people]


def check(person: Person) -> None:
    """Raises BadRequestData naming the member that is wrong."""
    if not is_uri(person.id) or len(person.id) > 500:
        raise BadRequestData("'id' must be a URI, such as urn:ngsi-ld:Person:...")
    if not person.name.strip() or len(person.name) > 100:
        raise BadRequestData("'name' must be a text of 1 to 100 characters")
    if not is_uri(person.department):
        raise BadRequestData("'department' must be the id of an organization, a URI")
    if len(person.roles) > 20 or not all(_ROLE.fullmatch(role) for role in person.roles):
        raise BadRequestData("'roles' must be at most 20 words of small letters, digits and '-'")
    if not person.contacts.keys() <= set(CHANNELS) or any(len(contact) > 500 for contact in person.contacts.values()):
        raise BadRequestData(f"'contacts' must be texts of at most 500 characters under: {', '.join(CHANNELS)}")
    if person.language not in ("zh", "en"):
        raise BadRequestData("'language' must be 'zh' or 'en'")


def _document(person: Person) -> Document:
    document: Document = msgspec.to_builtins(person)
    return document
