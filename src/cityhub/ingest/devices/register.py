"""The register of devices: adding, changing, claiming them, and telling whether one is who it says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from cityhub.ingest.devices.device import DEVICES, Device, Software, device_id, device_of, document_of
from cityhub.ingest.devices.index import DeviceIndex, Key
from cityhub.ingest.devices.members import OWN, check_object, edited
from cityhub.ingest.devices.secrets import claim_key, hash_of, is_good, kept, new_claim_key, new_token
from cityhub.ingest.devices.words import DEVICE, WORDS, changed_entity, entity_of, words_of
from cityhub.model.change import Change
from cityhub.model.condition import TypeIs
from cityhub.model.errors import AlreadyExists, BadRequestData, CityHubError, Forbidden, NotFound, PreconditionFailed
from cityhub.model.ports import ENTITIES, Document, Store, Write
from cityhub.model.time import Clock, to_text

MOST_CREDENTIALS: Final = 10
PIECE: Final = 1_000
"""So many devices are read before other work goes on."""
Edit = Callable[[Device, str], Device]


class Added(msgspec.Struct, frozen=True):
    """A device that was added, with what is shown this once. `token` and `claim_key` "" were not asked for."""

    id: str
    token: str = ""
    claim_key: str = ""


class Wanted(msgspec.Struct, frozen=True):
    """A device to add.

    Attributes:
        device: Its record.
        words: Its public words.
        token: Whether it gets a token at once.
        key: Its claim key; "" has none.
    """

    device: Device
    words: dict[str, Any]
    token: bool = False
    key: str = ""


class DeviceRegister:
    """The register of devices.

    Attributes:
        index: All devices.

    Args:
        store: Where they are kept.
        clock: The present time.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.index = DeviceIndex()

    async def load(self) -> None:
        """Reads all devices into the index; `load_names` follows."""
        for place, (tenant, document) in enumerate(await self._store.records(None, DEVICES)):
            if place % PIECE == 0:
                await asyncio.sleep(0)
            self.index.put(tenant, device_of(document))

    async def load_names(self) -> None:
        """Reads what the search looks at; until then it finds devices by their ids only."""
        for tenant in {known.key[0] for known in self.index.all()}:
            async for block in self._store.scan(tenant, TypeIs(DEVICE)):
                for entity in block:
                    self.index.name((tenant, entity["id"]), words_of(entity))

    async def changed(self, change: Change) -> None:
        """Takes over a record of which the journal says that it changed, as it is now: that may be newer than the change."""
        document = await self._store.fetch(change.tenant, change.id, DEVICES)
        if document is None:
            self.index.remove((change.tenant, change.id))
        else:
            self.index.put(change.tenant, device_of(document))

    # -- Reading -------------------------------------------------------------------------------------------------

    async def read(self, key: Key) -> tuple[Device, dict[str, Any]]:
        """A device and its words. Raises NotFound."""
        document = await self._store.fetch(*key, DEVICES)
        if document is None:
            raise NotFound(f"There is no device '{key[1][:200]}'")
        return device_of(document), words_of(await self._store.fetch(*key))

    def authenticate(self, device: str, secret: str) -> Key | None:
        """Tenant and id of the device that a secret belongs to, or None.

        Args:
            device: Who it says it is: its id or short name; "" when only the secret came, as with a bearer token.
            secret: Its token.
        """
        given = hash_of(secret)
        key = self.index.by_hash(given)
        known = self.index.get(key) if key is not None else None
        if key is None or known is None:
            return None
        now = to_text(self._clock.now())
        if not any(is_good(one, given, now) for one in known.credentials):
            return None
        return key if not device or _is_named(key[1], device) else None

    # -- Writing -------------------------------------------------------------------------------------------------

    def wanted(self, body: dict[str, Any]) -> Wanted:
        """A device to add from its JSON members. Raises BadRequestData naming the one that is wrong."""
        for name in body:
            if name not in ("id", "token", "claimKey", *OWN, *WORDS):
                raise BadRequestData(f"'{name[:50]}' is no member of a device; these are: id, {', '.join((*OWN, *WORDS))}, token, claimKey")
        id = device_id(body.get("id"))
        words = {name: value for name, value in body.items() if name in WORDS and value is not None}
        entity_of(id, words, "")  # refuses what cannot be kept before anything is
        key = body.get("claimKey", "")
        key = new_claim_key() if key is True else claim_key(key) if key else ""
        return Wanted(edited(Device(id), body, to_text(self._clock.now())), words, body.get("token") is True, key)

    async def add(self, tenant: str, devices: Sequence[Wanted], by: str, trace: str = "") -> list[Added | CityHubError]:
        """Adds devices: of each what became of it. One that is there already is refused; the others are added."""
        writes: list[Write] = []
        shown: list[Added] = []
        for one in devices:
            token = new_token() if one.token else ""
            shown.append(Added(one.device.id, token, one.key))
            writes += _creation(one, token, by)
        results: list[Any] = await self._store.write(tenant, writes, trace) if writes else []
        answers: list[Added | CityHubError] = []
        for one, added, result in zip(devices, shown, results[::2], strict=True):
            if isinstance(result, CityHubError):
                answers.append(result)
                continue
            self.index.put(tenant, result)
            self.index.name((tenant, one.device.id), one.words)
            answers.append(added)
        return answers

    async def change(self, key: Key, body: dict[str, Any], versions: frozenset[str] | None, trace: str = "") -> None:
        """Changes members of a device; null takes one away. Raises NotFound, PreconditionFailed, BadRequestData."""
        for name in body:
            if name not in (*OWN, *WORDS):
                raise BadRequestData(f"'{name[:50]}' is no member that can be changed; these are: {', '.join((*OWN, *WORDS))}")
        words = {name: value for name, value in body.items() if name in WORDS}
        entity_of(key[1], {name: value for name, value in words.items() if value is not None}, "")

        def edit(device: Device, at: str) -> Device:
            if versions is not None and str(device.version) not in versions:
                raise PreconditionFailed(f"The device has version {device.version} now; read it again and change that one")
            return msgspec.structs.replace(edited(device, body, at), version=device.version + 1)

        await self._edit(key, edit, words, trace)

    async def report(self, key: Key, words: dict[str, Any], configuration: dict[str, Any] | None) -> None:
        """Keeps what a device says of itself. Raises BadRequestData, NotFound."""
        check_object(configuration, "configuration")
        entity_of(key[1], words, "")

        def edit(device: Device, at: str) -> Device:
            said = device.reported
            firmware = words.get("firmwareVersion", said.firmware)
            now = Software(firmware, said.configuration if configuration is None else configuration, at)
            return msgspec.structs.replace(device, reported=now)

        await self._edit(key, edit, words)

    async def judge(self, key: Key, words: dict[str, Any]) -> None:
        """Writes what the register found out into the entity of a device, if it is still there."""

        def judged(current: Document | None, at: str) -> tuple[Document | None, None]:
            return None if current is None else changed_entity(current, words, at), None

        await self._store.write(key[0], [Write(key[1], judged)])

    async def remove(self, key: Key, trace: str = "") -> None:
        """Takes a device and its entity away. Raises NotFound."""

        def gone(current: Document | None, at: str) -> tuple[None, None]:
            if current is None:
                raise NotFound(f"There is no device '{key[1][:200]}'")
            return None, None

        results = await self._store.write(key[0], [Write(key[1], gone, DEVICES), Write(key[1], lambda current, at: (None, None))], trace)
        _raise(results[0])
        self.index.remove(key)

    # -- Credentials ---------------------------------------------------------------------------------------------

    async def new_credential(self, key: Key, by: str, expires_at: str, grace_until: str | None, trace: str = "") -> tuple[str, str]:
        """Id and token of a new credential; the token is not kept and cannot be shown again.

        Args:
            key: The device.
            by: Who asks for it.
            expires_at: When it ends, RFC 3339 UTC; "" never.
            grace_until: Rotation: until then the others stay good; None: it is one more.
            trace: Of the request.

        Raises:
            NotFound, BadRequestData: There is no such device, or it has too many credentials.
        """
        token = new_token()
        secret = kept(token, to_text(self._clock.now()), by, expires_at)

        def edit(device: Device, at: str) -> Device:
            others = [one for one in device.credentials if not one.expires_at or one.expires_at > at]
            if grace_until is not None:
                others = [msgspec.structs.replace(one, expires_at=min(one.expires_at or "~", grace_until)) for one in others]
                others = [one for one in others if one.expires_at > at]
            if len(others) >= MOST_CREDENTIALS:
                raise BadRequestData(f"A device has at most {MOST_CREDENTIALS} credentials; revoke one first")
            return msgspec.structs.replace(device, credentials=[*others, secret])

        await self._edit(key, edit, {}, trace)
        return secret.id, token

    async def revoke(self, key: Key, credential: str, trace: str = "") -> None:
        """Ends a credential, or all of them for "". Raises NotFound."""

        def edit(device: Device, at: str) -> Device:
            rest = [one for one in device.credentials if credential and one.id != credential]
            if credential and len(rest) == len(device.credentials):
                raise NotFound(f"The device has no credential '{credential[:50]}'")
            return msgspec.structs.replace(device, credentials=rest)

        await self._edit(key, edit, {}, trace)

    async def claim(self, text: Any, owner: str, by: str, trace: str = "") -> tuple[str, Added]:
        """Gives a device, of whatever tenant, to who has its claim key, with a new token. The key is good once.

        Returns the tenant and the device with its token.

        Raises Forbidden for a key that no device has, or that was used; the answer does not tell which.
        """
        given = hash_of(claim_key(text))
        key = self.index.by_hash(given)
        refused = Forbidden("The claim key is not that of a device that can be claimed: it may be mistyped, or used already")
        if key is None:
            raise refused
        token = new_token()
        secret = kept(token, to_text(self._clock.now()), by)

        def edit(device: Device, at: str) -> Device:
            if device.claim is None or not is_good(device.claim, given, at):
                raise refused
            # The credentials of whoever had it before are not good any more.
            return msgspec.structs.replace(
                device, claim=None, claimed={"by": by, "at": at}, owner=owner, credentials=[secret], version=device.version + 1
            )

        await self._edit(key, edit, {}, trace)
        return key[0], Added(key[1], token)

    async def _edit(self, key: Key, edit: Edit, words: dict[str, Any], trace: str = "") -> None:
        allowed = [False]

        def changed(current: Document | None, at: str) -> tuple[Document, Device]:
            allowed[0] = False
            if current is None:
                raise NotFound(f"There is no device '{key[1][:200]}'")
            before = device_of(current)
            after = edit(before, at)
            allowed[0] = True
            return (current if after == before else document_of(after)), after

        writes = [Write(key[1], changed, DEVICES)]
        if words:
            writes.append(Write(key[1], _words_transition(key[1], words, allowed)))
        result: Any = (await self._store.write(key[0], writes, trace))[0]
        _raise(result)
        self.index.put(key[0], result)
        if "name" in words or "serialNumber" in words:
            self.index.name(key, words_of(await self._store.fetch(*key)))


