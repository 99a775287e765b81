"""Tags of Modbus units: what a register means, which ones are read together, and back to registers."""

from __future__ import annotations

import math
import struct
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

Table = Literal["holding", "input", "coil", "discrete"]
BIT_TABLES: Final = frozenset({"coil", "discrete"})
MOST_BITS: Final = 2000
_STRUCTS: Final = {"uint16": "H", "int16": "h", "uint32": "I", "int32": "i", "uint64": "Q", "int64": "q", "float32": "f", "float64": "d"}


class Tag(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A value of a unit.

    Attributes:
        address: Of its first register or bit, counted from 0 as on the wire ("40001" of a manual is holding register 0).
        table: "holding" and "input" are registers, "coil" and "discrete" bits.
        type: How registers are read; bits need none. "bit" is one bit of a register, "text" is ASCII.
        word_order: Which register of several comes first: the one with the high ("big") or the low ("little") part.
        byte_order: The same of the two bytes in a register.
        scale, offset: Value is what was read times scale plus offset.
        bit: Which bit of a register, 0 is the lowest.
        length: Registers of a text.
        writable: Whether a command may write it.
    """

    address: Annotated[int, Meta(ge=0, le=65535)]
    table: Table = "holding"
    type: Literal["uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64", "bit", "text"] = "uint16"
    word_order: Literal["big", "little"] = "big"
    byte_order: Literal["big", "little"] = "big"
    scale: float = 1.0
    offset: float = 0.0
    bit: Annotated[int, Meta(ge=0, le=15)] = 0
    length: Annotated[int, Meta(ge=1, le=60)] = 1
    writable: bool = False

    def __post_init__(self) -> None:
        if self.writable and self.table not in ("holding", "coil"):
            raise ValueError("only tags of the tables 'holding' and 'coil' can be 'writable'")
        if self.writable and self.type in ("bit", "text"):
            raise ValueError("a 'bit' or 'text' of a register cannot be 'writable'")
        if not self.scale:
            raise ValueError("'scale' must not be 0")

    @property
    def size(self) -> int:
        """How many registers or bits it takes."""
        if self.table in BIT_TABLES or self.type == "bit":
            return 1
        return self.length if self.type == "text" else struct.calcsize(_STRUCTS[self.type]) // 2


class Group(msgspec.Struct, frozen=True):
    """Tags that one request reads."""

    table: Table
    address: int
    count: int
    tags: dict[str, Tag]


def groups_of(tags: dict[str, Tag], gap: int, most: int) -> list[Group]:
    """As few requests as the gap and the number of registers in one request allow."""
    groups: list[Group] = []
    for name, tag in sorted(tags.items(), key=lambda item: (item[1].table, item[1].address)):
        bound = MOST_BITS if tag.table in BIT_TABLES else most
        if groups:
            last = groups[-1]
            count = max(last.count, tag.address + tag.size - last.address)
            if last.table == tag.table and tag.address <= last.address + last.count + gap and count <= bound:
                groups[-1] = Group(last.table, last.address, count, last.tags | {name: tag})
                continue
        groups.append(Group(tag.table, tag.address, tag.size, {name: tag}))
    return groups


def decoded(tag: Tag, values: list[Any], start: int) -> bool | int | float | str | None:
    """The value of a tag in what a group read, from position `start` on; not-a-number is null."""
    if tag.table in BIT_TABLES:
        return bool(values[start])
    registers = values[start : start + tag.size]
    if tag.type == "bit":
        return bool(registers[0] >> tag.bit & 1)
    content = _bytes(tag, registers)
    if tag.type == "text":
        return content.partition(b"\0")[0].decode("ascii", "replace").strip()
    (raw,) = struct.unpack(">" + _STRUCTS[tag.type], content)
    if isinstance(raw, float) and not math.isfinite(raw):
        return None
    plain = tag.scale == 1.0 and tag.offset == 0.0
    value: int | float = raw if plain else round(raw * tag.scale + tag.offset, 9)
    return value


def encoded(tag: Tag, value: Any) -> list[int] | list[bool]:
    """The registers or the bit that say a value. Raises ValueError when it is none of the tag's kind or range."""
    if tag.table in BIT_TABLES:
        if not isinstance(value, bool):
            raise ValueError("the value must be true or false")
        return [value]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("the value must be a number")
    raw = (value - tag.offset) / tag.scale if (tag.scale, tag.offset) != (1.0, 0.0) else value
    try:
        content = struct.pack(">" + _STRUCTS[tag.type], raw if tag.type.startswith("float") else round(raw))
    except (struct.error, OverflowError):
        raise ValueError(f"{value} does not fit into {tag.type}") from None
    words = [content[at : at + 2] for at in range(0, len(content), 2)]
    words = words if tag.word_order == "big" else words[::-1]
    return [int.from_bytes(word, tag.byte_order) for word in words]


def _bytes(tag: Tag, registers: list[int]) -> bytes:
    words = [register.to_bytes(2, tag.byte_order) for register in registers]
    return b"".join(words if tag.word_order == "big" or tag.type == "text" else words[::-1])
