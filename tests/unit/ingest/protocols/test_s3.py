"""Objects of a bucket, from a real S3 server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from pyarrow import fs

from cityhub.ingest.message import TroubleAtSource
from cityhub.ingest.protocols.s3 import Connector, Settings, connect
from cityhub.model.errors import BadRequestData, Forbidden
from cityhub.web.addresses import AddressPolicy
from tests import services
from tests.engines.object_store import BUCKET, object_store
from tests.unit.ingest.protocols.peers import Kept, feed, running, surroundings


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with object_store(tmp_path_factory.mktemp("objects")) as environment:
        if environment is None:
            services.unavailable("MinIO is not installed (go install github.com/minio/minio@latest)")
        else:
            yield environment


def made(kept: Kept, store: dict[str, str], policy: AddressPolicy | None = None, **source: Any) -> Connector:
    settings = msgspec.convert(
        {"endpoint": store["AWS_ENDPOINT_URL"], "bucket": BUCKET, "access_key": "env:KEY", "secret_key": "env:SECRET", "every_s": 0.1, **source},
        Settings,
    )
    secrets = {"env:KEY": store["AWS_ACCESS_KEY_ID"], "env:SECRET": store["AWS_SECRET_ACCESS_KEY"]}
    return connect(feed("s3"), settings, surroundings(kept, policy, secrets))


def put(store: dict[str, str], key: str, body: bytes) -> None:
    files = fs.S3FileSystem(access_key=store["AWS_ACCESS_KEY_ID"], secret_key=store["AWS_SECRET_ACCESS_KEY"], scheme="http",
                            endpoint_override=store["AWS_ENDPOINT_URL"].removeprefix("http://"), region="us-east-1")  # fmt: skip
    with files.open_output_stream(f"{BUCKET}/{key}") as stream:
        stream.write(body)


async def test_new_and_changed_objects_once_each(store: dict[str, str]) -> None:
    kept = Kept()
    for n in range(5):
        put(store, f"rain/{n}.json", b"[%d]" % n)
    put(store, "rain/notes.txt", b"no")
    put(store, "other/1.json", b"no")
    source = {"prefix": "rain", "names": "*.json"}
    async with running(made(kept, store, **source), kept):
        await kept.count(5)
    assert sorted(message.about["path"] for message in kept.messages) == [f"rain/{n}.json" for n in range(5)]
    async with running(made(kept, store, **source), kept):
        await asyncio.sleep(1.1)  # the store's times are whole seconds
        put(store, "rain/sub/9.json", b"[9]")
        put(store, "rain/0.json", b"[10]")
        await kept.count(7)
        await asyncio.sleep(0.3)
    assert sorted(message.body for message in kept.messages[5:]) == [b"[10]", b"[9]"]


async def test_a_large_object_is_passed_over_with_a_word(store: dict[str, str]) -> None:
    kept = Kept()
    put(store, "large/1.json", b"x" * 1000)
    async with running(made(kept, store, prefix="large", max_bytes=100), kept):
        await kept.count(1)
    assert kept.messages[0].records == [] and kept.bookmark is not None
    assert any("bring it in as an import" in detail for _, detail in kept.states)


async def test_a_store_that_says_no_or_is_away_is_trouble(store: dict[str, str]) -> None:
    with pytest.raises(TroubleAtSource):
        await made(Kept(), store, secret_key="wrong").run(Kept())
    with pytest.raises(TroubleAtSource):
        await made(Kept(), store, bucket="no-such-bucket").run(Kept())
    with pytest.raises(Forbidden):
        await made(Kept(), store, AddressPolicy()).run(Kept())
    with pytest.raises(BadRequestData, match="'endpoint' must be"):
        made(Kept(), store, endpoint="objects.local")
