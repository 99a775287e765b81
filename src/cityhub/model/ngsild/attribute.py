"""Attributes in: normalized, concise or simplified documents become instances of the internal form.

Which of the three a document is, each attribute shows by its own shape: an object with an attribute type or with
the member that holds a value ("value", "object", ...) is reified, anything else is a bare value. Only what is
simplified throughout is said to be so by the caller, since there a bare value may look like anything.

Source: GS CIM 009 clauses 4.5.2 to 4.5.5, 4.5.18 to 4.5.24 and 5.2.5 to 5.2.8, 5.2.32, 5.2.35 to 5.2.38.
"""

from __future__ import annotations

from typing import Any, Final

from cityhub.model.entity import NGSI_LD, NULL, VALUE_KEY, Attributes, Instance
from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild.attribute_member import MEMBERS, METADATA, NOT_ATTRIBUTES, NOT_SUB_ATTRIBUTES, VALUE_KEYS, read_dataset
from cityhub.model.ngsild.attribute_value import READ_VALUE
from cityhub.model.ngsild.geometry import GEOMETRIES, looks_like_geometry
from cityhub.model.ngsild.plain import plain_instance
from cityhub.model.ngsild.reading import Reading
from cityhub.model.ngsild.values import MAX_DEPTH

GEO_PROPERTIES: Final = frozenset(f"{NGSI_LD}{name}" for name in ("location", "observationSpace", "operationSpace"))
"""Attributes that the core context defines as GeoProperties."""
PROOF: Final = f"{NGSI_LD}ngsildproof"
"""The attribute that seals an entity (clause C.11)."""
CHECKED: Final = GEO_PROPERTIES | {PROOF}
"""Attributes whose values the core context says something about."""
_INFERRED = {key: kind for kind, key in VALUE_KEY.items() if key != "value"}


class AttributeReader(Reading):
    """Reads attributes under one @context; see `Reading` for its settings."""

    __slots__ = ()

    def name(self, term: str) -> str:
        """The IRI of an attribute name. Raises BadRequestData if it is not a name or means something else."""
        if term in NOT_ATTRIBUTES:
            raise BadRequestData(bad_name(term, term))
        return self.terms.expand_name(term)

    def instances(self, name: str, value: Any, iri: str, depth: int = 0) -> list[Instance]:
        """All instances of one attribute, or of one sub-attribute at `depth` > 0; at most one per datasetId."""
        if type(value) is dict and not self.simplified and depth < MAX_DEPTH:
            plain = plain_instance(value)
            if plain is not None and (iri not in CHECKED or plain["type"] == "GeoProperty"):
                return [plain]
        if self.simplified:
            found = self._simplified(name, value, depth)
        elif type(value) is dict:
            found = [self._instance(name, value, depth)]
        elif type(value) is list and _is_multi(value):
            found = [self._instance(name, item, depth) if type(item) is dict else self._bare(name, item, depth) for item in value]
            _check_datasets(name, found)
        else:
            found = [self._bare(name, value, depth)]
        if iri in GEO_PROPERTIES:
            for instance in found:
                _check_geo(name, instance)
        elif iri == PROOF:
            for instance in found:
                _check_proof(name, instance)
        return found

    def _simplified(self, name: str, value: Any, depth: int) -> list[Instance]:
        if type(value) is not dict or list(value) != ["dataset"] or type(value["dataset"]) is not dict or not value["dataset"]:
            return [self._simplified_one(name, value, depth)]
        found = []
        for dataset, data in value["dataset"].items():
            instance = self._simplified_one(name, data, depth)
            read_dataset(self, instance, dataset, name)
            found.append(instance)
        return found

    def _simplified_one(self, name: str, value: Any, depth: int) -> Instance:
        if type(value) is dict and len(value) == 1 and next(iter(value)) in ("languageMap", "json", "vocab"):
            return self._instance(name, value, depth)
        return self._bare(name, value, depth)

    def _bare(self, name: str, value: Any, depth: int) -> Instance:
        """A Property whose value is all that the document says; of a geometry a GeoProperty."""
        kind = "GeoProperty" if not self.partial and type(value) is dict and looks_like_geometry(value) else "Property"
        instance: Instance = {} if self.partial else {"type": kind}
        self._value(instance, kind, value, name, depth)
        return instance

    def _instance(self, name: str, document: dict[str, Any], depth: int) -> Instance:
        """One instance: a reified one, or a bare value that is an object."""
        kind = document.get("type") or document.get("@type")
        value_key = VALUE_KEY.get(kind) if type(kind) is str else None
        if value_key is None:
            kind, value_key = self._infer(name, document, kind, depth)
            if value_key == "":
                return self._bare(name, document, depth)
        if depth >= MAX_DEPTH:
            raise BadRequestData(f"'{name}' is nested more than {MAX_DEPTH} levels deep")
        instance: Instance = {"type": kind} if kind else {}
        subs: Attributes = {}
        for key, item in document.items():
            if key == value_key:
                self._value(instance, kind or "Property", item, name, depth)
            elif key == "type":
                continue
            else:
                read = MEMBERS.get(key)
                if read is not None:
                    read(self, instance, item, name)
                else:
                    self._sub_attribute(subs, key, item, name, depth)
        if subs:
            instance["attrs"] = subs
        if value_key not in instance and not self.partial:
            raise BadRequestData(f"'{name}' is a {kind} without '{value_key}'")
        return instance

    def _infer(self, name: str, document: dict[str, Any], kind: Any, depth: int) -> tuple[str, str]:
        """Type and value member of an object without a usable type; a value member "" says it is a bare value.

        A type "" says that a partial fragment leaves it to the attribute that it changes.
        """
        if type(kind) is str and kind not in GEOMETRIES:
            iri = self.terms.expand(kind)
            full = iri[len(NGSI_LD):] if iri.startswith(NGSI_LD) else ""
            if full in VALUE_KEY:
                return full, VALUE_KEY[full]
        for key, inferred in _INFERRED.items():
            if key in document and kind is None:
                return inferred, key
        if "value" in document and kind is None:
            if self.partial:
                return "", "value"
            return "GeoProperty" if looks_like_geometry(document["value"]) else "Property", "value"
        if kind is not None and not VALUE_KEYS.isdisjoint(document):
            raise BadRequestData(f"'{name}' has the unknown type {kind!r}; valid types are {', '.join(VALUE_KEY)}")
        if self.partial and kind is None and (_has_members(document) or (depth == 0 and not self.deep)):
            return "", "value"
        return "Property", ""

    def _value(self, instance: Instance, kind: str, value: Any, name: str, depth: int) -> None:
        if self.nulls and type(value) is str and value == NULL:
            instance[VALUE_KEY[kind]] = NULL
        else:
            READ_VALUE[kind](self, instance, value, name, depth)

    def _sub_attribute(self, subs: Attributes, key: str, item: Any, name: str, depth: int) -> None:
        where = f"{name}.{key}"
        if key in NOT_SUB_ATTRIBUTES:
            raise BadRequestData(bad_name(where, key))
        try:
            iri = self.terms.expand_name(key)
        except BadRequestData as error:
            raise BadRequestData(f"In '{name}': {error.detail}") from None
        if iri in subs:
            raise BadRequestData(f"'{where}' is there twice, under two names of {iri}")
        # A partial update overwrites sub-attributes as a whole; only a merge goes on into them.
        reader = AttributeReader(self.terms, nulls=self.nulls) if self.partial and not self.deep else self
        subs[iri] = reader.instances(where, item, iri, depth + 1)


