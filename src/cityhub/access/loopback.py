"""The only policy until the access engine comes: the local user, on this machine, may."""

from __future__ import annotations

import ipaddress

from cityhub.model.ports import Decision, Principal

LOCAL = Principal("local", ("administrator",))
NOBODY = Principal()
_NAMES = frozenset(("localhost", "127.0.0.1", "[::1]", ""))
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


class LoopbackAccess:
    """Allows everything to requests from this machine that name this machine, and nothing to any other.

    The Host header must name the loopback too: otherwise a page from elsewhere could reach the hub through the
    user's own browser by pointing its host name at 127.0.0.1 (DNS rebinding). A page's own requests carry its Origin
    or Sec-Fetch-Site and are refused unless they come from the hub's pages. What a proxy on this machine passes on is not
    local, whoever sent it.
    """

    def identify(self, headers: dict[str, str], peer: str) -> Principal:
        """The local user, or nobody."""
        is_local = _is_loopback(peer) and _host_of(headers) in _NAMES and _same_site(headers)
        return LOCAL if is_local and headers.keys().isdisjoint(_FORWARDED) else NOBODY

    def decide(self, principal: Principal, permission: str, tenant: str) -> Decision:
        """Allows the local user everything."""
        return "allow" if principal is LOCAL else "deny"


def _is_loopback(peer: str) -> bool:
    if peer == "127.0.0.1":
        return True
    try:
        return ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False


def _host_of(headers: dict[str, str]) -> str:
    host = headers.get("host", "")
    return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0].lower()


def _same_site(headers: dict[str, str]) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2] == headers.get("host")
