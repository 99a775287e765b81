"""The command line: `cityhub run`, `check`, `backup`, `restore`, `load`, `query`, `ingest`, `rules`, `trace`, `flow`."""

from cityhub.cli.commands import main

__all__ = ["main"]
