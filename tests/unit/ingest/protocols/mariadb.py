"""A MariaDB server of our own on a Unix socket and a loopback port."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.services import find_program, free_port, listens, stop, wait_for


@contextlib.contextmanager
def mariadb_server() -> Iterator[int | None]:
    """The loopback port of a server with a database `city` and a user `hub` (password "drop"), or None when MariaDB is not installed."""
    server, install = find_program("mariadbd", "/usr/sbin/mariadbd"), find_program("mariadb-install-db")
    if server is None or install is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="cityhub-maria-"))
    owner = ["setpriv", "--pdeathsig", "TERM"]
    if os.getuid() == 0:
        shutil.chown(folder, "mysql")
        owner += ["--reuid", "mysql", "--regid", "mysql", "--init-groups"]
    data, port = [f"--datadir={folder / 'data'}", "--no-defaults"], free_port()
    try:
        subprocess.run([*owner, install, data[1], data[0], "--auth-root-authentication-method=normal", "--skip-test-db"],
                       cwd="/", check=True, capture_output=True)  # fmt: skip
        begin = folder / "begin.sql"
        begin.write_text("CREATE DATABASE city CHARACTER SET utf8mb4;\nCREATE USER hub@'%' IDENTIFIED BY 'drop';\nGRANT ALL ON city.* TO hub@'%';\n")
        begin.chmod(0o644)
        process = subprocess.Popen(
            [*owner, server, data[1], data[0], f"--socket={folder / 'sock'}", f"--port={port}", "--bind-address=127.0.0.1",
             f"--pid-file={folder / 'pid'}", f"--init-file={begin}", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=32M"],
            cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_for(lambda: listens(port), process, "MariaDB")
            yield port
        finally:
            stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
