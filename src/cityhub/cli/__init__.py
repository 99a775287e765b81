"""The command line: `cityhub run`, `check`, `backup`, `restore`, `load`, `query`, `ingest`, `trace`, `flow`."""

from cityhub.cli.commands import main

__all__ = ["main"]
