"""The words of `cityhub ingest file`; the work is in `cityhub.cli.file_import`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from cityhub.settings import FIELDS, SettingsRead


def add_file_command(subparsers: Any) -> None:
    """Adds `file` to the commands of `cityhub ingest`."""

    def run(given: argparse.Namespace, settings: SettingsRead) -> int:
        from cityhub.cli.file_import import Wanted, ingest_file

        plan, refused = (Path(name) if name else None for name in (given.plan, given.refused))
        wanted = Wanted(Path(given.path), plan, given.dry_run, given.rows, refused)
        return ingest_file(settings, getattr(given, "url", None), getattr(given, "tenant", ""), wanted)

    text = "Looks into a file (CSV, Excel, maps, Parquet, JSON) and imports it; see docs/import-files.md."
    parser = subparsers.add_parser("file", help=text, description=text, allow_abbrev=False)
    parser.set_defaults(command=run)
    # What stands before the word `file` is not undone by a default.
    for option, metavar, help in (
        ("data", "DIR", "data folder of the hub"), ("store", "URL", FIELDS["store"].description.replace("`", "")),
        ("url", "URL", "address of the hub; without it the hub that runs on the data folder"), ("tenant", "NAME", "tenant"),
    ):  # fmt: skip
        parser.add_argument(f"--{option}", default=argparse.SUPPRESS, metavar=metavar, help=help)
    parser.add_argument("path", metavar="PATH", help="the file")
    parser.add_argument("--plan", metavar="PLAN", help="YAML or JSON: what becomes of the file; without it a proposal is printed")
    parser.add_argument("--dry-run", action="store_true", help="try the plan and write nothing")
    parser.add_argument("--rows", type=int, metavar="N", help="of a dry run: only the first N rows")
    parser.add_argument("--refused", metavar="FILE", help="where refused rows go with their reasons (PATH.refused.csv)")
