"""What a resident sends: read from a form, checked, and refused with the reason where it cannot be a report.

Source: GeoReport v2, "POST Service Request"; the parameter `media` with the photograph itself is an extension in wide use.
"""

from __future__ import annotations

import io
import math
import re
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_form

from cityhub.model.errors import BadRequestData, InvalidRequest, TooLarge, UnsupportedMediaType

FIELDS: Final = frozenset((
    "jurisdiction_id", "api_key", "service_code", "lat", "long", "address_string", "address_id", "email", "device_id", "account_id",
    "first_name", "last_name", "phone", "description", "media_url",
))  # fmt: skip
MOST_DESCRIPTION: Final = 4_000
"""Characters; the standard allows no more."""
MOST_FIELD: Final = 500
MOST_FIELDS: Final = 40
MOST_PHOTOS: Final = 3
MOST_LINKS: Final = 2
"""A description with more links than that is advertising."""
MOST_BYTES: Final = 16_000_000
"""Of a report with its photographs."""
BROKEN: Final = (FormParserError, ValueError)
_LINK: Final = re.compile(r"https?://|www\.", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_EMAIL: Final = re.compile(r"[^\s@]{1,64}@[^\s@]{1,200}\.[^\s@.]{2,}")
_PHONE: Final = re.compile(r"\+?[0-9][0-9 -]{4,19}")


class Photo(msgspec.Struct, frozen=True):
    """A file that came with a report."""

    name: str
    content: bytes


class Report(msgspec.Struct, frozen=True):
    """A report, checked.

    Attributes:
        service: Its code.
        location: Longitude and latitude in degrees; None: the address must do.
        media_url: Where the reporter says that a picture is. It is never fetched.
    """

    service: str
    description: str
    location: tuple[float, float] | None = None
    address: str = ""
    name: str = ""
    phone: str = ""
    email: str = ""
    device: str = ""
    media_url: str = ""
    photos: list[Photo] = []


def read_report(body: bytes, media_type: str, bounds: tuple[float, float, float, float] | None) -> Report:
    """A report from the body of a request.

    Args:
        body: A form.
        media_type: Of the body: application/x-www-form-urlencoded or multipart/form-data.
        bounds: West, south, east and north of the district; None: places are not checked.

    Raises:
        BadRequestData, InvalidRequest, TooLarge, UnsupportedMediaType: With what would be right.
    """
    if len(body) > MOST_BYTES:
        raise TooLarge(f"A report with its photographs may have at most {MOST_BYTES} bytes")
    fields, photos = _form(body, media_type)
    unknown = [name for name in fields if name not in FIELDS and not name.startswith("attribute")]
    if unknown:
        raise BadRequestData(f"'{unknown[0][:50]}' is no parameter of a report; these are: {', '.join(sorted(FIELDS))}, media")
    for name, value in fields.items():
        if len(value) > (MOST_DESCRIPTION if name == "description" else MOST_FIELD) or _CONTROL.search(value):
            most = MOST_DESCRIPTION if name == "description" else MOST_FIELD
            raise BadRequestData(f"'{name[:50]}' must be a text of at most {most} characters without control characters")
    given = {name: value.strip() for name, value in fields.items()}
    return Report(
        _service(given), _description(given), _location(given, bounds), given.get("address_string", ""), _name(given),
        _matching(given, "phone", _PHONE, "a telephone number"), _matching(given, "email", _EMAIL, "an e-mail address"),
        given.get("device_id", ""), given.get("media_url", ""), photos,
    )  # fmt: skip


def _form(body: bytes, media_type: str) -> tuple[dict[str, str], list[Photo]]:
    kind = media_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        try:
            return dict(parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)), []
        except ValueError:
            raise InvalidRequest(f"The form must be UTF-8 with at most {MOST_FIELDS} fields") from None
    if kind != "multipart/form-data":
        raise UnsupportedMediaType("A report is a form: application/x-www-form-urlencoded, or multipart/form-data with photographs")
    return _multipart(body, media_type)


def _multipart(body: bytes, media_type: str) -> tuple[dict[str, str], list[Photo]]:
    fields: dict[str, str] = {}
    photos: list[Photo] = []

    def on_field(field: Any) -> None:
        if len(fields) >= MOST_FIELDS:
            raise ValueError("too many fields")
        fields[field.field_name.decode()] = (field.value or b"").decode()

    def on_file(file: Any) -> None:
        if file.field_name != b"media" or len(photos) >= MOST_PHOTOS:
            raise ValueError("a file that is not expected")
        file.file_object.seek(0)
        photos.append(Photo((file.file_name or b"photo").decode(), file.file_object.read()))
        file.close()

    headers = {"Content-Type": media_type.encode(), "Content-Length": str(len(body)).encode()}
    try:
        parse_form(headers, io.BytesIO(body), on_field, on_file)
    except BROKEN:
        raise InvalidRequest(
            f"The body must be a form of at most {MOST_FIELDS} fields, with at most {MOST_PHOTOS} photographs under the name 'media'"
        ) from None
    return fields, [photo for photo in photos if photo.content]


def _service(fields: dict[str, str]) -> str:
    code = fields.get("service_code", "")
    if not code:
        raise InvalidRequest("'service_code' must be there: the code of a service of GET services")
    return code


def _description(fields: dict[str, str]) -> str:
    text = fields.get("description", "")
    if len(text) < 2:
        raise InvalidRequest("'description' must say what was seen")
    if len(_LINK.findall(text)) > MOST_LINKS:
        raise BadRequestData(f"'description' may have at most {MOST_LINKS} links: this looks like advertising")
    return text


def _location(fields: dict[str, str], bounds: tuple[float, float, float, float] | None) -> tuple[float, float] | None:
    if "lat" not in fields and "long" not in fields:
        if not fields.get("address_string"):
            raise InvalidRequest("A place must be there: 'lat' and 'long' in degrees (WGS 84), or 'address_string'")
        return None
    try:
        latitude, longitude = float(fields["lat"]), float(fields["long"])
    except (KeyError, ValueError):
        raise BadRequestData("'lat' and 'long' must both be numbers in degrees (WGS 84)") from None
    if not (math.isfinite(latitude) and math.isfinite(longitude) and abs(latitude) <= 90 and abs(longitude) <= 180):
        raise BadRequestData("'lat' must be from -90 to 90 and 'long' from -180 to 180")
    if bounds is not None and not (bounds[0] <= longitude <= bounds[2] and bounds[1] <= latitude <= bounds[3]):
        raise BadRequestData("The place is outside this district; right would be the service of the district where it is")
    return longitude, latitude


def _name(fields: dict[str, str]) -> str:
    """Family name and given name as they are written together: Chinese names without a space between them."""
    last, first = fields.get("last_name", ""), fields.get("first_name", "")
    return f"{first} {last}".strip() if (last + first).isascii() else last + first


def _matching(fields: dict[str, str], name: str, pattern: re.Pattern[str], what: str) -> str:
    value = fields.get(name, "")
    if value and not pattern.fullmatch(value):
        raise BadRequestData(f"'{name}' must be {what}, or be left out")
    return value
