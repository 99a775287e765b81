"""Which command was meant, with which settings; each command itself stands in a module of its own."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cityhub import __version__
from cityhub.settings import FIELDS, SettingsError, SettingsRead, read

Command = Callable[[argparse.Namespace, SettingsRead], int]

USAGE_FAULT = 2
"""Exit code for settings or arguments that cannot be used."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code (0 good, 1 failed, 2 wrong settings or arguments)."""
    given = parser().parse_args(arguments)
    try:
        settings = read({name: getattr(given, name, None) for name in FIELDS}, os.environ)
        return int(given.command(given, settings))
    except SettingsError as error:
        print(f"cityhub: {error}", file=sys.stderr)
        return USAGE_FAULT
    except BrokenPipeError:
        # Whoever read our output has seen enough (`cityhub query | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cityhub", description="The digital hub of a city district.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"cityhub {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (
        _add_run, _add_check, _add_backup, _add_restore, _add_load, _add_backfill, _add_query, _add_sql, _add_export, _add_tiers,
        _add_ingest, _add_rules, _add_cases, _add_trace, _add_flow, _add_readers, _add_forget,
    ):  # fmt: skip
        add(commands)
    return parser


def _command(commands: Any, name: str, help: str, run: Command) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=help, description=help, allow_abbrev=False)
    parser.set_defaults(command=run)
    _option(parser, "data", metavar="DIR")
    _option(parser, "store", metavar="URL")
    return parser


def _option(parser: argparse.ArgumentParser, name: str, **more: Any) -> None:
    """Adds the option of a setting; without it the setting keeps the value of its other sources."""
    field = FIELDS[name]
    help = {"help": field.description.replace("`", "").replace("%", "%%")}
    parser.add_argument(field.option, dest=name, default=None, **help | more)


def _add_run(commands: Any) -> None:
    def run(given: argparse.Namespace, settings: SettingsRead) -> int:
        from cityhub.cli.run import run

        return run(settings)

    parser = _command(commands, "run", "Runs the hub until it is told to stop.", run)
    _option(parser, "host", metavar="ADDRESS")
    _option(parser, "port", metavar="PORT")
    _option(parser, "district", metavar="NAME")
    _option(parser, "feeds", action="store_false", help="Neither loads the district nor plays its feeds.")
    _option(parser, "dev", action="store_true")


def _add_check(commands: Any) -> None:
    def run(given: argparse.Namespace, settings: SettingsRead) -> int:
        from cityhub.cli.check import check

        return check(settings)

    _command(commands, "check", "Checks settings, store, journal and free space.", run)


def _add_backup(commands: Any) -> None:
    def run(given: argparse.Namespace, settings: SettingsRead) -> int:
        from cityhub.cli.backup import backup

        return backup(settings.settings, Path(given.file))

    parser = _command(commands, "backup", "Writes everything that the hub keeps into one file; the hub may be running.", run)
    parser.add_argument("file", metavar="FILE", help="the backup to write, such as hub-2026-11-23.tar")


def _add_restore(commands: Any) -> None:
    def run(given: argparse.Namespace, settings: SettingsRead) -> int:
        from cityhub.cli.backup import restore_from

        return restore_from(settings.settings, Path(given.file), given.replace)

    parser = _command(commands, "restore", "Fills an empty hub from a backup, also one of the other backend; the hub must not run.", run)
    parser.add_argument("file", metavar="FILE", help="a file that `cityhub backup` wrote")
    parser.add_argument("--replace", action="store_true", help="empty a store that is not empty first")


def _add_load(commands: Any) -> None:
    def run(given: argparse.Namespace, settings: SettingsRead) -> int:
        from cityhub.cli.load import load

        return load(settings, given.files, given.url, given.tenant, given.context, given.update)

    parser = _command(commands, "load", "Loads entities from files into the hub.", run)
    parser.add_argument("files", nargs="+", metavar="FILE", help="JSON array or one JSON object a line, maybe gzipped; '-': standard input")
    parser.add_argument("--update", action="store_true", help="keep attributes that the file does not name (else entities are replaced)")
    parser.add_argument("--context", metavar="URL", help="@context of entities that name none themselves")
    _add_connection(parser)


