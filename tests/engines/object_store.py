"""A real S3-compatible server of our own on loopback: MinIO where it is installed."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pyarrow import fs

from tests.services import find_program, free_port, listens, stop, wait_for

BUCKET = "lake"


@contextlib.contextmanager
def object_store(folder: Path) -> Iterator[dict[str, str] | None]:
    """The environment that names the store with an empty bucket, or None when MinIO is not there.

    `CITYHUB_TEST_MINIO` may name the program; it can be had by `go install github.com/minio/minio@latest`.
    """
    program = os.environ.get("CITYHUB_TEST_MINIO") or find_program("minio", str(Path.home() / "go" / "bin" / "minio"))
    if program is None:
        yield None
        return
    port, console = free_port(), free_port()
    keys = {"MINIO_ROOT_USER": "cityhub-test", "MINIO_ROOT_PASSWORD": "only-for-this-test"}
    server = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", program, "server", "--quiet", "--address", f"127.0.0.1:{port}",
         "--console-address", f"127.0.0.1:{console}", str(folder)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | keys | {"MINIO_BROWSER": "off", "MINIO_UPDATE": "off"},
    )  # fmt: skip
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": keys["MINIO_ROOT_USER"],
        "AWS_SECRET_ACCESS_KEY": keys["MINIO_ROOT_PASSWORD"],
        "AWS_REGION": "us-east-1",
    }
    try:
        wait_for(lambda: listens(port), server, "MinIO")
        store = fs.S3FileSystem(
            access_key=keys["MINIO_ROOT_USER"], secret_key=keys["MINIO_ROOT_PASSWORD"], endpoint_override=f"127.0.0.1:{port}",
            scheme="http", region="us-east-1", allow_bucket_creation=True,
        )  # fmt: skip
        store.create_dir(BUCKET)
        yield environment
    finally:
        stop(server)
