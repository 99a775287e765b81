"""Settings: which source wins, what is refused and in which words, and that the page about them is current."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cityhub.settings import FIELDS, Settings, SettingsError, convert, is_loopback, read, shown
from tests.unit.settings_page import page

ROOT = Path(__file__).parents[2]


def test_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = read({}, {})
    assert found.settings == Settings()
    assert set(found.sources.values()) == {"default"}


def test_command_line_wins_over_environment_over_file(tmp_path: Path) -> None:
    (tmp_path / "cityhub.toml").write_text('port = 1111\nhost = "::1"\nlog_level = "error"\n')
    found = read({"data": tmp_path, "port": 3333}, {"CITYHUB_PORT": "2222", "CITYHUB_HOST": "localhost"})
    assert (found.settings.port, found.settings.host, found.settings.log_level) == (3333, "localhost", "error")
    assert found.sources["port"] == "--port"
    assert found.sources["host"] == "CITYHUB_HOST"
    assert found.sources["log_level"] == str(tmp_path / "cityhub.toml")


def test_file_named_by_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text(f'data = "{tmp_path}"\nfeeds = false\noutbound_allow = ["broker.local", "10.0.0.0/8:80"]\n')
    settings = read({}, {"CITYHUB_SETTINGS": str(file)}).settings
    assert settings.data == tmp_path
    assert settings.feeds is False
    assert settings.outbound_allow == ("broker.local", "10.0.0.0/8:80")


@pytest.mark.parametrize(
    ("name", "raw", "right"),
    [
        ("port", "70000", "a whole number of at most 65535"),
        ("port", "x", "a whole number"),
        ("feeds", "perhaps", "true or false"),
        ("store", "mysql://x/y", "'sqlite' or 'postgresql://user:password@host:port/database'"),
        ("log_format", "xml", "'auto', 'json' or 'text'"),
        ("outbound_allow", "ok.local, not ok", "hosts and networks such as"),
        ("otlp_endpoint", "collector", "empty, or an address such as"),
        ("data", "", "the path of a folder"),
    ],
)
def test_refusal_names_setting_value_source_and_what_is_right(name: str, raw: str, right: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read({}, {"CITYHUB_" + name.upper(): raw})
    message = str(caught.value)
    assert message.startswith(f"'{name}' is '{raw}' (from CITYHUB_{name.upper()}): right would be ")
    assert right.lower() in message.lower()


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "cityhub.toml").write_text("prot = 1\nport = true\n")
    with pytest.raises(SettingsError) as caught:
        read({"data": tmp_path}, {"CITYHUB_LOG_LEVEL": "loud"})
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert any("'prot'" in line and "right would be 'port'" in line for line in lines)


def test_broken_file_and_missing_file(tmp_path: Path) -> None:
    (tmp_path / "cityhub.toml").write_text("port = \n")
    with pytest.raises(SettingsError, match=r"cityhub.toml cannot be read: .*line 1"):
        read({"data": tmp_path}, {})
    with pytest.raises(SettingsError, match="path of a TOML file that exists"):
        read({}, {"CITYHUB_SETTINGS": str(tmp_path / "none.toml")})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_dev_refuses_every_address_but_loopback(host: str) -> None:
    with pytest.raises(SettingsError, match=r"loopback only; right would be 127\.0\.0\.1"):
        read({"dev": True, "host": host}, {})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_dev_takes_loopback(host: str) -> None:
    assert is_loopback(host)
    assert read({"dev": True, "host": host}, {}).settings.host == host


def test_unknown_variables_are_warned_of() -> None:
    found = read({}, {"CITYHUB_PROT": "1", "CITYHUB_TEST_POSTGRES": "x", "CITYHUB_SETTINGS": ""})
    assert found.warnings == ["The variable CITYHUB_PROT names no setting: right would be 'port'"]


def test_passwords_are_never_shown() -> None:
    for secret in ("postgresql://me:p@ss/w:rd@db:5432/hub", "postgresql://db/hub?user=me&password=p@ss/w:rd"):
        assert "ss/w" not in shown(secret)
        assert "db" in shown(secret)
        with pytest.raises(SettingsError) as caught:
            read({}, {"CITYHUB_STORE": secret.replace("postgresql", "oracle")})
        assert "ss/w" not in str(caught.value)


@pytest.mark.parametrize("host", ["a", "a-b.c:80", "*.city.local", "10.1.0.0/16", "10.1.0.0/16:1883", "::1", "fd00::/8", "[fd00::1]:80"])
def test_hosts_and_networks_are_taken(host: str) -> None:
    assert convert(FIELDS["mqtt_allow"], host) == (host,)


def test_every_setting_says_what_it_means() -> None:
    for field in FIELDS.values():
        assert field.description.endswith("."), field.name
    assert [field.name for field in msgspec.structs.fields(Settings)] == list(FIELDS)


def test_page_is_current() -> None:
    assert (ROOT / "docs/settings.md").read_text("utf-8") == page(), "run `make docs`"
