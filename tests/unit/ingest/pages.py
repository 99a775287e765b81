"""Pages of the documentation that are run: their files, and their commands with the answers that stand below them."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from cityhub.cli import main
from tests.hub_process import HubProcess

DOCS = Path(__file__).parents[3] / "docs"


class Page:
    """A page.

    Attributes:
        files: Content of its files by name: blocks whose first line names one.
    """

    def __init__(self, name: str) -> None:
        text = (DOCS / name).read_text("utf-8")
        self.files: dict[str, str] = dict(re.findall(r"^```\w+ (\S+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
        self._steps: list[tuple[str, str]] = re.findall(r"^```(sh|text)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)

    def lay_out(self, folder: Path) -> None:
        """Writes its files."""
        for name, content in self.files.items():
            (folder / name).write_text(content, "utf-8")

    def run(self, capfd: pytest.CaptureFixture[str]) -> int:
        """Runs its commands in their order on the hub of the folder "data"; how many answers were compared.

        A command ends well unless "|| true" stands behind it. A block of text says what the commands before it printed, among others.
        """
        said, told = "", 0
        for kind, content in self._steps:
            if kind == "text":
                for line in content.splitlines():
                    assert line in said, said
                told += 1
                continue
            said = ""
            for line in content.splitlines():
                command, _, may_fail = line.partition(" || ")
                code = main([*shlex.split(command)[1:], "--data", "data"])
                out, err = capfd.readouterr()
                said += out
                assert code == 0 or (may_fail and code == 1), (line, out, err)
        return told


@contextlib.contextmanager
def running() -> Iterator[str]:
    """The address of a hub on the folder "data" of the working folder."""
    with HubProcess(Path("data")) as hub:
        yield hub.url
