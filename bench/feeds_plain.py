"""What stands beside the hub: a plain Python subscriber, paho's client with a callback that reads the JSON and forgets it.

    python -m bench.feeds_plain --port 1883 --messages 400000 [--session-only]

It prints one line of JSON when it has all messages: seconds from the first to the last, and its processor time.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

CLIENT = "plain"


def subscribe(port: int, messages: int) -> dict[str, float]:
    """Takes so many messages."""
    client = paho.Client(CallbackAPIVersion.VERSION2, CLIENT, clean_session=False)
    seen = 0
    began = ended = 0.0
    started_s = 0.0

    def heard(_client: Any, _data: Any, message: Any) -> None:
        nonlocal seen, began, ended, started_s
        if not seen:
            began, started_s = time.perf_counter(), time.process_time()
        json.loads(message.payload)
        seen += 1
        if seen == messages:
            ended = time.perf_counter()
            client.disconnect()

    client.on_message = heard
    client.on_connect = lambda *_: client.subscribe("meters/#", 1)
    if not messages:
        client.on_subscribe = lambda *_: client.disconnect()
    client.connect("127.0.0.1", port)
    client.loop_forever()
    return {"messages": seen, "seconds": ended - began, "processor_s": time.process_time() - started_s}


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--messages", type=int, default=0)
    given = options.parse_args()
    print(json.dumps(subscribe(given.port, given.messages)))
