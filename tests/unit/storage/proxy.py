"""A proxy before a PostgreSQL server that can be cut, to see what a hub does while its server is away."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Proxy:
    """Forwards connections of a Unix socket to another until it is cut, in a thread of its own.

    Attributes:
        url: Where clients connect.
        swallows_answers: While true, what clients send arrives, what the server answers does not.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        self._target = f"{query['host'][0]}/.s.PGSQL.{query.get('port', ['5432'])[0]}"
        self._folder = Path(tempfile.mkdtemp(prefix="cityhub-proxy-"))
        self._socket = self._folder / ".s.PGSQL.5432"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.url = parts._replace(query=f"host={self._folder}").geturl()
        self.swallows_answers = False
        self._thread.start()

    def open(self) -> None:
        """Begins to forward."""
        self._server = self._run(asyncio.start_unix_server(self._client, self._socket))

    def cut(self) -> None:
        """Ends every connection and takes no more."""
        self._run(self._close_server())

    def drop(self) -> None:
        """Ends every connection."""
        self._run(self._abort())

    def close(self) -> None:
        """Cuts and cleans up."""
        self.cut()
        self._run(self._finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _close_server(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            self._socket.unlink(missing_ok=True)
        await self._abort()

    async def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _finish(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        await self._abort()
        await asyncio.sleep(0.05)  # an aborted transport closes in the next rounds of the loop

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            server_reader, server_writer = await asyncio.open_unix_connection(self._target)
            self._writers |= {writer, server_writer}
            try:
                await asyncio.gather(self._pump(reader, server_writer, False), self._pump(server_reader, writer, True))
            finally:
                self._writers -= {writer, server_writer}
                writer.transport.abort()
                server_writer.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if not (answers and self.swallows_answers):
                    target.write(data)
                    await target.drain()
        target.close()