def bad_name(where: str, name: str) -> str:
    """What is said of a word that must not name an attribute."""
    return f"'{where}' must not be there: '{name}' is a word of NGSI-LD and no name of an attribute at this place"


def _is_multi(value: list[Any]) -> bool:
    """Whether a list holds instances, not plain values: one of them states its attribute type or its datasetId."""
    return any(type(item) is dict and ("datasetId" in item or _states_type(item)) for item in value)


def looks_reified(value: Any) -> bool:
    """Whether a value, standing bare in a concise document, could be read as an attribute instance or several."""
    if type(value) is list:
        return _is_multi(value)
    return type(value) is dict and (not VALUE_KEYS.isdisjoint(value) or not {"type", "@type", *METADATA}.isdisjoint(value))


def _states_type(item: dict[str, Any]) -> bool:
    kind = item.get("type") or item.get("@type")
    return type(kind) is str and kind in VALUE_KEY


def _has_members(document: dict[str, Any]) -> bool:
    """Whether an object without type and value can only be the fragment of an instance: it has metadata or sub-attributes."""
    if not METADATA.isdisjoint(document):
        return True
    return any(type(item) is dict and _states_type(item) for item in document.values())


def _check_datasets(name: str, instances: list[Instance]) -> None:
    datasets = {instance.get("datasetId") for instance in instances}
    if len(datasets) != len(instances):
        raise BadRequestData(f"'{name}' has two instances with the same datasetId; it may have one of each and one without")


def _check_geo(name: str, instance: Instance) -> None:
    if instance.get("type", "GeoProperty") != "GeoProperty" and instance.get("value") != NULL:
        raise BadRequestData(f"'{name}' must be a GeoProperty: the core context defines it so")


def _check_proof(name: str, instance: Instance) -> None:
    value = instance.get("value", {})
    if type(value) is not dict and value != NULL:
        raise BadRequestData(f"'{name}' must have an object with a data integrity proof as value")


