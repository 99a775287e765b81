"""Tables on S3-compatible storage: DuckDB is told the same address and keys as pyiceberg."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlparse

import duckdb

from cityhub.history.lake.reading import quoted

PREFIX = "s3://"


def reach(database: duckdb.DuckDBPyConnection, properties: Mapping[str, str]) -> None:
    """Lets a database read objects.

    Args:
        database: Its other connections can as well.
        properties: pyiceberg's: "s3.endpoint" (empty: that of AWS), "s3.access-key-id", "s3.secret-access-key", "s3.session-token",
            "s3.region".

    Raises:
        RuntimeError: The package with DuckDB's extension is not installed; it says which.
    """
    package = importlib.util.find_spec("duckdb_extension_httpfs")
    if package is None or package.origin is None:
        raise RuntimeError("A lake on object storage needs the package 'duckdb-extension-httpfs'; install CityHub with the extra 'storage'")
    database.load_extension(str(Path(package.origin).parent / "extensions" / f"v{duckdb.__version__}" / "httpfs.duckdb_extension"))
    known = {
        "KEY_ID": properties.get("s3.access-key-id"),
        "SECRET": properties.get("s3.secret-access-key"),
        "SESSION_TOKEN": properties.get("s3.session-token"),
        "REGION": properties.get("s3.region"),
    }
    options = [f"{name} {quoted(value)}" for name, value in known.items() if value]
    if endpoint := properties.get("s3.endpoint"):
        address = urlparse(endpoint)
        options += [f"ENDPOINT {quoted(address.netloc)}", "URL_STYLE 'path'", f"USE_SSL {str(address.scheme == 'https').lower()}"]
    database.execute(f"CREATE SECRET lake ({', '.join(['TYPE s3', *options])})")
