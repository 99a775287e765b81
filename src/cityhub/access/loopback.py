"""The only policy until the access engine comes: the local user, on this machine, may."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Final

from cityhub.model.errors import InvalidRequest
from cityhub.model.ports import Decision, Person, Principal

ADMINISTRATOR: Final = "administrator"
PERSON: Final = "cityhub-person"
"""The header with the id of the person for whom the local user acts."""


class _Local(Principal, frozen=True):
    """Whoever this access has found to be the local user; nobody else makes one."""


LOCAL: Final = _Local("local", (ADMINISTRATOR,))
NOBODY = Principal()
_NAMES = frozenset(("localhost", "127.0.0.1", "[::1]", ""))
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


class LoopbackAccess:
    """Allows everything to requests from this machine that name this machine, and nothing to any other.

    The Host header must name the loopback too: otherwise a page from elsewhere could reach the hub through the
    user's own browser by pointing its host name at 127.0.0.1 (DNS rebinding). A page's own requests carry its Origin
    or Sec-Fetch-Site and are refused unless they come from the hub's pages. What a proxy on this machine passes on is not
    local, whoever sent it.

    The local user may act for anybody: the header `CityHub-Person` names the person, and what is done is that person's doing.

    Args:
        person: A person by their id; None: nobody is known.
    """

    def __init__(self, person: Callable[[str], Person | None] | None = None) -> None:
        self._person = person

    def identify(self, headers: dict[str, str], peer: str) -> Principal:
        """The local user, the person for whom the local user acts, or nobody. Raises InvalidRequest for a person who is not known."""
        is_local = _is_loopback(peer) and _host_of(headers) in _NAMES and _same_site(headers)
        if not is_local or not headers.keys().isdisjoint(_FORWARDED):
            return NOBODY
        return self._acting(headers[PERSON]) if PERSON in headers else LOCAL

    def _acting(self, id: str) -> Principal:
        person = self._person(id) if self._person is not None else None
        if person is None or not person.active:
            raise InvalidRequest("'CityHub-Person' must be the id of somebody under /api/people who is active")
        return _Local(person.id, (ADMINISTRATOR, *person.roles))

    def decide(self, principal: Principal, permission: str, tenant: str) -> Decision:
        """Allows the local user everything, for whomever they act."""
        return "allow" if isinstance(principal, _Local) else "deny"


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
