"""SenML: packs of measurements, resolved.

A record has `name`, `time` (seconds since 1970, a number) and what it says: `value` (number, text, truth value, or bytes in base64),
`unit`, `sum`, `updateTime`. A name of LwM2M ("urn:dev:ow:10e2073a01080063/3303/0/5700") is taken apart as well: `endpoint`, `object`,
`objectInstance`, `resource`, `resourceInstance`.

Source: RFC 8428; OMA LwM2M Core 1.2, section 7.4 (SenML with links `vlo` and paths as names).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from time import time as seconds_now
from typing import Any, Final

from cityhub.ingest.decoding.bounds import bounded
from cityhub.ingest.decoding.cbor import read_cbor
from cityhub.ingest.decoding.json_lines import read_json
from cityhub.ingest.decoding.options import SenmlOptions

VERSION: Final = 10
"""The highest version of the format that is understood."""
_RELATIVE: Final = 2**28  # times below it are relative to now
_LABELS: Final = {
    "-1": "bver", "-2": "bn", "-3": "bt", "-4": "bu", "-5": "bv", "-6": "bs", "0": "n", "1": "u", "2": "v", "3": "vs", "4": "vb", "5": "s",
    "6": "t", "7": "ut", "8": "vd",
}  # fmt: skip
_KNOWN: Final = frozenset(_LABELS.values()) | {"vlo"}
_VALUES: Final = ("v", "vs", "vb", "vd", "vlo")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*")
_LWM2M: Final = re.compile(r"(.*?)/?(?<![^/:])(\d{1,5})/(\d{1,5})/(\d{1,5})(?:/(\d{1,5}))?")
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "bn": (str,), "n": (str,), "bu": (str,), "u": (str,), "vs": (str,), "vd": (str,), "vlo": (str,), "vb": (bool,),
    "bt": (int, float), "t": (int, float), "ut": (int, float), "v": (int, float), "s": (int, float), "bv": (int, float),
    "bs": (int, float), "bver": (int,),
}  # fmt: skip


def senml_decoder(options: SenmlOptions, now: Callable[[], float] = seconds_now) -> Callable[[bytes], list[Any]]:
    """Reads packs as JSON or CBOR, whichever they are."""

    def decode(body: bytes) -> list[Any]:
        records = resolved(_pack(body), now())
        return _together(records) if options.together else records

    return decode


def _pack(body: bytes) -> list[dict[str, Any]]:
    if body.lstrip()[:1] in (b"[", b"\xef"):
        value = read_json(body)
    else:
        items = read_cbor(body)
        value = items[0] if len(items) == 1 else None
    if type(value) is not list or not all(type(item) is dict for item in value):
        raise ValueError("a SenML pack must be an array of objects")
    return [{_LABELS.get(key, key): item for key, item in entry.items()} for entry in bounded(value)]


def resolved(pack: list[dict[str, Any]], now: float) -> list[dict[str, Any]]:
    """The records of a pack with names, times and values of their own. Raises ValueError naming the record that is wrong.

    Args:
        pack: With the labels of JSON.
        now: For relative times, seconds since 1970.
    """
    base: dict[str, Any] = {}
    records = []
    for number, entry in enumerate(pack, 1):
        try:
            _check(entry)
            base.update({key: item for key, item in entry.items() if key in ("bn", "bt", "bu", "bv", "bs")})
            if any(key in entry for key in (*_VALUES, "s")) or ("bv" in base and "n" in entry):
                records.append(_record(entry, base, now))
        except ValueError as error:
            raise ValueError(f"record {number} of the pack: {error}") from None
    return records


def _check(entry: dict[str, Any]) -> None:
    for key, item in entry.items():
        if key not in _KNOWN:
            if key.endswith("_"):
                raise ValueError(f"'{key[:100]}' must be understood and is not")
            continue
        kinds = _TYPES[key]
        if type(item) not in kinds:
            raise ValueError(f"'{key}' must be a {'number' if float in kinds else kinds[0].__name__}")
    if entry.get("bver", VERSION) > VERSION:
        raise ValueError(f"version {entry['bver']} is not known; the highest is {VERSION}")
    if sum(key in entry for key in _VALUES) > 1:
        raise ValueError("it must have one value only")


def _record(entry: dict[str, Any], base: dict[str, Any], now: float) -> dict[str, Any]:
    name = base.get("bn", "") + entry.get("n", "")
    if not _NAME.fullmatch(name.removeprefix("/")):
        raise ValueError(f"'{name[:100]}' is not a name: letters, digits and -:./_ that begin with a letter or digit")
    time = base.get("bt", 0) + entry.get("t", 0)
    record: dict[str, Any] = {"name": name, "time": now + time if time < _RELATIVE else time}
    for key in _VALUES:
        if key in entry:
            record["value"] = entry[key]
    if "v" in entry or ("bv" in base and not any(key in entry for key in _VALUES) and "s" not in entry):
        record["value"] = base.get("bv", 0) + entry.get("v", 0)
    if "s" in entry or "bs" in base:
        record["sum"] = base.get("bs", 0) + entry.get("s", 0)
    if unit := entry.get("u") or base.get("bu"):
        record["unit"] = unit
    if "ut" in entry:
        record["updateTime"] = entry["ut"]
    return _with_path(record, name)


def _with_path(record: dict[str, Any], name: str) -> dict[str, Any]:
    found = _LWM2M.fullmatch(name)
    if found:
        record["endpoint"] = found.group(1).rstrip("/:")
        record["object"], record["objectInstance"], record["resource"] = (int(found.group(place)) for place in (2, 3, 4))
        if found.group(5):
            record["resourceInstance"] = int(found.group(5))
    return record


def _together(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One record for what has one time and one thing, with the values by the rest of the name."""
    found: dict[tuple[str, float], dict[str, Any]] = {}
    for record in records:
        thing, rest = _thing(record)
        group = found.setdefault((thing, record["time"]), {"name": thing, "time": record["time"], "values": {}, "units": {}})
        group["values"][rest] = record.get("value", record.get("sum"))
        if "unit" in record:
            group["units"][rest] = record["unit"]
    return list(found.values())


def _thing(record: dict[str, Any]) -> tuple[str, str]:
    name: str = record["name"]
    if "object" in record:
        return record["endpoint"], name[len(record["endpoint"]) :].lstrip("/:")
    end = max(name.rfind("/"), name.rfind(":"))
    return name[: max(end, 0)], name[end + 1 :]
