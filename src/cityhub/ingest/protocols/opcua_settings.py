"""What a feed says of the OPC UA server whose nodes it follows."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Method(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A method that a command may call: its object and itself, as node ids."""

    object: str
    method: str


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which nodes are followed, and how the server is reached.

    Attributes:
        url: "opc.tcp://plc.local:4840/path".
        tags: Node ids by the name that the value has in records ("ns=2;s=Pump1.Flow").
        interval_ms: How often the server looks at the values and sends their changes.
        queue: Changes of a node that the server keeps between two sendings.
        user: User name; "" signs in without one.
        password: "env:NAME" or "file:PATH".
        security: Policy of signing and encryption; "None" has neither.
        mode: Whether messages are only signed or encrypted too.
        certificate: Of the hub, PEM, "file:PATH"; needed with a policy.
        key: Its private key, PEM, "file:PATH".
        server_certificate: The server's certificate, PEM, "file:PATH"; it is the one and only that is trusted.
        application_uri: The URI in the hub's certificate.
        writable: Names of tags that commands may write.
        methods: What commands may call, by the command's name.
        timeout_s: Of one request.
    """

    url: str
    tags: dict[str, str]
    interval_ms: Annotated[float, Meta(ge=10, le=3_600_000)] = 1000.0
    queue: Annotated[int, Meta(ge=1, le=1000)] = 10
    user: str = ""
    password: str = ""
    security: Literal["None", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"] = "None"
    mode: Literal["Sign", "SignAndEncrypt"] = "SignAndEncrypt"
    certificate: str = ""
    key: str = ""
    server_certificate: str = ""
    application_uri: str = "urn:cityhub:feed"
    writable: tuple[str, ...] = ()
    methods: dict[str, Method] = {}
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 10.0

    def __post_init__(self) -> None:
        if not self.tags or len(self.tags) > 10_000 or {"time", "times", "problems"} & self.tags.keys():
            raise ValueError("'tags' must name 1 to 10000 nodes, and none 'time', 'times' or 'problems'")
        if self.security != "None" and not (self.certificate and self.key and self.server_certificate):
            raise ValueError("'security' needs 'certificate', 'key' and 'server_certificate'")
        if not set(self.writable) <= self.tags.keys():
            raise ValueError("'writable' must be names of 'tags'")
