"""The command line: `cityhub run`, `check`, `backup`, `restore`, `load`, `query`, `trace`, `flow`."""

from cityhub.cli.commands import main

__all__ = ["main"]
