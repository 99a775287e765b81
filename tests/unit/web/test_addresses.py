import pytest

from cityhub.web.addresses import AddressPolicy


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_allowed(address):
    assert AddressPolicy().permits(address, 443)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "fe80::1", "fe80::1%eth0",
        "fd00:ec2::254", "100.100.100.200", "224.0.0.1", "ff02::1", "240.0.0.1", "255.255.255.255", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "2002:7f00:1::", "64:ff9b::7f00:1", "192.0.2.1", "not an address", "", "2130706433",
    ],
)  # fmt: skip
def test_all_others_are_refused(address):
    assert not AddressPolicy().permits(address, 443)


def test_loopback_only_for_development():
    policy = AddressPolicy(loopback_allowed=True)
    assert policy.permits("127.0.0.1", 80)
    assert policy.permits("::1", 80)
    assert policy.permits("::ffff:127.0.0.1", 80)
    assert not policy.permits("10.0.0.1", 80)


def test_networks_addresses_hosts_and_domains_can_be_allowed():
    policy = AddressPolicy(["10.0.0.0/8", "192.168.1.7", "broker.example", "*.city.example"])
    assert policy.permits("10.200.1.1", 1)
    assert policy.permits("192.168.1.7", 1)
    assert not policy.permits("192.168.1.8", 1)
    assert policy.permits_host("Broker.Example.", 1)
    assert policy.permits_host("a.city.example", 1)
    assert not policy.permits_host("city.example", 1)
    assert not policy.permits_host("evilcity.example", 1)
    assert not policy.permits_host("broker.example.evil", 1)


@pytest.mark.parametrize("entry", ["10.0.0.1", "10.0.0.0/8", "[fd00::1]", "fd00::/8", "a.example", "*.example"])
def test_an_entry_may_be_for_one_port(entry):
    policy = AddressPolicy([f"[{entry}]:1883" if entry == "fd00::/8" else f"{entry}:1883"])
    asked = policy.permits_host if "example" in entry else policy.permits
    target = "a.example" if "example" in entry else "fd00::1" if "fd" in entry else "10.0.0.1"
    assert asked(target, 1883)
    assert not asked(target, 80)


def test_a_network_that_is_none_is_reported():
    with pytest.raises(ValueError, match="does not appear"):
        AddressPolicy(["10.0.0.0/8/8"])
