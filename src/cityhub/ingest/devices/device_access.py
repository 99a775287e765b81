"""Lets devices through the doors that are theirs: a device speaks as itself, and nobody speaks for it without its token."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Final

from cityhub.ingest.devices.index import Key
from cityhub.model.ports import Access, Decision, Principal

DEVICE: Final = "device:"
"""How the id of a principal begins that is a device; its tenant and id follow, with "|" between them."""
PERMISSIONS: Final = frozenset(("message.write", "command.take"))
"""What a device may do, for itself only: its doors look at who it is."""
Authenticate = Callable[[str, str], Key | None]


class DeviceAccess:
    """Decides for devices; for everybody else another policy does.

    Args:
        others: The policy for everybody else.
        authenticate: Tells a device by its name ("" is not said) and its token.
        feed_of: The feed of a device, "" when it has none.
    """

    def __init__(self, others: Access, authenticate: Authenticate, feed_of: Callable[[Key], str]) -> None:
        self._others = others
        self._authenticate = authenticate
        self._feed_of = feed_of

    def identify(self, headers: dict[str, str], peer: str) -> Principal:
        """The device whose token comes with the request; whoever it is, if there is none or it is wrong."""
        given = _credentials(headers.get("authorization", ""))
        if given is None:
            return self._others.identify(headers, peer)
        key = self._authenticate(*given)
        if key is None:
            # A token that is not good must not pass as the local user, whose machine it may come from.
            return Principal()
        feed = self._feed_of(key)
        return Principal(f"{DEVICE}{key[0]}|{key[1]}", ("device", *([f"feed:{feed}"] if feed else [])))

    def decide(self, principal: Principal, permission: str, tenant: str) -> Decision:
        """Whether a device, or whoever else it is, may."""
        if principal.id.startswith(DEVICE):
            return "allow" if permission in PERMISSIONS else "deny"
        return self._others.decide(principal, permission, tenant)


def device_key(principal: Principal) -> Key | None:
    """Tenant and id of the device that is calling; None when it is none."""
    if not principal.id.startswith(DEVICE):
        return None
    tenant, _, id = principal.id.removeprefix(DEVICE).partition("|")
    return tenant, id


def _credentials(header: str) -> tuple[str, str] | None:
    """Name and token of a device by Bearer or Basic; None for other credentials, which are not a device's."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer" and value.startswith("chd_"):
        return "", value.strip()
    if scheme.lower() == "basic":
        try:
            name, colon, secret = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        if colon and secret.startswith("chd_"):
            return name.strip() or "?", secret
    return None