def _add_query(commands: Any) -> None:
    def run(given: argparse.Namespace, settings: SettingsRead) -> int:
        from cityhub.cli.query import Query, query

        parameters = {name: getattr(given, name) for name in QUERY_PARAMETERS}
        asked = Query(parameters, given.form, given.lines, given.limit, given.count, given.context)
        return query(settings, given.url, given.tenant, asked)

    parser = _command(commands, "query", "Prints the entities that match.", run)
    for name, help in QUERY_PARAMETERS.items():
        parser.add_argument(f"--{name}", metavar="VALUE", help=help)
    parser.add_argument("--form", choices=("normalized", "concise", "simplified"), default="normalized", help="representation of entities")
    parser.add_argument("--lines", action="store_true", help="one entity a line, as `load` reads them")
    parser.add_argument("--limit", type=int, default=100, metavar="N", help="print at most so many (100); 0 prints all")
    parser.add_argument("--count", action="store_true", help="print only how many match")
    parser.add_argument("--context", metavar="URL", help="@context for names in query and answer (the district's)")
    _add_connection(parser)


QUERY_PARAMETERS = {
    "type": "entity types, such as 'Device,Sensor'",
    "id": "entity ids, separated by ','",
    "idPattern": "regular expression for the id",
    "attrs": "only entities that have one of these attributes",
    "q": "condition on attributes, such as 'level>3.5;status==\"on\"'",
    "scopeQ": "condition on scopes",
    "georel": "geometric relation, such as 'near;maxDistance==500'",
    "geometry": "geometry type of --coordinates",
    "coordinates": "coordinates, such as '[108.77,29.53]'",
    "geoproperty": "the attribute that --georel looks at (location)",
}
"""Query parameters of the standard's Query Entities operation that the command passes on."""


def _add_sql(commands: Any) -> None:
    def run(given: argparse.Namespace, settings: SettingsRead) -> int:
        from cityhub.cli.sql import Wanted, sql

        wanted = Wanted(given.statement, given.parameter, given.format, given.output, given.limit, given.timeout, given.excel)
        return sql(settings, given.url, given.tenant, wanted)

    parser = _command(commands, "sql", "Runs an SQL statement over everything that is and was.", run)
    parser.add_argument("statement", nargs="?", default="-", metavar="SQL", help="one SELECT, or SHOW TABLES; '-': from standard input")
    parser.add_argument("--parameter", action="append", default=[], metavar="VALUE", help="value of a '?': JSON, or text; once for each")
    parser.add_argument("--format", choices=("table", "json", "csv", "parquet", "arrow", "xlsx", "gpkg"), help="form of the answer (table)")
    parser.add_argument("--output", metavar="FILE", help="write the answer there; its ending says the form")
    parser.add_argument("--limit", type=int, metavar="N", help="at most so many rows (1000 of a table, else all)")
    parser.add_argument("--timeout", type=float, default=600.0, metavar="S", help="how long the statement may take, in seconds (600)")
    parser.add_argument("--excel", action="store_true", help="CSV as Excel reads it: with a byte order mark, and without formulas")
    _add_connection(parser)


def _add_tiers(commands: Any) -> None:
    def run(given: argparse.Namespace, settings: SettingsRead) -> int:
        from cityhub.cli.tiers import tiers

        return tiers(settings.settings, Path(given.plan) if given.plan else settings.settings.tiers, given.json, given.move)

    parser = _command(commands, "tiers", "Shows what the storage tiers of the history cost, today and under a plan.", run)
    parser.add_argument("--plan", metavar="FILE", help="another plan than that of the setting 'tiers': what would it cost?")
    parser.add_argument("--json", action="store_true", help="the whole report as JSON")
    parser.add_argument("--move", action="store_true", help="move the files that belong elsewhere, then report")


def _add_export(commands: Any) -> None:
    def run(given: argparse.Namespace, settings: SettingsRead) -> int:
        from cityhub.cli.export import Wanted, export

        wanted = Wanted(given.file, given.statement, given.format, given.bom, given.time_zone, given.timeout)
        return export(settings, given.url, given.tenant, wanted)

    parser = _command(commands, "export", "Writes the answer to an SQL statement into a file.", run)
    parser.add_argument("file", metavar="FILE", help="where to: .parquet, .csv, .xlsx or .gpkg")
    parser.add_argument("statement", metavar="SQL", help="one SELECT; '-': from standard input")
    parser.add_argument("--format", choices=("parquet", "csv", "xlsx", "gpkg"), help="in place of the file's ending")
    parser.add_argument("--bom", action="store_true", help="CSV with a byte order mark, as Excel wants it")
    parser.add_argument("--time-zone", default="Asia/Shanghai", metavar="ZONE", help="in which Excel shows moments (Asia/Shanghai)")
    parser.add_argument("--timeout", type=float, default=3600.0, metavar="S", help="how long the statement may take, in seconds (3600)")
    _add_connection(parser)


