"""A process of its own for what needs heavy libraries, which the hub's own never loads: `python -m cityhub.catalogue.worker TASK`.

It reads its input from standard input, writes its answer to standard output, and ends. Its memory is bounded.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from typing import Final

MEMORY_BYTES: Final = 4_000_000_000
"""Address space that it may take; libraries of numbers reserve much more than they use."""


def graph(content: bytes, form: str) -> bytes:
    """JSON-LD (whose @context stands inside it) as Turtle, RDF/XML, N-Triples or N3."""
    from rdflib import Graph

    return Graph().parse(data=content, format="json-ld").serialize(format=form, encoding="utf-8")


def main() -> None:
    """Does the task that the command line names."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    task = sys.argv[1]
    sys.stdout.buffer.write(TASKS[task](sys.stdin.buffer.read()))
    sys.stdout.buffer.flush()


def _profile(content: bytes) -> bytes:
    from cityhub.catalogue.profiling import run

    return run(content)


def _workbook(content: bytes) -> bytes:
    from cityhub.catalogue.workbook import workbook

    return workbook(content)


TASKS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "turtle": lambda content: graph(content, "turtle"),
    "xml": lambda content: graph(content, "xml"),
    "nt": lambda content: graph(content, "nt"),
    "profile": _profile,
    "workbook": _workbook,
}
"""What it can do, by name."""

if __name__ == "__main__":
    main()
