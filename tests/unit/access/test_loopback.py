"""Only the user of this machine gets in, and nobody through the user's browser or a proxy."""

from __future__ import annotations

import pytest

from cityhub.access.loopback import LOCAL, NOBODY, LoopbackAccess
from cityhub.model.errors import InvalidRequest
from cityhub.model.ports import Person, Principal

ACCESS = LoopbackAccess()


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1"])
@pytest.mark.parametrize("host", ["localhost:8000", "LocalHost", "127.0.0.1:1", "127.0.0.1", "[::1]:8000", "[::1]"])
def test_the_local_user_may_do_everything(peer: str, host: str) -> None:
    who = ACCESS.identify({"host": host}, peer)
    assert who is LOCAL
    assert ACCESS.decide(who, "entity.write", "any") == "allow"


@pytest.mark.parametrize("peer", ["", "10.0.0.7", "192.168.1.1", "::ffff:10.0.0.7", "fe80::1", "localhost", "unix:"])
def test_others_may_nothing(peer: str) -> None:
    who = ACCESS.identify({"host": "localhost:8000"}, peer)
    assert who is NOBODY
    assert ACCESS.decide(who, "entity.read", "") == "deny"


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8000", "127.0.0.1.evil.example", "[::2]", "[::1", "10.0.0.1:8000"])
def test_a_name_that_was_bent_to_this_machine_is_refused(host: str) -> None:
    assert ACCESS.identify({"host": host}, "127.0.0.1") is NOBODY


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"origin": "http://localhost:8000"}, True),
        ({"origin": "http://localhost:9000"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-origin", "origin": "https://evil.example"}, False),
    ],
)
def test_pages_from_elsewhere_are_refused(headers: dict[str, str], allowed: bool) -> None:
    assert (ACCESS.identify({"host": "localhost:8000", **headers}, "127.0.0.1") is LOCAL) is allowed


@pytest.mark.parametrize("name", ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip"])
def test_what_a_proxy_passes_on_is_not_local(name: str) -> None:
    assert ACCESS.identify({"host": "127.0.0.1:8000", name: "for=127.0.0.1"}, "127.0.0.1") is NOBODY


def test_only_the_local_user_itself_is_allowed() -> None:
    """A principal with the same words is not the one that `identify` gave out."""
    assert ACCESS.decide(NOBODY, "entity.read", "") == "deny"
    assert ACCESS.decide(Principal("local", ("administrator",)), "entity.read", "") == "deny"


def test_the_local_user_acts_for_people_who_are_known_and_active() -> None:
    people = {
        "urn:p:li": Person("urn:p:li", "李", "urn:o:water", ["handler"]),
        "urn:p:gone": Person("urn:p:gone", "走", "urn:o:water", active=False),
    }
    access = LoopbackAccess(people.get)
    here = {"host": "localhost:8000"}
    who = access.identify({**here, "cityhub-person": "urn:p:li"}, "127.0.0.1")
    assert (who.id, who.roles) == ("urn:p:li", ("administrator", "handler"))
    assert access.decide(who, "case.write", "") == "allow"
    for unknown in ("urn:p:gone", "urn:p:nobody", ""):
        with pytest.raises(InvalidRequest, match="CityHub-Person"):
            access.identify({**here, "cityhub-person": unknown}, "127.0.0.1")
    assert access.identify({**here, "cityhub-person": "urn:p:li"}, "10.0.0.7") is NOBODY
