"""All devices of the hub in memory, as far as lists and doors need them: found by id, token, claim key and by what they tell of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from cityhub.ingest.devices.device import Device
from cityhub.ingest.devices.secrets import Secret

Key = tuple[str, str]
"""Tenant and id."""
Health = Literal["ok", "late", "silent", "never"]


class Known:
    """What is known of one device.

    Attributes:
        key: Tenant and id.
        text: Id, name and serial number in small letters, for the search.
        feed, owner, interval_s, entities: Of its record.
        credentials, claim: How it proves who it is, and by what it can be claimed.
        seen: When it was last heard of, RFC 3339 UTC; "" never.
        health: As it was last judged.
    """

    __slots__ = ("claim", "credentials", "entities", "feed", "health", "interval_s", "key", "owner", "seen", "text")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.text = key[1].casefold()
        self.feed = ""
        self.owner = ""
        self.interval_s = 0.0
        self.entities: tuple[str, ...] = ()
        self.credentials: tuple[Secret, ...] = ()
        self.claim: Secret | None = None
        self.seen = ""
        self.health: Health = "never"


class DeviceIndex:
    """The devices of all tenants."""

    def __init__(self) -> None:
        self._known: dict[Key, Known] = {}
        self._by_hash: dict[str, Key] = {}
        self._order: dict[str, list[Known]] | None = None
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
        known.credentials, known.claim = tuple(device.credentials), device.claim
        for secret in _secrets(known):
            self._by_hash[secret.hash] = key
        for entity in (device.id, *known.entities):
            self.watched[tenant, entity] = known
        return known

    def name(self, key: Key, words: dict[str, Any]) -> None:
        """Takes over what the search looks at."""
        known = self._known.get(key)
        if known is not None:
            known.text = f"{key[1]}\n{words.get('name', '')}\n{words.get('serialNumber', '')}".casefold()

    def remove(self, key: Key) -> None:
        """Forgets a device, if it is known."""
        known = self._known.pop(key, None)
        if known is not None:
            self._unlist(known)
            self._order = None

    def _unlist(self, known: Known) -> None:
        for secret in _secrets(known):
            self._by_hash.pop(secret.hash, None)
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
        found = self._ordered().get(tenant, [])
        if feed:
            found = [one for one in found if one.feed == feed]
        if owner:
            found = [one for one in found if one.owner == owner]
        if health:
            found = [one for one in found if one.health == health]
        if text:
            text = text.casefold()
            found = [one for one in found if text in one.text]
        return found

    def _ordered(self) -> dict[str, list[Known]]:
        """The devices of each tenant by id."""
        if self._order is None:
            self._order = {}
            for key in sorted(self._known):
                self._order.setdefault(key[0], []).append(self._known[key])
        return self._order


def _secrets(known: Known) -> tuple[Secret, ...]:
    return known.credentials if known.claim is None else (*known.credentials, known.claim)
