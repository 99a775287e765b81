"""Entities as GeoJSON features.

Source: GS CIM 009 clauses 4.5.16, 4.5.17, 5.2.29 to 5.2.31; RFC 7946.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cityhub.model.entity import Entity
from cityhub.model.ngsild.render import Linked, Renderer
from cityhub.model.ngsild.terms import Terms
from cityhub.model.ngsild.view import NORMALIZED, View


def render_feature(entity: Entity, terms: Terms, view: View = NORMALIZED, linked: Linked | None = None) -> dict[str, Any]:
    """The feature of an entity: its geometry from the view's geometry property, everything else as properties.

    The geometry does not depend on what the view picks; it is null where the entity has no such geometry, or no
    instance of it that is the default one or the one that the view's datasets name.
    """
    return _feature(entity, Renderer(terms, view, linked), view)


def render_feature_collection(
    entities: Iterable[Entity], terms: Terms, view: View = NORMALIZED, linked: Linked | None = None
) -> dict[str, Any]:
    """The features of entities, without those of which the view shows nothing."""
    renderer = Renderer(terms, view, linked)
    features = [_feature(entity, renderer, view) for entity in entities]
    return {"type": "FeatureCollection", "features": [feature for feature in features if feature["properties"] or "id" in feature]}


def _feature(entity: Entity, renderer: Renderer, view: View) -> dict[str, Any]:
    properties = renderer.entity(entity)
    feature: dict[str, Any] = {}
    if "id" in properties:
        feature["id"] = entity["id"]
    properties = {key: value for key, value in properties.items() if key != "id"}
    return {**feature, "type": "Feature", "geometry": _geometry(entity, view), "properties": properties}


def _geometry(entity: Entity, view: View) -> dict[str, Any] | None:
    wanted = view.dataset_ids or ("@none",)
    for instance in entity["attrs"].get(view.geometry_property, ()):
        if instance["type"] == "GeoProperty" and instance.get("datasetId", "@none") in wanted:
            geometry = instance["value"]
            return geometry if type(geometry) is dict else None
    return None
