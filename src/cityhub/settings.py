"""The settings of a hub: one frozen record, each field documented, read from four sources.

A later source wins over an earlier one: the default, the settings file (TOML: the path in `CITYHUB_SETTINGS`, or
`cityhub.toml` in the data folder), the environment (`CITYHUB_PORT`), the command line (`--port`).
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta

PREFIX: Final = "CITYHUB_"
FILE_VARIABLE: Final = "CITYHUB_SETTINGS"

_HOST = r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+(/\d{1,3})?|(\*\.)?[A-Za-z0-9_][A-Za-z0-9_.-]*(/\d{1,2})?)(:\d{1,5})?"
Hosts = tuple[Annotated[str, Meta(pattern=f"^{_HOST}$")], ...]
_HOSTS_RIGHT = "hosts and networks such as 'broker.local', '*.city.local:1883', '10.1.0.0/16', separated by ','"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How one hub runs. `read` makes it from all sources; tests may make one directly."""

    data: Annotated[
        Path,
        Meta(description="Folder for everything that the hub keeps. It is made when it is not there."),
    ] = Path("data")
    host: Annotated[
        str,
        Meta(
            min_length=1,
            description="Address to listen on: `127.0.0.1` for this machine only, `0.0.0.0` or `::` for every network of the machine.",
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Meta(ge=0, le=65535, description="TCP port to listen on; 0 takes a free one."),
    ] = 8000
    public_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^/?#]+)?$",
            description="Address under which other systems reach the hub, such as `https://hub.example`: context sources send there what "
            "they notify of for subscriptions that were forwarded to them. Empty: the address on this machine.",
            extra={"right": "empty, or an address such as 'https://hub.example'"},
        ),
    ] = ""
    district: Annotated[
        str,
        Meta(min_length=1, description="The district that the hub serves: a name under `districts/`, or the path of such a folder."),
    ] = "qianjiang"
    feeds: Annotated[bool, Meta(description="Whether the district is loaded and its feeds play.")] = True
    store: Annotated[
        str,
        Meta(
            pattern=r"^(sqlite|postgres(ql)?://.*/.+)$",
            description="Where the context and its journal are kept: `sqlite` is a file in the data folder, "
            "`postgresql://user:password@host/database` a PostgreSQL 15 or newer with PostGIS.",
            extra={"right": "'sqlite' or 'postgresql://user:password@host:port/database'"},
        ),
    ] = "sqlite"
    journal_keep: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000_000,
            description="How many of the newest changes the journal keeps although all of its readers have passed them: so far back "
            "can a client of the live stream resume, and `cityhub trace` look.",
        ),
    ] = 100_000
    dead_letters_keep: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000_000,
            description="How many dead letters are kept: what feeds brought and the hub could not take. When there are more, the oldest "
            "are dropped, and the log says how many.",
        ),
    ] = 100_000
    dead_letters_days: Annotated[
        float,
        Meta(gt=0, le=36_500, description="How long dead letters are kept, in days."),
    ] = 90.0
    alerts_keep_days: Annotated[
        float,
        Meta(
            gt=0,
            le=36_500,
            description="How long closed alerts are kept among the current entities, in days, and so how far back the precision of a rule "
            "looks. The history keeps them as long as everything else.",
        ),
    ] = 365.0
    feed_folders: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^/")], ...],
        Meta(
            description="Folders of this machine whose files feeds may read: watched folders and SQLite files.",
            extra={"right": "absolute paths such as '/srv/city', separated by ','"},
        ),
    ] = ()
    feed_doors: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[0-9A-Fa-f:.]+$")], ...],
        Meta(
            description="Addresses of this machine on which feeds (CoAP, syslog, WebSocket, SNMP traps) may listen besides loopback.",
            extra={"right": "addresses such as '0.0.0.0' or '10.1.2.3', separated by ','"},
        ),
    ] = ()
    import_max_bytes: Annotated[
        int,
        Meta(
            ge=1_000,
            le=1_000_000_000_000,
            description="The largest file that is taken to be imported, in bytes, and the most that an archive may unpack to. It comes in "
            "parts, each within `max_body_bytes`.",
        ),
    ] = 20_000_000_000
    import_keep_days: Annotated[
        float,
        Meta(gt=0, le=36_500, description="How long files that came to be imported are kept, in days."),
    ] = 7.0
    lake: Annotated[
        str,
        Meta(
            pattern=r"^(s3://[a-z0-9][a-z0-9.-]+(/[^?#]*)?)?$",
            description="Where the tables of the history are kept: empty for the folder `lake` in the data folder, or "
            "`s3://bucket/prefix` in an object store that the environment names (`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, "
            "`AWS_SECRET_ACCESS_KEY`, `AWS_REGION`). Needs the extra `objects`, and `lake_catalog`.",
            extra={"right": "empty, or 's3://bucket/prefix'"},
        ),
    ] = ""
    lake_catalog: Annotated[
        str,
        Meta(
            pattern=r"^((postgresql(\+psycopg)?|sqlite)://.+)?$",
            description="The catalogue of these tables, which other engines share: empty for a SQLite file beside them, or "
            "`postgresql+psycopg://user:password@host/database`.",
            extra={"right": "empty, or 'postgresql+psycopg://user:password@host/database'"},
        ),
    ] = ""
    tiers: Annotated[
        Path | None,
        Meta(description="TOML file with the plan of storage tiers: which files of the history move where, and what that costs."),
    ] = None
    warning_key: Annotated[
        Path | None,
        Meta(
            description="PEM file with the key (RSA or elliptic curve, without a password) that signs warnings (CAP). Without one a key "
            "for development is made in the data folder, which nobody trusts."
        ),
    ] = None
    warning_certificate: Annotated[
        Path | None,
        Meta(description="PEM file with the certificate of `warning_key`; without it the file of the key has both."),
    ] = None
    dev: Annotated[
        bool,
        Meta(
            description="For tools and tests: listens on loopback only, nobody needs to sign in, contexts may be fetched from loopback "
            "and notifications sent to it. Never for a hub that others use.",
        ),
    ] = False
    open311_per_hour: Annotated[
        int,
        Meta(ge=0, le=1_000_000, description="How many reports of residents (Open311) are taken from one address in an hour; 0: none."),
    ] = 20
    open311_total_per_hour: Annotated[
        int,
        Meta(ge=0, le=10_000_000, description="How many reports of residents (Open311) are taken altogether in an hour."),
    ] = 2_000
    max_body_bytes: Annotated[
        int,
        Meta(ge=1_000, le=1_000_000_000, description="The largest request body that is read, in bytes; a larger one is answered 413."),
    ] = 20_000_000
    temporal_page: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="How many attribute instances an answer of the temporal interface has at most; of a longer one the rest "
            "is asked for by time (206 with Content-Range). With `dev` it is 30.",
        ),
    ] = 2_000
    sql_memory_mb: Annotated[
        int,
        Meta(
            ge=128,
            le=4_000_000,
            description="Memory for the statements of SQL and the upkeep of the history, all together, in megabytes.",
        ),
    ] = 2048
    sql_spill_mb: Annotated[
        int,
        Meta(
            ge=0,
            le=100_000_000,
            description="Room in the data folder for what statements of SQL cannot hold in memory, in megabytes; 0: none.",
        ),
    ] = 4096
    sql_timeout_s: Annotated[
        float,
        Meta(ge=1, le=86_400, description="The longest time that one statement of SQL may take, in seconds, whatever its caller asks for."),
    ] = 600.0
    sql_concurrent: Annotated[
        int,
        Meta(ge=1, le=64, description="How many statements of SQL run at one time; further ones wait for up to 20 s."),
    ] = 4
    flight_host: Annotated[
        str,
        Meta(
            min_length=1,
            description="Address on which the SQL door for tools (Arrow Flight SQL) listens. Whoever is not on this machine is refused "
            "until callers can sign in.",
        ),
    ] = "127.0.0.1"
    flight_port: Annotated[
        int,
        Meta(ge=0, le=65535, description="TCP port of the SQL door for tools (Arrow Flight SQL: DBeaver, pandas); 0: none."),
    ] = 0
    request_timeout_s: Annotated[
        float,
        Meta(ge=1, le=3600, description="How long a request may take to arrive and to be answered, in seconds. Streams are not bounded."),
    ] = 60.0
    keep_alive_s: Annotated[
        float,
        Meta(ge=1, le=3600, description="How long an idle connection is kept open, in seconds; longer than in a proxy in front."),
    ] = 75.0
    stop_timeout_s: Annotated[
        float,
        Meta(ge=0, le=600, description="How long a stopping hub waits for the requests that it is answering, in seconds."),
    ] = 10.0
    log_format: Annotated[
        Literal["auto", "json", "text"],
        Meta(
            description="Form of the log on standard error: `json` (one object a line), `text`, or `auto`: text on a terminal, else json.",
            extra={"right": "'auto', 'json' or 'text'"},
        ),
    ] = "auto"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(
            description="The least severe message that is logged: `debug`, `info`, `warning` or `error`.",
            extra={"right": "'debug', 'info', 'warning' or 'error'"},
        ),
    ] = "info"
    otlp_endpoint: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^/].*)?$",
            description="Base address of an OpenTelemetry collector (OTLP over HTTP), such as `http://collector:4318`; empty: no tracing. "
            "Needs the extra `telemetry`.",
            extra={"right": "empty, or an address such as 'http://collector:4318'"},
        ),
    ] = ""
    mail_server: Annotated[
        str,
        Meta(
            pattern=r"^((smtps?|smtp\+plain)://([^\s/?#@]+@)?[^\s/?#@]+)?$",
            description="Server where the hub hands in e-mail for people: `smtps://user:password@host:465` (TLS from the start), "
            "`smtp://user:password@host:587` (STARTTLS, or nothing is sent), or `smtp+plain://host:25` inside a network of one's own. "
            "Empty: no e-mail. Better in the environment than in a file.",
            extra={"right": "empty, or 'smtps://user:password@host:465', 'smtp://...' with STARTTLS, 'smtp+plain://...'"},
        ),
    ] = ""
    mail_from: Annotated[
        str,
        Meta(
            pattern=r"^([^\s@<>,;:]+@[A-Za-z0-9.-]+)?$",
            description="Address that e-mail of the hub comes from; needed with `mail_server`.",
            extra={"right": "empty, or an address such as 'hub@city.example'"},
        ),
    ] = ""
    sms_gateway: Annotated[
        Path | None,
        Meta(description="YAML file that says how the gateway for text messages is called; see docs/notices.md. Empty: no text messages."),
    ] = None
    messages_keep: Annotated[
        int,
        Meta(
            ge=1_000,
            le=10_000_000,
            description="How many messages to people the ledger keeps. When there are more, the oldest are dropped that have ended and "
            "were read.",
        ),
    ] = 100_000
    context_preload: Annotated[
        Path | None,
        Meta(description="Folder with JSON-LD contexts that are known without fetching them, so that a hub works without internet."),
    ] = None
    outbound_allow: Annotated[
        Hosts,
        Meta(
            description="Hosts and networks that the hub may send requests to although they are not public (notifications, contexts, other "
            "context sources): `name`, `*.domain`, `10.1.0.0/16`, each followed by `:port` if only that port is meant.",
            extra={"right": _HOSTS_RIGHT},
        ),
    ] = ()
    mqtt_allow: Annotated[
        Hosts,
        Meta(
            description="MQTT brokers that subscriptions may name although they are not public, in the form of `outbound_allow`.",
            extra={"right": _HOSTS_RIGHT},
        ),
    ] = ()