def _add_backfill(commands: Any) -> None:
    def run(given: argparse.Namespace, settings: SettingsRead) -> int:
        from cityhub.cli.backfill import Wanted, backfill

        wanted = Wanted(given.file, given.mapping, given.rejects, given.preview, given.context)
        return backfill(settings, given.url, given.tenant, wanted)

    parser = _command(commands, "backfill", "Brings a table in a file into the history, once.", run)
    parser.add_argument("file", metavar="FILE", help=".csv, .tsv, .csv.gz, .parquet, .xlsx, .xls, .ods, .gpkg or .jsonl")
    parser.add_argument("mapping", metavar="MAPPING", help="a TOML or JSON file that says which column is what; see docs/backfill.md")
    parser.add_argument("--preview", action="store_true", help="only print the observations of the first rows")
    parser.add_argument("--rejects", metavar="FILE", help="where refused rows go with their reasons (FILE.rejected.csv)")
    parser.add_argument("--context", metavar="URL", help="@context of the names in the mapping (the district's)")
    _add_connection(parser)


def _add_ingest(commands: Any) -> None:
    from cityhub.cli.ingest import add_parts, run

    parser = _command(commands, "ingest", "Brings in feeds and devices: lists, adds, tries, starts and stops them.", run)
    parser.add_argument("--json", action="store_true", help="print the hub's answers as JSON")
    _add_connection(parser)
    add_parts(parser)


def _add_rules(commands: Any) -> None:
    from cityhub.cli.rules import add_parts, run

    parser = _command(commands, "rules", "Lists and checks rules, tries them on the past, and traces entities through them.", run)
    parser.add_argument("--json", action="store_true", help="print the hub's answers as JSON")
    _add_connection(parser)
    add_parts(parser)


def _add_cases(commands: Any) -> None:
    from cityhub.cli.cases import add_parts, run

    parser = _command(commands, "cases", "Lists and shows cases.", run)
    parser.add_argument("--json", action="store_true", help="print the hub's answers as JSON")
    _add_connection(parser)
    add_parts(parser)


def _add_trace(commands: Any) -> None:
    def run(given: argparse.Namespace, settings: SettingsRead) -> int:
        from cityhub.cli.journey import trace

        return trace(settings, given.url, given.tenant, given.id, given.json)

    parser = _command(commands, "trace", "Shows an item's way through the journal and its readers.", run)
    parser.add_argument("id", metavar="ID", help="an item's id, or a trace id (32 hex digits) from the log")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    _add_connection(parser)


def _add_flow(commands: Any) -> None:
    def run(given: argparse.Namespace, settings: SettingsRead) -> int:
        from cityhub.cli.journey import flow

        return flow(settings, given.url, given.tenant, given.json)

    parser = _command(commands, "flow", "Shows who reads what from whom.", run)
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    _add_connection(parser)


def _add_readers(commands: Any) -> None:
    def run(given: argparse.Namespace, settings: SettingsRead) -> int:
        from cityhub.cli.journey import readers

        return readers(settings, given.url, given.forget)

    parser = _command(commands, "readers", "Shows who follows the journal and how far each is, or lets go of one.", run)
    parser.add_argument("--forget", metavar="NAME", help="let go of a reader that will not come back, so that the journal need not wait")
    parser.add_argument("--url", help="address of the hub; without it the hub that runs on the data folder, or else the store itself")


def _add_forget(commands: Any) -> None:
    def run(given: argparse.Namespace, settings: SettingsRead) -> int:
        from cityhub.cli.forget import forget

        return forget(settings, given.url, given.tenant, given.id, given.yes)

    parser = _command(commands, "forget", "Deletes an entity and its whole history for good.", run)
    parser.add_argument("id", metavar="ID", help="the entity's id")
    parser.add_argument("--yes", action="store_true", help="it is meant: nothing of it comes back but from a backup")
    _add_connection(parser)


def _add_connection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help="address of the hub; without it the hub that runs on the data folder, or else the store itself")
    parser.add_argument("--tenant", default="", metavar="NAME", help="tenant; without it the default one")
