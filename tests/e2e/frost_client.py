"""What a program does with Fraunhofer's FROST client, run by `test_sensorthings_client.py` in a process of its own; prints what it got."""

from __future__ import annotations

import datetime
import json
import sys


def main(root: str) -> dict[str, object]:
    """What was read back. The client is imported here, so that only this process has it."""
    import frost_sta_client as fsc
    from geojson import Point

    service = fsc.SensorThingsService(root)
    thing = fsc.Thing(name="Meter 7", description="A meter", properties={"floor": 3})
    thing.locations = [
        fsc.Location(name="Cellar", description="Cellar", encoding_type="application/geo+json", location=Point((108.77, 29.53)))
    ]
    service.create(thing)
    unit = fsc.UnitOfMeasurement(name="degree Celsius", symbol="°C", definition="ucum:Cel")
    stream = fsc.Datastream(
        name="Warmth", description="Warmth of the meter", unit_of_measurement=unit, thing=thing,
        observation_type="http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement",
        sensor=fsc.Sensor(name="PT100", description="PT100", encoding_type="application/pdf", metadata="https://example.org/pt100.pdf"),
        observed_property=fsc.ObservedProperty(name="Temperature", definition="https://example.org/q#Temperature", description="Warmth"),
    )  # fmt: skip
    service.create(stream)
    for minute in range(5):
        moment = datetime.datetime(2026, 11, 23, 6, minute, tzinfo=datetime.UTC)
        service.create(fsc.Observation(phenomenon_time=moment.isoformat(), result=20 + minute, datastream=stream))
    things = service.things().query().filter("name eq 'Meter 7'").expand("Locations,Datastreams").list()
    [found] = things.entities
    found.description = "A meter that was read"
    service.update(found)
    service.patch(found, [{"op": "replace", "path": "/properties/floor", "value": 4}])
    found = service.things().find(found.id)
    last = service.observations().query().filter("result gt 22").orderby("phenomenonTime", "desc").list()
    results = [one.result for one in last]
    count = service.observations().query().count().top(2).list()
    found = service.things().query().filter(f"id eq '{found.id}'").expand("Locations,Datastreams").list().entities[0]
    there = {
        "thing": found.name, "description": service.things().find(found.id).description, "floor": found.properties["floor"],
        "location": dict(found.locations.entities[0].location), "datastream": found.datastreams.entities[0].name,
        "results": results, "count": count.count, "pages": len(list(count)),
    }  # fmt: skip
    service.delete(last.entities[0])
    service.delete(found)
    return {**there, "left": len(service.things().query().list().entities)}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
