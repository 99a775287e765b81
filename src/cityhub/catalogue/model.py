"""The records of the catalogue: datasets, their distributions and services, agencies and themes.

Texts for people are maps from language to text ("zh", "en"). Times are those of `cityhub.model.time.to_text`; "" is "not known".
Source: W3C DCAT 3; 政务信息资源目录编制指南（试行）, clause 5.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from cityhub.catalogue.national import Category, Cycle, Grade, Share
from cityhub.model.ports import DataType

Names = dict[Annotated[str, Meta(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")], Annotated[str, Meta(max_length=20_000)]]
Slug = Annotated[str, Meta(min_length=2, max_length=100, pattern=r"^[a-z0-9_-]+$")]
Short = Annotated[str, Meta(max_length=1_000)]
Long = Annotated[str, Meta(max_length=20_000)]
State = Literal["active", "draft", "deleted"]
NO_LICENCE: Final = "notspecified"
DOWNLOAD: Final = "download:"
"""What the address of an automatic file begins with until its dataset has an id."""


class Field(msgspec.Struct, frozen=True):
    """信息项: one field of a dataset. `unit` is a UN/CEFACT code, `iri` what the field means."""

    name: Short
    type: DataType = "text"
    title: Names = {}
    unit: Short = ""
    iri: Short = ""
    description: Names = {}


RuleKind = Literal["complete", "unique", "between", "one of", "pattern", "fresh"]


class Rule(msgspec.Struct, frozen=True):
    """A quality rule: what must hold for the rows of a dataset.

    Attributes:
        kind: "complete": the field has a value; "unique": no value comes twice; "between": `low` <= value <= `high`; "one of": the
            value is in `values`; "pattern": it matches the regular expression; "fresh": the newest time is at most `high` seconds old.
        field: The field that it is about.
        share: Which share of the rows must pass, 0 to 1.
    """

    kind: RuleKind
    field: Short
    low: float | None = None
    high: float | None = None
    values: Annotated[list[Short], Meta(max_length=1_000)] = []
    pattern: Short = ""
    share: Annotated[float, Meta(ge=0, le=1)] = 1.0


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """One way to get a dataset: a file or an interface.

    Attributes:
        id: Unique in the hub.
        name: Title.
        url: Where it is; one that begins with "/" is on this hub.
        format: Short name such as "CSV".
        media_type: IANA media type.
        service: Whether the address is an interface and not a file.
        created: When it was added; "" is "with its dataset".
        modified: When its description or content last changed; "" as above.
        extras: Further members, kept as they came.
    """

    id: Short
    name: Long = ""
    description: Long = ""
    url: Annotated[str, Meta(max_length=5_000)] = ""
    format: Short = ""
    media_type: Short = ""
    size: Annotated[int, Meta(ge=0)] | None = None
    hash: Short = ""
    service: bool = False
    created: Short = ""
    modified: Short = ""
    extras: dict[str, Any] = {}


class Origin(msgspec.Struct, frozen=True):
    """Where a dataset came from by itself: the kind of thing and its key there."""

    kind: str
    key: str


class Relation(msgspec.Struct, frozen=True):
    """A relation to another dataset, by its id; `type` in CKAN's words ("depends_on", "derives_from", "child_of", "links_to")."""

    type: Literal["depends_on", "derives_from", "child_of", "links_to"]
    object: Short
    comment: Long = ""


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset with what the national catalogue asks for.

    Attributes:
        id: UUID.
        name: Short name in addresses, unique in the tenant.
        origin: None when people entered it.
        available: Whether the thing that it came from still exists.
        owner: Id of the agency that provides it (信息资源提供方); "" when none is named.
        contact: Who is asked about it; `contact_email` where.
        author: Who made it, where that is not the owner.
        code: 信息资源代码.
        category: 信息资源分类, 类; `item` is the 项.
        format: 信息资源格式.
        share: 共享类型; `share_condition` and `share_method` are 共享条件 and 共享方式.
        open: 开放属性: whether residents may see and download it; `open_condition` is 开放条件.
        cycle: 更新周期; `period_s` is the exact period of what comes by itself, in seconds.
        issued: 发布日期, an ISO 8601 date.
        related: 关联资源代码.
        grade: 数据分级.
        private: Whether only its own agency sees it (CKAN).
        simulated: Whether a model made its values up.
        bbox: West, south, east, north in degrees.
        themes: Names of themes.
        statement: A SELECT that gives its rows; "" when there is none.
        upstream: Ids of the datasets that it is made of.
        extras: Further texts, by key.
    """

    id: Short
    name: Slug
    title: Names = {}
    description: Names = {}
    origin: Origin | None = None
    available: bool = True
    owner: Short = ""
    contact: Short = ""
    contact_email: Short = ""
    author: Short = ""
    author_email: Short = ""
    source: Long = ""
    url: Annotated[str, Meta(max_length=5_000)] = ""
    version: Short = ""
    licence: Short = NO_LICENCE
    code: Short = ""
    category: Category = "department"
    item: Short = ""
    format: Short = ""
    share: Share = "conditional"
    share_condition: Long = ""
    share_method: Long = ""
    open: bool = False
    open_condition: Long = ""
    cycle: Cycle = "irregular"
    period_s: float | None = None
    issued: Short = ""
    related: Annotated[list[Short], Meta(max_length=200)] = []
    grade: Grade = "general"
    private: bool = False
    simulated: bool = False
    bbox: tuple[float, float, float, float] | None = None
    themes: Annotated[list[Short], Meta(max_length=50)] = []
    tags: Annotated[list[Short], Meta(max_length=200)] = []
    fields: Annotated[list[Field], Meta(max_length=2_000)] = []
    rules: Annotated[list[Rule], Meta(max_length=500)] = []
    distributions: Annotated[list[Distribution], Meta(max_length=500)] = []
    relations: Annotated[list[Relation], Meta(max_length=200)] = []
    statement: Long = ""
    upstream: list[Short] = []
    type: Short = "dataset"
    state: State = "active"
    created: Short = ""
    modified: Short = ""
    extras: dict[str, Any] = {}


class Agency(msgspec.Struct, frozen=True, kw_only=True):
    """提供方: a body that provides data. `code` is its 统一社会信用代码, `entity` its entity in the context."""

    id: Short
    name: Slug
    title: Names = {}
    description: Names = {}
    code: Short = ""
    entity: Short = ""
    image_url: Short = ""
    type: Short = "organization"
    state: State = "active"
    created: Short = ""
    extras: dict[str, Any] = {}


class Theme(msgspec.Struct, frozen=True, kw_only=True):
    """主题: a group of datasets. `concept` is the IRI of the theme in a published list; `item` its 项 in resource codes."""

    id: Short
    name: Slug
    title: Names = {}
    description: Names = {}
    concept: Short = ""
    item: Short = ""
    image_url: Short = ""
    type: Short = "group"
    state: State = "active"
    created: Short = ""
    extras: dict[str, Any] = {}


def in_language(names: Names, language: str = "zh") -> str:
    """A text in a language, else in Chinese, else in any; "" for none."""
    return names.get(language) or names.get("zh") or next(iter(names.values()), "")


def local_name(iri: str) -> str:
    """The last part of an IRI.

    >>> local_name("https://smartdatamodels.org/dataModel.Weather/WeatherObserved")
    'WeatherObserved'
    """
    return iri.replace("#", "/").rstrip("/").rpartition("/")[2].rpartition(":")[2]
