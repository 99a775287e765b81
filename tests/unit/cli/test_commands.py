"""The command line against a real hub: start, ready line, load, query, check, trace, flow, stop."""

from __future__ import annotations

import contextlib
import gzip
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import cityhub
from cityhub.cli import main
from tests.hub_process import DEV, HubProcess


@contextlib.contextmanager
def hub(data: Path, *options: str) -> Iterator[str]:
    """The address of a hub on a data folder; it is stopped in order at the end."""
    with HubProcess(data, options or DEV, PYTHONWARNINGS="error") as hub:
        ready = hub.ready
        assert set(ready) == {"port", "url", "pid"}
        assert ready["pid"] == hub.process.pid
        assert ready["url"].endswith(f":{ready['port']}")
        yield hub.url
        assert hub.stop() == ""
    assert hub.process.returncode == 0, hub.log
    assert "s3cret" not in hub.log
    for line in hub.log.splitlines():
        assert json.loads(line)["level"] == "info", line


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hub")


@pytest.fixture(scope="module")
def running(data: Path) -> Iterator[str]:
    with hub(data) as url:
        yield url


@pytest.fixture(scope="module")
def devices(data: Path) -> Path:
    path = data.parent / "devices.ndjson.gz"
    entities = [{"id": f"urn:ngsi-ld:Device:{n}", "type": "Device", "level": {"type": "Property", "value": n}} for n in range(2500)]
    lines = [json.dumps(entity) for entity in entities]
    lines[1200] = '{"id": "urn:ngsi-ld:Device:bad"}'
    lines[1800] = "{nonsense"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def call(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capfd.readouterr()
    return code, out, err


def test_load_reports_bad_items_and_loads_the_rest(running: str, data: Path, devices: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capfd, "load", "--data", str(data), str(devices))
    assert code == 1
    assert f"{devices}:1801: not valid JSON at column 2" in err
    assert f"{devices}:1201: urn:ngsi-ld:Device:bad: " in err
    assert "2,498 entities, 2 refused" in err
    code, out, _ = call(capfd, "query", "--url", running, "--type", "Device", "--count")
    assert (code, out) == (0, "2498\n")


def test_query_forms_and_pages(running: str, data: Path, devices: Path, capfd: pytest.CaptureFixture[str]) -> None:
    main(["load", "--data", str(data), str(devices)])
    capfd.readouterr()
    code, out, _ = call(capfd, "query", "--data", str(data), "--q", "level>2497", "--form", "simplified")
    assert code == 0
    assert [entity["level"] for entity in json.loads(out)] == [2498, 2499]
    code, out, _ = call(capfd, "query", "--data", str(data), "--type", "Device", "--limit", "0", "--lines")
    assert len({json.loads(line)["id"] for line in out.splitlines()}) == 2498
    code, out, _ = call(capfd, "query", "--data", str(data), "--type", "Device", "--limit", "3", "--lines")
    assert len(out.splitlines()) == 3
    code, out, _ = call(capfd, "query", "--data", str(data), "--type", "Nothing")
    assert (code, json.loads(out)) == (0, [])
    code, _, err = call(capfd, "query", "--data", str(data), "--q", "level>>")
    assert code == 1
    assert err.startswith("cityhub: 400 ")


def test_trace_flow_and_check(running: str, data: Path, devices: Path, capfd: pytest.CaptureFixture[str]) -> None:
    main(["load", "--data", str(data), str(devices)])
    capfd.readouterr()
    code, out, _ = call(capfd, "trace", "--data", str(data), "--json", "urn:ngsi-ld:Device:7")
    found = json.loads(out)
    assert (code, found["exists"]) == (0, True)
    first = found["changes"][0]
    assert (first["id"], first["kind"], first["collection"]) == ("urn:ngsi-ld:Device:7", "created", "entity")
    code, out, _ = call(capfd, "trace", "--data", str(data), first["trace"])
    assert code == 0
    assert "urn:ngsi-ld:Device:7 " in out
    code, out, _ = call(capfd, "trace", "--data", str(data), "urn:ngsi-ld:Device:none")
    assert code == 1
    assert "does not exist" in out
    code, out, _ = call(capfd, "flow", "--data", str(data))
    assert code == 0
    assert out.count("history") == 1
    assert out.startswith("from")
    code, out, _ = call(capfd, "check", "--data", str(data))
    assert code == 0, out
    assert f"at {running}" in out
    assert "All is well." in out


def test_readers_are_shown_and_those_at_work_are_kept(running: str, data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["readers", "--data", str(data)]) == 0
    assert "subscriptions" in capfd.readouterr().out
    assert main(["readers", "--data", str(data), "--forget", "subscriptions"]) == 1
    assert "at work" in capfd.readouterr().err
    assert main(["readers", "--data", str(data), "--forget", "no/such"]) == 1
    assert "no reader 'no/such'" in capfd.readouterr().err


def test_metrics_and_readiness(running: str) -> None:
    with urllib.request.urlopen(f"{running}/ready") as answer:
        assert json.load(answer)["status"] == "ready"
    with urllib.request.urlopen(f"{running}/metrics") as answer:
        text = answer.read().decode()
    for name in ("cityhub_requests_total", "cityhub_request_seconds_bucket", "cityhub_journal_position", "cityhub_store_bytes"):
        assert f"\n{name}" in text


def test_a_second_hub_on_the_same_folder_is_refused(running: str, data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capfd, "run", *DEV, "--data", str(data))
    assert code == 1
    assert "in use by process" in err
    assert running in err


def test_without_a_running_hub_the_store_is_used_and_keeps_everything(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    items = tmp_path / "items.json"
    items.write_text('[{"id": "urn:ngsi-ld:A:1", "type": "A"}, {"id": "urn:ngsi-ld:A:2", "type": "A"}]')
    folder = tmp_path / "data"
    code, out, _ = call(capfd, "check", "--data", str(folder))
    assert code == 0
    assert "the first start makes it" in out
    assert not folder.exists()
    assert call(capfd, "load", "--data", str(folder), str(items))[0] == 0
    code, out, _ = call(capfd, "query", "--data", str(folder), "--count")
    assert (code, out) == (0, "2\n")
    with hub(folder) as url:
        with urllib.request.urlopen(f"{url}/ngsi-ld/v1/entities/urn:ngsi-ld:A:1") as answer:
            assert json.load(answer)["type"] == "A"
    assert call(capfd, "check", "--data", str(folder))[0] == 0


def test_killed_hub_starts_again(tmp_path: Path) -> None:
    with HubProcess(tmp_path) as killed:
        killed.kill()
    with hub(tmp_path):
        pass


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1"])
def test_dev_refuses_other_addresses(tmp_path: Path, host: str, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capfd, "run", "--dev", "--host", host, "--data", str(tmp_path / "x"))
    assert (code, out) == (2, "")
    assert f"'host' is '{host}' (from --host)" in err
    assert "loopback only" in err
    assert not (tmp_path / "x").exists()


def test_an_address_that_is_taken(running: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capfd, "run", "--port", running.rpartition(":")[2], "--data", str(tmp_path))
    assert code == 1
    assert "of 127.0.0.1 is taken by another program" in err


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_data_that_is_no_folder(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    for command in (("run", *DEV), ("load", "-")):
        code, _, err = call(capfd, *command, "--data", str(tmp_path / name))
        assert code == 1
        assert f"'data' is '{tmp_path / name}': right would be a folder" in err
        assert "Errno" not in err
    code, out, _ = call(capfd, "check", "--data", str(tmp_path / name))
    assert code == 1
    assert "right would be a folder" in out


def test_questions_to_a_folder_without_a_hub_make_none(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for command in (("query",), ("trace", "urn:a:1"), ("flow",)):
        code, out, err = call(capfd, *command, "--data", str(tmp_path / "slip"))
        assert (code, out) == (1, "")
        assert "where no hub has been yet" in err
    assert not (tmp_path / "slip").exists()


@pytest.mark.parametrize(
    ("port", "right"), [("99999", "a whole number of at most 65535"), ("-1", "a whole number of at least 0"), ("x", "a whole number")]
)
def test_a_number_that_is_none(port: str, right: str, capfd: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capfd, "run", f"--port={port}")
    assert (code, err) == (2, f"cityhub: 'port' is '{port}' (from --port): right would be {right}\n")


def test_ordinary_run_prints_the_address_for_people(tmp_path: Path) -> None:
    hub = HubProcess(tmp_path, ("--port", "0", "--no-feeds"))
    line = hub.first_line().decode()
    hub.stop()
    assert line.startswith(f"CityHub {cityhub.__version__} answers at http://127.0.0.1:")
    assert hub.process.returncode == 0


def test_version(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capfd.readouterr().out == f"cityhub {cityhub.__version__}\n"


def test_no_hub_at_the_address(capfd: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capfd, "query", "--url", "http://127.0.0.1:9", "--type", "A")
    assert code == 1
    assert err.startswith("cityhub: The hub does not answer: ")


def test_an_open_stream_does_not_hold_up_the_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYHUB_STOP_TIMEOUT_S", "500")  # `hub` fails long before
    with hub(tmp_path) as url:
        stream = urllib.request.urlopen(f"{url}/api/stream?type=A", timeout=60)
        assert stream.status == 200
    stream.close()


@pytest.mark.postgres
def test_a_hub_on_postgres_keeps_its_entities_and_its_password(
    postgres_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store = postgres_url.replace("postgres@", "postgres:s3cret@")
    items = tmp_path / "items.json"
    items.write_text('[{"id": "urn:ngsi-ld:A:1", "type": "A"}]')
    for _ in range(2):
        with hub(tmp_path, *DEV, "--store", store) as url:
            assert call(capfd, "load", "--url", url, str(items))[0] == 0
            assert call(capfd, "query", "--url", url, "--type", "A", "--count")[1] == "1\n"
    code, out, err = call(capfd, "check", "--data", str(tmp_path), "--store", store)
    assert code == 0, out + err
    assert "s3cret" not in out + err
