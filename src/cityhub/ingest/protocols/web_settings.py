"""What a feed says of the web service that it polls."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from cityhub.ingest.message import MAX_BODY
from cityhub.ingest.protocols.http_calls import Access
from cityhub.ingest.protocols.paging import Paging


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a command to a device sends: its parameters as the JSON body, unless `body` is given.

    Attributes:
        url: Where to.
        method: POST, PUT, PATCH or DELETE.
        headers: Its headers; secrets as "env:NAME".
        body: JSON value that is sent instead of the command's parameters.
    """

    url: str
    method: Literal["POST", "PUT", "PATCH", "DELETE"] = "POST"
    headers: dict[str, str] = {}
    body: Any = None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a web service is asked.

    In `url`, `query` and `body` stand `{watermark}`, `{from}`, `{to}`, `{page}`, `{offset}`, `{size}`, `{cursor}`; a query parameter or
    body member without a value yet is left out.

    Attributes:
        url: Address of the service.
        method: GET or POST.
        query: Parameters of the URL.
        headers: Headers; a secret is written "env:NAME" or "file:PATH".
        body: JSON value or text of a POST.
        access: How the feed shows who it is.
        every_s: Seconds from one walk to the next.
        times: Instead: times as in a crontab ("5 * * * *").
        time_zone: Of `times`.
        paging: How long answers are divided.
        records: (FEEL) the records of an answer, for counting and watermarks; "" takes the feed's `records`.
        watermark: (FEEL) in a record the value that grows (a time, a number); "" reads everything each time.
        start: Watermark of the very first walk; None leaves its placeholder out.
        overlap: How far the watermark is set back at each walk, for rows that come late: seconds of a time, or so much of a number.
        window_s: Walk a time watermark in windows of so many seconds (`{from}`, `{to}`); 0: in one.
        timeout_s: Of one request.
        max_bytes: Largest answer, unpacked.
        per_second: Requests per second at most.
        retries: How often a request is repeated after a passing trouble before the feed says so.
        ca_file: Certificates of authorities (PEM); "" are those of the system.
        commands: What a command to a device sends, by its name.
    """

    url: str
    method: Literal["GET", "POST"] = "GET"
    query: dict[str, Any] = {}
    headers: dict[str, str] = {}
    body: Any = None
    access: Access | None = None
    every_s: float = 300.0
    times: str = ""
    time_zone: str = "Asia/Shanghai"
    paging: Paging = Paging()
    records: str = ""
    watermark: str = ""
    start: str | int | float | None = None
    overlap: float = 0.0
    window_s: float = 0.0
    timeout_s: float = 30.0
    max_bytes: int = MAX_BODY
    per_second: float = 5.0
    retries: int = 3
    ca_file: str = ""
    commands: dict[str, Order] = {}

    def __post_init__(self) -> None:
        if not 0 < self.max_bytes <= MAX_BODY:
            raise ValueError(f"'max_bytes' must be 1 to {MAX_BODY}; what is larger comes as a file")
        if self.window_s and self.start is None:
            raise ValueError("'window_s' needs a 'start', the time where the first window begins")
        if self.timeout_s <= 0 or self.per_second <= 0:
            raise ValueError("'timeout_s' and 'per_second' must be greater than 0")
