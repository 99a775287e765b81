"""Object storage for the tables: where it is and with which keys, for pyiceberg and for DuckDB alike.

The keys come from the environment alone, by the names that all such tools share (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
`AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`). They are in no setting, no table and no log.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import duckdb

from cityhub.settings import SettingsError

SCHEME: Final = "s3://"
_REGION: Final = "us-east-1"


def io_of(environment: Mapping[str, str]) -> dict[str, str]:
    """pyiceberg's properties of the object store that the environment names; a `Place` takes them as `io`.

    Raises SettingsError when the environment has no keys.
    """
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL", "")
    key, secret = environment.get("AWS_ACCESS_KEY_ID", ""), environment.get("AWS_SECRET_ACCESS_KEY", "")
    if not key or not secret:
        raise SettingsError("The lake is in an object store, so the environment must have AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    if endpoint and urlsplit(endpoint).scheme not in ("http", "https"):
        raise SettingsError("'AWS_ENDPOINT_URL' must be an address such as 'https://objects.city.example:9000'")
    properties = {
        "s3.endpoint": endpoint,
        "s3.region": environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or _REGION,
        "s3.access-key-id": key,
        "s3.secret-access-key": secret,
        "s3.session-token": environment.get("AWS_SESSION_TOKEN", ""),
    }
    return {name: value for name, value in properties.items() if value}


def open_objects(connection: duckdb.DuckDBPyConnection, io: Mapping[str, str]) -> None:
    """Lets a DuckDB database read the object store: its extension from the installed package, the keys as a secret in memory.

    Nothing is downloaded. Call it before the database is locked.
    """
    package = importlib.util.find_spec("duckdb_extension_httpfs")
    if package is None or package.origin is None:
        raise RuntimeError("The package 'duckdb-extension-httpfs' is not installed: install cityhub[objects]")
    file = Path(package.origin).parent / "extensions" / f"v{duckdb.__version__}" / "httpfs.duckdb_extension"
    connection.execute(f"LOAD '{file}'")
    endpoint = urlsplit(io.get("s3.endpoint", ""))
    options = {
        "KEY_ID": io["s3.access-key-id"],
        "SECRET": io["s3.secret-access-key"],
        "SESSION_TOKEN": io.get("s3.session-token", ""),
        "REGION": io.get("s3.region", _REGION),
        "ENDPOINT": endpoint.netloc,
        "URL_STYLE": "path" if endpoint.netloc else "",
        "USE_SSL": "false" if endpoint.scheme == "http" else "",
    }
    words = ", ".join(f"{name} {_quoted(value)}" for name, value in options.items() if value)
    connection.execute(f"CREATE OR REPLACE SECRET lake_objects (TYPE s3, {words})")


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
