"""All devices of the hub in memory, as far as lists and doors need them: found by id, token, claim key and by what they tell of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from cityhub.ingest.devices.device import Device

Key = tuple[str, str]
"""Tenant and id."""
Health = Literal["ok", "late", "silent", "never"]


class Known:
    """What is known of one device.

    Attributes:
        key: Tenant and id.
        name, serial: Of its entity, for the search.
        feed, owner, interval_s, entities: Of its record.
        hashes: Of its credentials and its claim key.
        seen: When it was last heard of, RFC 3339 UTC; "" never.
        health: As it was last judged.
    """

    __slots__ = ("entities", "feed", "hashes", "health", "interval_s", "key", "name", "owner", "seen", "serial")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.name = ""
        self.serial = ""
        self.feed = ""
        self.owner = ""
        self.interval_s = 0.0
        self.entities: tuple[str, ...] = ()
        self.hashes: tuple[str, ...] = ()
        self.seen = ""
        self.health: Health = "never"


class DeviceIndex:
    """The devices of all tenants."""

    def __init__(self) -> None:
        self._known: dict[Key, Known] = {}
        self._by_hash: dict[str, Key] = {}
        self._order: list[Key] | None = None
        self.watched: dict[Key, Known] = {}
        """By tenant and id of an entity: the device whose sign of life a change of it is."""

    def put(self, tenant: str, device: Device) -> Known:
        """Takes a record in, in place of the one with the same id."""
        key = (tenant, device.id)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = Known(key)
            self._order = None
        self._unlist(known)
        known.feed, known.owner, known.interval_s = device.feed, device.owner, device.interval_s
        known.entities = tuple(device.entities)
        secrets = [*device.credentials, *([device.claim] if device.claim is not None else [])]
        known.hashes = tuple(secret.hash for secret in secrets)
        for hash in known.hashes:
            self._by_hash[hash] = key
        for entity in (device.id, *known.entities):
            self.watched[tenant, entity] = known
        return known

    def name(self, key: Key, words: dict[str, Any]) -> None:
        """Takes over what the search looks at."""
        known = self._known.get(key)
        if known is not None:
            known.name, known.serial = str(words.get("name", "")), str(words.get("serialNumber", ""))

    def remove(self, key: Key) -> None:
        """Forgets a device, if it is known."""
        known = self._known.pop(key, None)
        if known is not None:
            self._unlist(known)
            self._order = None

    def _unlist(self, known: Known) -> None:
        for hash in known.hashes:
            self._by_hash.pop(hash, None)
        for entity in (known.key[1], *known.entities):
            if self.watched.get((known.key[0], entity)) is known:
                del self.watched[known.key[0], entity]

    def get(self, key: Key) -> Known | None:
        """A device, or None."""
        return self._known.get(key)

    def by_hash(self, hash: str) -> Key | None:
        """The device that has a secret with this hash, or None."""
        return self._by_hash.get(hash)

    def all(self) -> Iterator[Known]:
        """All devices, in no order."""
        return iter(self._known.values())

    def __len__(self) -> int:
        return len(self._known)

    def find(self, tenant: str, text: str = "", feed: str = "", owner: str = "", health: str = "") -> list[Known]:
        """The devices of a tenant that match, by id. `text` is looked for in id, name and serial number, in small letters or large."""
        known, text = self._known, text.casefold()
        if self._order is None:
            self._order = sorted(known)
        found = [known[key] for key in self._order if key[0] == tenant]
        if feed:
            found = [one for one in found if one.feed == feed]
        if owner:
            found = [one for one in found if one.owner == owner]
        if health:
            found = [one for one in found if one.health == health]
        if text:
            found = [one for one in found if text in f"{one.key[1]}\n{one.name}\n{one.serial}".casefold()]
        return found
