"""Which addresses the hub may call: the guard against server-side request forgery.

Without settings only public addresses are allowed. Loopback, private, link-local (cloud metadata), shared,
multicast and reserved addresses are refused, also when they are wrapped in an IPv6 address.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address

_NAT64: Final = ip_network("64:ff9b::/96")


class AddressPolicy:
    """Decides over each address before a connection to it is opened."""

    def __init__(self, allowed: Iterable[str] = (), loopback_allowed: bool = False) -> None:
        """Makes a policy.

        Args:
            allowed: What is allowed besides public addresses: host names ("broker.example"), all hosts of a domain
                (".example"), addresses ("10.1.2.3") and networks ("10.0.0.0/8").
            loopback_allowed: Whether this machine itself may be called, for development.

        Raises:
            ValueError: When an entry that looks like a network is none.
        """
        self._loopback_allowed = loopback_allowed
        self._networks = []
        self._hosts: set[str] = set()
        self._domains: tuple[str, ...] = ()
        for entry in allowed:
            if "/" in entry or _literal(entry) is not None:
                self._networks.append(ip_network(entry.strip("[]"), strict=False))
            elif entry.startswith("."):
                self._domains += (entry.lower().rstrip("."),)
            else:
                self._hosts.add(entry.lower().rstrip("."))

    def permits_host(self, host: str) -> bool:
        """Whether a host name is allowed wherever it leads."""
        name = host.lower().rstrip(".")
        return name in self._hosts or (bool(self._domains) and name.endswith(self._domains))

    def permits(self, address: str) -> bool:
        """Whether an IP address may be called."""
        parsed = _literal(address)
        if parsed is None:
            return False
        parsed = _unwrapped(parsed)
        if parsed.is_loopback:
            return self._loopback_allowed or self._listed(parsed)
        if parsed.is_global and not parsed.is_multicast and not parsed.is_reserved and not parsed.is_unspecified:
            return True
        return self._listed(parsed)

    def _listed(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _literal(text: str) -> Address | None:
    try:
        return ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None


def _unwrapped(address: Address) -> Address:
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