class Field(msgspec.Struct, frozen=True):
    """One setting: its name, its type with bounds, its default and what it means."""

    name: str
    type: Any
    default: Any
    description: str
    right: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return PREFIX + self.name.upper()

    @property
    def option(self) -> str:
        """The command-line option that sets it."""
        return ("--no-" if self.default is True else "--") + self.name.replace("_", "-")


def _field(field: msgspec.structs.FieldInfo, hint: Any) -> Field:
    metas = [item for item in get_args(hint) if isinstance(item, Meta)]
    extra = metas[0].extra or {}
    return Field(field.name, hint, field.default, metas[0].description or "", str(extra.get("right", "")))


_HINTS = get_type_hints(Settings, include_extras=True)
FIELDS: Final = {field.name: _field(field, _HINTS[field.name]) for field in msgspec.structs.fields(Settings)}
"""Every setting by name, in the order of the record."""


class SettingsRead(msgspec.Struct, frozen=True):
    """Settings, where each value came from ('default', 'CITYHUB_PORT', '--port', the file), and what looks like a slip."""

    settings: Settings
    sources: dict[str, str]
    warnings: list[str] = []


class SettingsError(Exception):
    """Settings that cannot be used: one line for each fault with the setting, its value, its source and what would be right."""


def read(arguments: Mapping[str, Any], environment: Mapping[str, str]) -> SettingsRead:
    """The settings from all sources.

    Args:
        arguments: What the command line gives, by setting; None is "not given".
        environment: The environment's variables.

    Raises:
        SettingsError: At least one value cannot be used; all faults are listed.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    variables = {name: environment[field.variable] for name, field in FIELDS.items() if field.variable in environment}
    file = _settings_file(environment, Path(given.get("data", variables.get("data", "data"))))
    content = _content(file) if file else {}
    values: dict[str, Any] = {}
    sources = dict.fromkeys(FIELDS, "default")
    faults = [f"'{name}' (from {file}) is no setting: {nearest(name)}" for name in content if name not in FIELDS]
    for found, place in ((content, "file"), (variables, "variable"), (given, "option")):
        for name in found.keys() & FIELDS.keys():
            sources[name] = str(file) if place == "file" else getattr(FIELDS[name], place)
            try:
                values[name] = convert(FIELDS[name], found[name])
            except ValueError as error:
                faults.append(f"'{name}' is '{shown(found[name])}' (from {sources[name]}): right would be {error}")
    if not faults:
        settings = Settings(**values)
        faults = _faults_together(settings, sources)
    if faults:
        raise SettingsError("\n".join(sorted(faults)))
    return SettingsRead(settings, sources, _strange_variables(environment))


def convert(field: Field, raw: Any) -> Any:
    """A raw value (text, or a TOML value) as the field's type.

    Raises:
        ValueError: It cannot be one; the text says what would be right.
    """
    if raw == "" and field.default is None:
        return None
    if isinstance(raw, str) and isinstance(field.default, tuple):
        raw = [item.strip() for item in raw.split(",") if item.strip()]
    try:
        return msgspec.convert(raw, field.type, strict=not isinstance(raw, str), dec_hook=_path)
    except msgspec.ValidationError as error:
        right = re.sub(r"^Expected |, got .*$| - at .*$", "", str(error))
        raise ValueError(field.right or _in_words(right)) from None


def _in_words(right: str) -> str:
    for written, words in (("`int`", "a whole number"), ("`float`", "a number"), ("`bool`", "true or false"), ("`str`", "a text")):
        right = right.replace(written, words)
    return right.replace(">=", "of at least").replace("<=", "of at most")


def _path(kind: Any, raw: Any) -> Any:
    if kind is Path and isinstance(raw, str | Path) and str(raw):
        return Path(raw).expanduser()
    raise ValueError("Expected the path of a folder")


def shown(value: Any) -> str:
    """A value for people to read: without passwords, bounded in length."""
    text = str(value)
    text = re.sub(r"(?i)(password=)[^&\s]*", r"\1***", re.sub(r"(://[^:/@\s]*:).*@", r"\1***@", text))
    return text[:200]


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def nearest(name: str) -> str:
    """What was probably meant by a name that is no setting, for an error message."""
    near = difflib.get_close_matches(name, FIELDS, 1)
    return f"right would be '{near[0]}'" if near else f"the settings are {', '.join(FIELDS)}"


def _settings_file(environment: Mapping[str, str], data: Path) -> Path | None:
    named = environment.get(FILE_VARIABLE)
    if named and not Path(named).is_file():
        raise SettingsError(f"'{FILE_VARIABLE}' is '{named}': right would be the path of a TOML file that exists")
    file = Path(named) if named else data / "cityhub.toml"
    return file if file.is_file() else None


def _content(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"The settings file {file} cannot be read: {error}") from None


def _faults_together(settings: Settings, sources: Mapping[str, str]) -> list[str]:
    """Faults of values that are right each by itself but not together."""
    if settings.lake and not settings.lake_catalog:
        return [f"'lake' is '{settings.lake}' (from {sources['lake']}): then 'lake_catalog' must say where its catalogue is"]
    if settings.dev and not is_loopback(settings.host):
        return [
            f"'host' is '{settings.host}' (from {sources['host']}): with 'dev' (from {sources['dev']}) the hub listens on loopback only; "
            "right would be 127.0.0.1, ::1, localhost, or no 'dev'"
        ]
    return []


def _strange_variables(environment: Mapping[str, str]) -> list[str]:
    known = {field.variable for field in FIELDS.values()} | {FILE_VARIABLE}
    strange = [name for name in sorted(environment) if name.startswith(PREFIX) and name not in known]
    return [
        f"The variable {name} names no setting: {nearest(name.removeprefix(PREFIX).lower())}"
        for name in strange
        if not name.startswith("CITYHUB_TEST_")
    ]
