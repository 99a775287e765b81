"""A client of the SensorThings door for tests, and the entities that they work with."""

from __future__ import annotations

from typing import Any, Self
from urllib.parse import quote

import httpx

from tests.e2e.hub_process import RunningHub

Json = dict[str, Any]
MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
KINDS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "Thing": ("Things", ("name", "description"), ("Datastreams", "HistoricalLocations", "Locations")),
    "Location": ("Locations", ("name", "description", "encodingType", "location"), ("HistoricalLocations", "Things")),
    "HistoricalLocation": ("HistoricalLocations", ("time",), ("Thing", "Locations")),
    "Datastream": (
        "Datastreams", ("name", "description", "unitOfMeasurement", "observationType"), ("Thing", "Sensor", "ObservedProperty", "Observations"),
    ),
    "Sensor": ("Sensors", ("name", "description", "encodingType", "metadata"), ("Datastreams",)),
    "ObservedProperty": ("ObservedProperties", ("name", "definition", "description"), ("Datastreams",)),
    "Observation": ("Observations", ("phenomenonTime", "result", "resultTime"), ("Datastream", "FeatureOfInterest")),
    "FeatureOfInterest": ("FeaturesOfInterest", ("name", "description", "encodingType", "feature"), ("Observations",)),
}  # fmt: skip
"""Collection, properties and links of each kind. Source: OGC 18-088, 8.2."""
PLURALS = {plural: kind for kind, (plural, _, _) in KINDS.items()}


class Sta:
    """The service of a hub."""

    def __init__(self, hub: RunningHub) -> None:
        self.root = hub.url + "/sta/v1.1"
        self._client = httpx.Client(timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """The answer to a request."""
        return self._client.request(method, f"{self.root}/{path}" if path else self.root, json=body, **options)

    def get(self, path: str, status: int = 200) -> Any:
        """The document of an answer, which has a status."""
        answer = self.ask("GET", path)
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def values(self, path: str) -> list[Json]:
        """The entities of a page."""
        found: list[Json] = self.get(path)["value"]
        return found

    def make(self, path: str, body: Json) -> str:
        """The id of an entity that is made."""
        answer = self.ask("POST", path, body)
        assert answer.status_code == 201, f"{path}: {answer.status_code} {answer.text[:500]}"
        there = self._client.get(answer.headers["location"])
        assert there.status_code == 200
        id: str = there.json()["@iot.id"]
        return id

    def refused(self, method: str, path: str, body: Any = None) -> None:
        """Sends what is wrong: the answer must be 400 or 409 and say why."""
        answer = self.ask(method, path, body)
        assert answer.status_code in (400, 409), f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        assert answer.json()["error"]["message"] == answer.json()["message"] != ""

    def clear(self) -> None:
        """Deletes everything."""
        for collection in ("Datastreams", "FeaturesOfInterest", "Observations", "Sensors", "ObservedProperties", "HistoricalLocations",
                           "Locations", "Things"):  # fmt: skip
            while found := self.values(collection):
                for one in found:
                    answer = self.ask("DELETE", one_of(collection, one["@iot.id"]))
                    assert answer.status_code in (200, 404), answer.text


def one_of(collection: str, id: str) -> str:
    """The path of an entity."""
    return f"{collection}('{quote(id, safe=':@')}')"


def point(lon: float, lat: float) -> Json:
    """A GeoJSON point."""
    return {"type": "Point", "coordinates": [lon, lat]}


def location(name: str = "West roof", lon: float = -117.05, lat: float = 51.05) -> Json:
    """A Location."""
    return {"name": name, "description": name, "encodingType": "application/vnd.geo+json", "location": point(lon, lat)}


def sensor(name: str = "Fluxomatic") -> Json:
    """A Sensor."""
    return {"name": name, "description": name, "encodingType": "application/pdf", "metadata": "https://example.org/fluxomatic.pdf"}


def observed_property(name: str = "Luminous Flux", definition: str = "https://example.org/quantity#LuminousFlux") -> Json:
    """An ObservedProperty."""
    return {"name": name, "definition": definition, "description": f"What {name} means"}


def datastream(name: Any = "Light", **links: Any) -> Json:
    """A Datastream with a Sensor and an ObservedProperty of its own, unless others are given."""
    unit = {"name": "Lumen", "symbol": "lm", "definition": "ucum:lm"}
    whole = {"name": name, "description": name, "unitOfMeasurement": unit, "observationType": MEASUREMENT}
    return {**whole, "Sensor": sensor(), "ObservedProperty": observed_property(), **links}


def link(id: str) -> Json:
    """A link to an entity."""
    return {"@iot.id": id}


def without(body: Json, *names: str) -> Json:
    """A body without some members."""
    return {name: value for name, value in body.items() if name not in names}
