"""Brings a PostgreSQL database to the schema of this version."""

from __future__ import annotations

from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from cityhub.model.errors import StoreUnavailable

_LOCK = 0x43697479
"""Advisory lock: several hubs that start at once upgrade one after the other."""
_LOCK_S = 120
"""How long a start waits for whoever holds that lock, or a table that it must change."""


def migrate(url: str) -> None:
    """Creates or upgrades the schema "cityhub"; several hubs may call it at once. Blocks.

    Raises:
        StoreUnavailable: The server cannot be reached, PostGIS is missing, the schema is newer than this version, or somebody else
            holds it for long.
    """
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url, connect_timeout=5), poolclass=NullPool)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_S}s'")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            _extensions(connection)
            connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS cityhub")
            command.upgrade(_config(connection), "head")
    except CommandError as error:
        raise StoreUnavailable(f"The database's schema is not one that this version knows ({error}); update CityHub") from error
    except OperationalError as error:
        if isinstance(error.orig, psycopg.errors.LockNotAvailable):
            reason = f"Another program has held the database for {_LOCK_S} s (perhaps another hub that upgrades it)"
            raise StoreUnavailable(f"{reason}; try again when it has ended") from error
        raise StoreUnavailable(f"The database cannot be reached: {error.orig}") from error
    except DBAPIError as error:
        raise StoreUnavailable(f"The database cannot be prepared: {error.orig}") from error


def _extensions(connection: Connection) -> None:
    present = set(connection.exec_driver_sql("SELECT extname FROM pg_extension").scalars())
    for name in ("postgis", "btree_gist"):
        if name in present:
            continue
        try:
            connection.exec_driver_sql(f"CREATE EXTENSION {name}")
        except DBAPIError as error:
            raise StoreUnavailable(
                f"The database lacks the extension {name}; an administrator must run CREATE EXTENSION {name} ({error.orig})"
            ) from error


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
