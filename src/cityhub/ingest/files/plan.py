"""What is to become of a file: which table of it, what its columns are, and what entities or observations they make."""

from __future__ import annotations

import hashlib
from typing import Final, Literal

import msgspec

from cityhub.ingest.feed import EntityMapping
from cityhub.model.errors import BadRequestData

ColumnType = Literal["text", "number", "integer", "boolean", "time", "geometry", "object"]
Target = Literal["entities", "observations"]
Duplicates = Literal["keep", "first", "last", "refuse"]
MAX_PLAN: Final = 1_000_000
"""Largest plan in bytes."""


class Reading(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a file is read. What is not said is found out from its content.

    Attributes:
        table: Sheet of a workbook, layer of a map, member of a zip; "" is the first that has rows.
        encoding: Of text: "utf-8", "gb18030", "utf-16-le", ...
        delimiter: Between the values of a CSV; one character.
        header: Number of the row with the heads, the first being 1; 0: there are none.
        crs: Of coordinates in a map whose file does not say it ("EPSG:4547") or says it wrongly.
    """

    table: str = ""
    encoding: str = ""
    delimiter: str = ""
    header: int | None = None
    crs: str = ""


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the values of a column are.

    Attributes:
        type: What is not of it is refused, cell by cell.
        form: Of times: "auto" takes the usual ways to write them, "epoch_s" and "epoch_ms" count since 1970, "excel" days since 1900,
            anything else is as strptime has it ("%Y年%m月%d日").
        decimal: The mark before decimals; the other of "." and "," then parts thousands.
    """

    type: ColumnType = "text"
    form: str = "auto"
    decimal: Literal[".", ","] = "."


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What becomes of a file. Its mappings are those of a feed, so that a plan may become a feed.

    Attributes:
        entities: What becomes of a row; each that applies is used. Columns are named as in the file's preview.
        target: "entities" writes the context, as a feed does; "observations" writes the history only, many times faster.
        reading: How the file is read.
        columns: What columns hold; one that is not named is as the preview has it.
        duplicates: What to do with rows of the same entity and time: "keep" all, the "first" or "last" of them, or "refuse" all but the
            first and list them.
        context: @context of the names; "" is that of the district.
    """

    entities: list[EntityMapping]
    target: Target = "entities"
    reading: Reading = Reading()
    columns: dict[str, Column] = {}
    duplicates: Duplicates = "keep"
    context: str = ""


def read_plan(content: bytes) -> Plan:
    """A plan from YAML or JSON. Raises BadRequestData naming the member that is wrong."""
    if len(content) > MAX_PLAN:
        raise BadRequestData(f"A plan has at most {MAX_PLAN} bytes, not {len(content)}")
    try:
        plan = msgspec.yaml.decode(content, type=Plan)
    except msgspec.ValidationError as error:
        raise BadRequestData(f"The plan is not as it should be: {error}") from None
    except Exception as error:  # PyYAML's own family, and recursion errors of hostile documents
        raise BadRequestData(f"The plan must be YAML or JSON: {str(error)[:300]}") from None
    return checked(plan)


def checked(plan: Plan) -> Plan:
    """The same plan. Raises BadRequestData for one that cannot work."""
    if not plan.entities:
        raise BadRequestData("'entities' must hold at least one mapping; the file's preview proposes one")
    for mapping in plan.entities:
        if not mapping.attributes:
            raise BadRequestData(f"'attributes' of the mapping to '{mapping.type[:100]}' must name at least one attribute")
        if plan.target == "observations" and not mapping.observed_at:
            raise BadRequestData("'observed_at' must say which column is the time of observation when the target is 'observations'")
    return plan


def key_of(reading: Reading) -> str:
    """The name of the table that a reading makes: 16 hex digits."""
    return hashlib.sha256(msgspec.json.encode(reading, order="deterministic")).hexdigest()[:16]
