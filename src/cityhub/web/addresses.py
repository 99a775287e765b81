"""Which addresses the hub may call: the guard against server-side request forgery.

Without settings only public addresses are allowed. Loopback, private, link-local (cloud metadata), shared,
multicast and reserved addresses are refused, also when they are wrapped in an IPv6 address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64: Final = ip_network("64:ff9b::/96")
_PORT: Final = re.compile(r"(\[[^\]]*\]|[^:]*):(\d{1,5})")


class AddressPolicy:
    """Decides over each address before a connection to it is opened."""

    def __init__(self, allowed: Iterable[str] = (), loopback_allowed: bool = False) -> None:
        """Makes a policy.

        Args:
            allowed: What is allowed besides public addresses: host names ("broker.example"), all hosts of a domain
                ("*.example"), addresses ("10.1.2.3") and networks ("10.0.0.0/8"), each followed by ":port" if only
                that port is meant (an IPv6 address then stands in brackets).
            loopback_allowed: Whether this machine itself may be called, for development.

        Raises:
            ValueError: When an entry that looks like a network is none.
        """
        self._loopback_allowed = loopback_allowed
        self._networks: list[tuple[Network, int | None]] = []
        self._hosts: set[tuple[str, int | None]] = set()
        self._domains: list[tuple[str, int | None]] = []
        for entry in allowed:
            self._allow(entry)

    def _allow(self, entry: str) -> None:
        match = _PORT.fullmatch(entry)
        name, port = (match[1], int(match[2])) if match else (entry, None)
        if "/" in name or _literal(name) is not None:
            self._networks.append((ip_network(name.strip("[]"), strict=False), port))
        elif name.startswith("*."):
            self._domains.append((name[1:].lower().rstrip("."), port))
        else:
            self._hosts.add((name.lower().rstrip("."), port))

    def permits_host(self, host: str, port: int) -> bool:
        """Whether a host name is allowed wherever it leads."""
        name = host.lower().rstrip(".")
        if (name, None) in self._hosts or (name, port) in self._hosts:
            return True
        return any(name.endswith(domain) and only in (None, port) for domain, only in self._domains)

    def permits(self, address: str, port: int) -> bool:
        """Whether an IP address may be called; a text that is none may not."""
        parsed = _literal(address)
        if parsed is None:
            return False
        parsed = _unwrapped(parsed)
        if parsed.is_loopback:
            return self._loopback_allowed or self._listed(parsed, port)
        if parsed.is_global and not parsed.is_multicast and not parsed.is_reserved and not parsed.is_unspecified:
            return True
        return self._listed(parsed, port)

    def _listed(self, address: Address, port: int) -> bool:
        return any(address in network and only in (None, port) for network, only in self._networks)


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
