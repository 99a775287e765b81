"""What a district's folder says of its data: titles, providers, themes and who may have what (`catalogue.toml`)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from cityhub.catalogue.model import NO_LICENCE, Names, Slug, Theme
from cityhub.catalogue.national import Category, Cycle, Grade, Share

FILE: Final = "catalogue.toml"


class TypeWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said of the dataset of an entity type, or of a feed; `type` is the last part of the type's IRI, or the feed's name."""

    type: str
    title: Names = {}
    description: Names = {}
    provider: str = ""
    themes: list[str] = []
    tags: list[str] = []
    category: Category = "department"
    share: Share = "conditional"
    share_condition: Names = {}
    open: bool = False
    cycle: Cycle = "irregular"
    grade: Grade = "general"
    licence: str = ""


class ThemeWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A theme of the district; `concept` is its IRI in a published list, `item` its 项 in resource codes."""

    name: Slug
    title: Names
    concept: str = ""
    item: str = ""


class DistrictWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"types": "type", "themes": "theme"}):
    """The district's part of the catalogue.

    Attributes:
        title: Of the catalogue.
        provider: Last part of the id of the agency that publishes the catalogue, and whatever has no provider of its own.
        provider_name: Its name, for hubs whose context does not hold it.
        licence: Of what names none.
        attributes: Titles of attributes by the last part of their IRI.
        ranges: Least and greatest value that an attribute can have, in the unit that it is told in.
    """

    title: Names = msgspec.field(default_factory=lambda: {"zh": "政务数据目录", "en": "Data catalogue"})
    description: Names = msgspec.field(default_factory=lambda: {"zh": "本中枢的数据资源。", "en": "The data of this hub."})
    provider: str = "publisher"
    provider_name: Names = msgspec.field(default_factory=lambda: {"zh": "数据管理部门", "en": "Data office"})
    licence: str = NO_LICENCE
    themes: list[ThemeWords] = []
    types: list[TypeWords] = []
    attributes: dict[str, Names] = {}
    ranges: dict[str, tuple[float, float]] = {}

    def of(self, type: str) -> TypeWords:
        """What is said of a type; nothing but its name when nothing is."""
        return next((words for words in self.types if words.type == type), TypeWords(type))

    def theme_records(self) -> list[Theme]:
        """The district's themes."""
        return [Theme(id=words.name, name=words.name, title=words.title, concept=words.concept, item=words.item) for words in self.themes]


class Place(msgspec.Struct, frozen=True):
    """The district that the catalogue is for: its code, short names and bounding box (west, south, east, north)."""

    code: str = "000000"
    short_names: Names = {}
    bbox: tuple[float, float, float, float] | None = None


def read_words(folder: Path | None) -> DistrictWords:
    """What the folder's `catalogue.toml` says; the defaults when there is no folder or no such file.

    Raises:
        ValueError: The file is not what is expected; the message names it and the field.
    """
    if folder is None or not (folder / FILE).is_file():
        return DistrictWords()
    try:
        return msgspec.toml.decode((folder / FILE).read_bytes(), type=DistrictWords)
    except msgspec.DecodeError as error:
        raise ValueError(f"{FILE}: {error}") from None