def _raise(result: Any) -> None:
    if isinstance(result, CityHubError):
        raise result


def _is_named(id: str, name: str) -> bool:
    try:
        return device_id(name) == id
    except BadRequestData:
        return False


def _creation(wanted: Wanted, token: str, by: str) -> list[Write]:
    """The writes of a new device: its record, and its entity, which may be there already."""
    id = wanted.device.id
    allowed = [False]

    def record(current: Document | None, at: str) -> tuple[Document | None, Device]:
        allowed[0] = current is None
        if current is not None:
            raise AlreadyExists(f"There is a device '{id}' already")
        device = msgspec.structs.replace(
            wanted.device,
            credentials=[kept(token, at, by)] if token else [],
            claim=kept(wanted.key, at, by) if wanted.key else None,
            created={"by": by, "at": at},
        )
        return document_of(device), device

    return [Write(id, record, DEVICES), Write(id, _words_transition(id, wanted.words, allowed), ENTITIES)]


def _words_transition(id: str, words: dict[str, Any], allowed: list[bool]) -> Callable[[Document | None, str], tuple[Document | None, Any]]:
    """The transition of a device's entity, which follows that of its record in the same transaction and waits for its leave."""

    def transition(current: Document | None, at: str) -> tuple[Document | None, Any]:
        if not allowed[0]:
            return current, None
        return entity_of(id, words, at) if current is None else changed_entity(current, words, at), None

    return transition
