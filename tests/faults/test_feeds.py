"""Hub, gateway and broker are killed while devices speak: what was acknowledged is there, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.e2e.hub_process import RunningHub, running_hub
from tests.services import find_program, free_port, listens, stop, unavailable, wait_for

DEVICES = 20
KILLS = int(os.environ.get("CITYHUB_KILLS", "5"))
"""How often hub or gateway are killed."""
FEED: dict[str, Any] = {
    "id": "meters",
    "protocol": "mqtt",
    "entities": [
        {
            "type": "Meter",
            "id": '"urn:ngsi-ld:Meter:" + topic[2]',
            "observed_at": "at",
            "attributes": {"level": {"value": "level"}},
        }
    ],
}


class Broker:
    """A Mosquitto that may be killed and started again; what it has acknowledged it writes down each second."""

    def __init__(self, folder: Path) -> None:
        program = find_program("mosquitto", "/usr/sbin/mosquitto")
        if program is None:
            unavailable("Mosquitto is not installed")
        self.port = free_port()
        self._settings = folder / "mosquitto.conf"
        self._settings.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {folder}/\n"
            f"autosave_interval 1\nmax_queued_messages 100000\n{'user root' if os.getuid() == 0 else ''}\n"
        )
        self._program = program
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([self._program, "-c", self._settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: listens(self.port), self.process, "Mosquitto")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Devices:
    """Devices that number what they say, each message a millisecond after the one before; it is kept until it is acknowledged."""

    def __init__(self, port: int, rate: float) -> None:
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "devices", clean_session=False)
        self._client.max_inflight_messages_set(100)
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._rate = rate
        self._end = threading.Event()
        self.sent = 0
        self._thread = threading.Thread(target=self._speak)
        self._thread.start()

    def _speak(self) -> None:
        while not self._end.is_set():
            number = self.sent
            at = f"2026-01-01T00:{number // 60000:02}:{number // 1000 % 60:02}.{number % 1000:03}Z"
            self._client.publish(f"meters/{number % DEVICES}", f'{{"level": {number}, "at": "{at}"}}', 1)
            self.sent += 1
            time.sleep(1 / self._rate)

    def stop(self) -> int:
        """Ends when the broker has acknowledged everything; how many messages there were."""
        self._end.set()
        self._thread.join()
        end = time.monotonic() + 120
        while self._client._out_messages:
            assert time.monotonic() < end, "the broker does not acknowledge"
            time.sleep(0.05)
        self._client.disconnect()
        self._client.loop_stop()
        return self.sent


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = Broker(folder)
    yield broker
    stop(broker.process)


def feed_state(hub: RunningHub) -> dict[str, Any]:
    state: dict[str, Any] = hub.get("/api/feeds/meters").json()["status"]
    return state


def until(holds: Any, timeout_s: float = 120) -> None:
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


def begin(hub: RunningHub, broker: Broker) -> None:
    source = {"host": "127.0.0.1", "port": broker.port, "topics": ["meters/#"]}
    answer = httpx.post(hub.url + "/api/feeds", json={**FEED, "source": source}, timeout=120)
    assert answer.status_code == 201, answer.text
    until(lambda: feed_state(hub)["state"] == "running")


def kill_gateway(hub: RunningHub) -> None:
    children = Path(f"/proc/{hub.process.pid}/task/{hub.process.pid}/children").read_text().split()
    for child in children:
        if b"cityhub.gateway" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(int(child), signal.SIGKILL)


def levels(hub: RunningHub) -> list[int]:
    """Every level that the history has, of all devices."""
    statement = "SELECT number FROM observations WHERE attribute LIKE '%level' ORDER BY number"
    answer = httpx.post(f"{hub.url}/api/sql?limit=1000000", content=statement.encode(), timeout=120)
    return [int(number) for [number] in answer.json()["rows"]] if answer.status_code == 200 else []


def newest(hub: RunningHub, device: int) -> int:
    answer = hub.get(f"/ngsi-ld/v1/entities/urn:ngsi-ld:Meter:{device}", params={"options": "keyValues"})
    return int(answer.json()["level"]) if answer.status_code == 200 else -1


def check(hub: RunningHub, sent: int) -> None:
    """Everything is there once, and the newest of each device is its state."""
    until(lambda: all(newest(hub, device) == last_of(sent, device) for device in range(DEVICES)))
    until(lambda: len(set(levels(hub))) == sent)
    assert levels(hub) == list(range(sent))


def last_of(sent: int, device: int) -> int:
    return sent - 1 - (sent - 1 - device) % DEVICES


def play(data: Path, broker: Broker, kills: int, seed: int) -> None:
    """Kills the hub or its gateway so many times while devices speak."""
    chance = random.Random(seed)
    devices: Devices | None = None
    done = 0
    while done <= kills:
        with running_hub(data, "--no-feeds") as hub:
            if devices is None:
                begin(hub, broker)
                devices = Devices(broker.port, 400)
            while done <= kills:
                time.sleep(chance.uniform(0.5, 2.5))
                done += 1
                if done > kills:
                    check(hub, devices.stop())
                elif chance.random() < 0.5:
                    kill_gateway(hub)
                else:
                    hub.kill()
                    break


@pytest.mark.slow
@pytest.mark.timeout(60 + 30 * KILLS)
def test_kills_of_hub_and_gateway(tmp_path: Path, broker: Broker) -> None:
    play(tmp_path / "data", broker, kills=KILLS, seed=3)


def test_a_broker_that_is_killed_comes_back(tmp_path: Path, broker: Broker) -> None:
    """What the broker itself forgets nobody can have; what it handed over is there, and what comes later as well, each once."""
    with running_hub(tmp_path / "data", "--no-feeds") as hub:
        begin(hub, broker)
        devices = Devices(broker.port, 300)
        time.sleep(3)
        broker.kill()
        had = feed_state(hub)["written"]
        until(lambda: feed_state(hub)["state"] in ("waiting", "connecting"))
        broker.start()
        restarted = devices.sent
        until(lambda: feed_state(hub)["state"] == "running")
        time.sleep(2)
        sent = devices.stop()
        until(lambda: all(newest(hub, device) == last_of(sent, device) for device in range(DEVICES)))
        found = levels(hub)
        assert len(found) == len(set(found)) >= had
        assert set(range(restarted, sent)) <= set(found)
