"""A district folder as data: `district.toml`, its entity files and its feeds."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import msgspec
import orjson

Names = dict[str, str]
"""Text by language tag: "zh" and "en"."""


class Document(msgspec.Struct, frozen=True):
    """The plan that the district follows."""

    number: str
    title: str
    publisher: str
    index_number: str = ""
    signed: str = ""
    published: str = ""


class EntityFile(msgspec.Struct, frozen=True):
    """One file of NGSI-LD entities, one per line, with where they come from."""

    id: str
    file: str
    names: Names
    source: str
    license: str
    date: str = ""


class Feed(msgspec.Struct, frozen=True):
    """One feed of the district.

    Attributes:
        id: Short name, unique in the district.
        kind: "recorded" plays the lines of `file` once, in order; "simulated" is made up by a model.
        names: Title by language.
        file: For recorded feeds: JSON lines, one entity each.
        period_s: For simulated feeds: every sensor is refreshed once in this many seconds.
        door: For simulated feeds: how their sensors speak: "ngsi-ld" as a system that knows entities, "mqtt" as devices that publish
            to the hub's own broker, "http" as devices that push; these two are received by the feed of the same id in `feeds/`.
        source: Where the figures come from.
        license: Under which terms.
    """

    id: str
    kind: str
    names: Names
    source: str
    license: str
    file: str = ""
    period_s: float = 5.0
    door: Literal["ngsi-ld", "mqtt", "http"] = "ngsi-ld"


class DistrictFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in `district.toml`."""

    code: str
    names: Names
    short_names: Names
    time_zone: str
    bounding_box: tuple[float, float, float, float]
    boundary_note: Names
    context: str
    context_url: str
    feeds: str
    document: Document
    entities: list[EntityFile]


class District(msgspec.Struct, frozen=True):
    """A district folder that has been read.

    Attributes:
        folder: Where it lies.
        about: What `district.toml` says.
        feeds: The feeds of the feeds file, in its order.
        simulation: The rest of the feeds file: parameters of the models.
    """

    folder: Path
    about: DistrictFile
    feeds: list[Feed]
    simulation: dict[str, Any]

    def path(self, name: str) -> Path:
        """A file of the folder. Raises ValueError for a name that leads out of it."""
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise ValueError(f"'{name}' must lie inside the district folder")
        return path

    def uri(self, kind: str, local: str) -> str:
        """URN of an item of the district, such as 'urn:ngsi-ld:Feed:500114:weather'."""
        return f"urn:ngsi-ld:{kind}:{self.about.code}:{local}"


def read_district(folder: Path) -> District:
    """Reads a district folder.

    Raises:
        FileNotFoundError: when `district.toml` or the feeds file is not there.
        ValueError: when one of them is not what is expected; the message names the file and the field.
    """
    about = _read_toml(folder / "district.toml", DistrictFile)
    path = folder / about.feeds
    content: dict[str, Any] = _read_toml(path, dict[str, Any])
    try:
        feeds = msgspec.convert(content.pop("feed", []), list[Feed])
    except msgspec.ValidationError as error:
        raise ValueError(f"{path.name}: {error}") from None
    return District(folder, about, feeds, content)


def _read_toml(path: Path, type_: Any) -> Any:
    try:
        return msgspec.toml.decode(path.read_bytes(), type=type_)
    except msgspec.DecodeError as error:
        raise ValueError(f"{path.name}: {error}") from None


def read_entities(path: Path) -> list[dict[str, Any]]:
    """The entities of a JSON-lines file. Raises ValueError naming the line that is not JSON."""
    entities = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if line.strip():
            try:
                entities.append(orjson.loads(line))
            except orjson.JSONDecodeError as error:
                raise ValueError(f"{path.name}, line {number}: {error}") from None
    return entities


def digest_of(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
