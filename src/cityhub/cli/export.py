"""`cityhub export`: the answer to an SQL statement into a file, converted here as it comes."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import IO, Final

import httpx
import msgspec
import orjson

from cityhub.cli.connection import Failed, command, connect, failure
from cityhub.cli.presence import find
from cityhub.settings import SettingsRead

PATH: Final = "/api/sql"
ARROW: Final = "application/vnd.apache.arrow.stream"
ENDS: Final = {".parquet": "parquet", ".csv": "csv", ".xlsx": "xlsx", ".gpkg": "gpkg"}


class Wanted(msgspec.Struct, frozen=True):
    """What is asked for.

    Attributes:
        file: Where to; its ending says the form.
        statement: SQL; "-": from standard input.
        format: In place of the ending.
        bom: Whether a CSV begins with a byte order mark.
        time_zone: In which Excel shows moments.
        timeout_s: How long the statement may take.
    """

    file: str
    statement: str
    format: str | None = None
    bom: bool = False
    time_zone: str = "Asia/Shanghai"
    timeout_s: float = 3600.0


def export(read: SettingsRead, url: str | None, tenant: str, wanted: Wanted) -> int:
    """Writes the answer; returns 0, or 1 when the hub refused or the file cannot hold it."""

    async def work() -> int:
        form = wanted.format or ENDS.get(Path(wanted.file).suffix.lower())
        if form is None:
            raise Failed(f"'{wanted.file}' does not say in which form: right would be --format, or a name that ends with {', '.join(ENDS)}")
        if url is None and find(read.settings.data) is None:
            raise Failed(f"No hub runs on {read.settings.data}: right would be the data folder of one that does (--data), or its --url")
        statement = sys.stdin.read() if wanted.statement == "-" else wanted.statement
        async with connect(read.settings, url, tenant, {"Accept": ARROW, "Content-Type": "application/json"}) as client:
            client.timeout = httpx.Timeout(wanted.timeout_s + 60.0)
            asked = {"timeout": f"{wanted.timeout_s:g}"}
            async with client.stream("POST", PATH, params=asked, content=orjson.dumps({"statement": statement})) as response:
                if response.status_code != 200:
                    await response.aread()
                    raise Failed(failure(response))
                rows = await _write(response, form, wanted)
        print(f"{wanted.file}: {rows} rows")
        return 0

    return command(work)


async def _write(response: httpx.Response, form: str, wanted: Wanted) -> int:
    """The answer goes to a temporary file as it comes, and from there into its form: neither needs memory for all of it."""
    with tempfile.TemporaryFile() as file:
        async for piece in response.aiter_bytes():
            await asyncio.to_thread(file.write, piece)
        file.seek(0)
        return await asyncio.to_thread(_convert, file, form, wanted)


def _convert(file: IO[bytes], form: str, wanted: Wanted) -> int:
    import pyarrow as pa

    from cityhub.history.exchange.files import write_file

    try:
        with pa.ipc.open_stream(file) as reader:
            return write_file(reader, reader.schema, form, Path(wanted.file), bom=wanted.bom, time_zone=wanted.time_zone)
    except pa.ArrowInvalid as error:
        raise Failed(f"The answer broke off: {error}") from error
