"""Many observations in one request: the data array extension.

Source: OGC 18-088, 12.2 (Create Observations with dataArray).
"""

from __future__ import annotations

from typing import Any, Final

from cityhub.ingest.sensorthings.bodies import read_object
from cityhub.ingest.sensorthings.kinds import KINDS
from cityhub.ingest.sensorthings.making import Making
from cityhub.ingest.sensorthings.rows import Row
from cityhub.model.errors import BadRequestData, CityHubError

MAX_OBSERVATIONS: Final = 10_000
"""Most observations in one request."""
_OTHERS: Final = ("phenomenonTime", "result", "resultTime", "resultQuality", "validTime", "parameters", "FeatureOfInterest/id", "id")


async def read_data_arrays(body: Any, making: Making) -> list[Row | str]:
    """Makes the observations of a body; for each what was made, or "error" with the reason for one that is wrong.

    Raises BadRequestData for a body that is no list of data arrays, or has too many observations.
    """
    if not isinstance(body, list):
        raise BadRequestData('The body must be a list of {"Datastream": {"@iot.id": ...}, "components": [...], "dataArray": [[...]]}')
    found: list[Row | str] = []
    for group in body:
        datastream, components, rows = _read(group)
        if len(found) + len(rows) > MAX_OBSERVATIONS:
            raise BadRequestData(f"At most {MAX_OBSERVATIONS} observations can be taken at once")
        for row in rows:
            found.append(await _made(making, datastream, components, row))
    return found


def _read(group: Any) -> tuple[str, list[str], list[Any]]:
    inner = read_object(group, "Each data array")
    datastream = read_object(inner.get("Datastream"), "'Datastream'").get("@iot.id")
    components, rows = inner.get("components"), inner.get("dataArray")
    if not isinstance(datastream, str | int) or not isinstance(components, list) or not isinstance(rows, list):
        raise BadRequestData("Each data array must have a Datastream with its @iot.id, 'components' and 'dataArray', which are lists")
    for name in components:
        if name not in _OTHERS:
            raise BadRequestData(f"'components': '{str(name)[:50]}' is not known; known: {', '.join(_OTHERS)}")
    return str(datastream), components, rows


async def _made(making: Making, datastream: str, components: list[str], values: Any) -> Row | str:
    if not isinstance(values, list) or len(values) != len(components):
        return f"error: each row must be a list of {len(components)} values, as there are components"
    body = dict(zip(components, values, strict=True))
    body.pop("id", None)
    feature = body.pop("FeatureOfInterest/id", None)
    if feature is not None:
        body["FeatureOfInterest"] = {"@iot.id": feature}
    try:
        return await making.make(KINDS["Observation"], {**body, "Datastream": {"@iot.id": datastream}}, {})
    except CityHubError as error:
        return f"error: {error.detail}"
