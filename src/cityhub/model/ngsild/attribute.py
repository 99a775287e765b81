"""Attributes in: normalized, concise or simplified documents become instances of the internal form.

Which of the three a document is, each attribute shows by its own shape: an object with an attribute type or with
the member that holds a value ("value", "object", ...) is reified, anything else is a bare value. Only what is
simplified throughout is said to be so by the caller, since there a bare value may look like anything.

Source: GS CIM 009 clauses 4.5.2 to 4.5.5, 4.5.18 to 4.5.24 and 5.2.5 to 5.2.8, 5.2.32, 5.2.35 to 5.2.38.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cityhub.model.entity import NGSI_LD, NULL, VALUE_KEY, Attributes, Instance
from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild import moment
from cityhub.model.ngsild.geometry import GEOMETRIES, looks_like_geometry, read_geometry
from cityhub.model.ngsild.names import is_language, is_name, is_uri, texts
from cityhub.model.ngsild.terms import Terms
from cityhub.model.ngsild.values import MAX_DEPTH, check_value

VALUE_KEYS: Final = frozenset(VALUE_KEY.values())
GEO_PROPERTIES: Final = frozenset(f"{NGSI_LD}{name}" for name in ("location", "observationSpace", "operationSpace"))
"""Attributes that the core context defines as GeoProperties."""
PROOF: Final = f"{NGSI_LD}ngsildproof"
"""The attribute that seals an entity (clause C.11)."""
SYSTEM: Final = frozenset(("createdAt", "modifiedAt", "deletedAt", "instanceId"))
"""What only the hub writes; in a request it is ignored."""
_PREVIOUS = frozenset("previous" + key[0].upper() + key[1:] for key in VALUE_KEYS)
_INFERRED = {"object": "Relationship", "languageMap": "LanguageProperty", "json": "JsonProperty",
             "vocab": "VocabProperty", "valueList": "ListProperty", "objectList": "ListRelationship"}  # fmt: skip
_RELATIONS = frozenset(("Relationship", "ListRelationship"))
_UNITLESS = _RELATIONS | {"JsonProperty", "LanguageProperty", "VocabProperty"}
_METADATA = frozenset(("observedAt", "unitCode", "datasetId", "objectType", "valueType", "expiresAt"))


class AttributeReader:
    """Reads attributes under one @context.

    Args:
        terms: The @context.
        nulls: Whether the NGSI-LD Null may ask for the removal of attributes, instances and members.
        partial: Whether an attribute may say only what changes: its type and value may be missing (then they are
            missing in the instance too, and a bare value does not say of which type it is).
        deep: Whether the NGSI-LD Null may also stand inside values.
        simplified: Whether the document is in the simplified representation.
    """

    __slots__ = ("deep", "nulls", "partial", "simplified", "terms")

    def __init__(
        self,
        terms: Terms,
        *,
        nulls: bool = False,
        partial: bool = False,
        deep: bool = False,
        simplified: bool = False,
    ) -> None:
        self.terms = terms
        self.deep = deep
        self.nulls = nulls
        self.partial = partial
        self.simplified = simplified

    def name(self, term: str) -> str:
        """The IRI of an attribute name. Raises BadRequestData if it is not a name or means something else."""
        if term in NOT_ATTRIBUTES or not is_name(term):
            raise BadRequestData(_bad_name(term))
        return self.terms.expand(term)

    def instances(self, name: str, value: Any, iri: str, depth: int = 0) -> list[Instance]:
        """All instances of one attribute, or of one sub-attribute at `depth` > 0; at most one per datasetId."""
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
        if type(value) is dict and len(value) == 1:
            key, item = next(iter(value.items()))
            if key == "dataset" and type(item) is dict and item:
                found = []
                for dataset, data in item.items():
                    instance = self._simplified(name, data, depth)[0]
                    _read_dataset(self, instance, dataset, name)
                    found.append(instance)
                return found
            if key in ("languageMap", "json", "vocab"):
                return [self._instance(name, value, depth)]
        return [self._bare(name, value, depth)]

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
            kind, value_key = self._infer(name, document, kind)
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
                read = _MEMBERS.get(key)
                if read is not None:
                    read(self, instance, item, name)
                else:
                    self._sub_attribute(subs, key, item, name, depth)
        if subs:
            instance["attrs"] = subs
        if value_key not in instance and not self.partial:
            raise BadRequestData(f"'{name}' is a {kind} without '{value_key}'")
        return instance

    def _infer(self, name: str, document: dict[str, Any], kind: Any) -> tuple[str, str]:
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
        if self.partial and kind is None and not _METADATA.isdisjoint(document):
            return "", "value"
        return "Property", ""

    def _value(self, instance: Instance, kind: str, value: Any, name: str, depth: int) -> None:
        if value == NULL and self.nulls and type(value) is str:
            instance[VALUE_KEY[kind]] = NULL
        else:
            _READ_VALUE[kind](self, instance, value, name, depth)

    def _sub_attribute(self, subs: Attributes, key: str, item: Any, name: str, depth: int) -> None:
        where = f"{name}.{key}"
        if key in NOT_SUB_ATTRIBUTES or not is_name(key):
            raise BadRequestData(_bad_name(where, key))
        iri = self.terms.expand(key)
        if iri in subs:
            raise BadRequestData(f"'{where}' is there twice, under two names of {iri}")
        subs[iri] = self.instances(where, item, iri, depth + 1)


def _bad_name(where: str, name: str | None = None) -> str:
    name = where if name is None else name
    if name.startswith("@") or name in NOT_ATTRIBUTES:
        return f"'{where}' must not be there: '{name}' is a word of NGSI-LD and does not belong to this kind of attribute or entity"
    return f"'{where}' is not a name: names are letters, digits and '_' and begin with a letter, or they are URIs"


def _is_multi(value: list[Any]) -> bool:
    """Whether a list holds instances, not plain values: one of them states its attribute type or its datasetId."""
    for item in value:
        if type(item) is dict and ("datasetId" in item or _states_type(item)):
            return True
    return False


def looks_reified(value: Any) -> bool:
    """Whether a value, standing bare in a concise document, could be read as an attribute instance or several."""
    if type(value) is list:
        return _is_multi(value)
    return type(value) is dict and (not VALUE_KEYS.isdisjoint(value) or not {"type", "@type", *_METADATA}.isdisjoint(value))


def _states_type(item: dict[str, Any]) -> bool:
    kind = item.get("type") or item.get("@type")
    return type(kind) is str and kind in VALUE_KEY


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


# The members of an instance that are not sub-attributes.


def _read_observed(reader: AttributeReader, instance: Instance, value: Any, name: str) -> None:
    if value == NULL and reader.nulls:
        instance["observedAt"] = NULL
        return
    text = moment.read(value, f"{name}.observedAt")
    instance["observedAt"] = text
    if moment.show(text) != value:
        instance["observedAtText"] = value


def _read_expires(reader: AttributeReader, instance: Instance, value: Any, name: str) -> None:
    if value == NULL and reader.nulls:
        instance["expiresAt"] = NULL
    else:
        instance["expiresAt"] = moment.read(value, f"{name}.expiresAt")


def _read_unit(reader: AttributeReader, instance: Instance, value: Any, name: str) -> None:
    if instance.get("type") in _UNITLESS:
        raise BadRequestData(f"'{name}.unitCode' must not be there: a {instance['type']} has no unit")
    if type(value) is not str or not value or (value == NULL and not reader.nulls):
        raise BadRequestData(f"'{name}.unitCode' must be a text such as 'CEL'")
    instance["unitCode"] = value


def _read_dataset(_reader: AttributeReader, instance: Instance, value: Any, name: str) -> None:
    if value == "@none":
        return
    if not is_uri(value):
        raise BadRequestData(f"'{name}.datasetId' must be a URI or '@none'; the instance is removed by its value, not by its datasetId")
    instance["datasetId"] = value


def _read_object_type(reader: AttributeReader, instance: Instance, value: Any, name: str) -> None:
    if instance.get("type", "Relationship") not in _RELATIONS:
        raise BadRequestData(f"'{name}.objectType' must not be there: only relationships have it")
    if value == NULL and reader.nulls:
        instance["objectType"] = NULL
        return
    types = texts(value, f"{name}.objectType")
    for item in types:
        if not is_name(item) or item == NULL:
            raise BadRequestData(f"'{name}.objectType' has {item!r}, which is not the name of a type")
    instance["objectType"] = [reader.terms.expand(item) for item in types]


def _read_value_type(reader: AttributeReader, instance: Instance, value: Any, name: str) -> None:
    kind = instance.get("type")
    if kind in _RELATIONS:
        raise BadRequestData(f"'{name}.valueType' must not be there: a {kind} has an object")
    if type(value) is not str or not value or (value == NULL and not reader.nulls):
        raise BadRequestData(f"'{name}.valueType' must be the name of a data type")
    if kind == "LanguageProperty" and value not in ("langString", "rdf:langString", NULL):
        raise BadRequestData(f"'{name}.valueType' must be 'langString' for a LanguageProperty")
    instance["valueType"] = value if value == NULL else reader.terms.expand(value)


def _read_linked(_reader: AttributeReader, instance: Instance, value: Any, name: str) -> None:
    """Linked entities come along in answers (clause 4.5.23); a client that sends one back does not change them by it."""
    if instance.get("type", "Relationship") not in _RELATIONS:
        raise BadRequestData(f"'{name}' must not have linked entities: only relationships have them")
    if type(value) is not dict and type(value) is not list:
        raise BadRequestData(f"'{name}' must have entities as linked entities")


def _read_sealed(reader: AttributeReader, instance: Instance, value: Any, name: str, key: str) -> None:
    if not reader.terms.expand(name).endswith("ngsildproof"):
        raise BadRequestData(f"'{name}.{key}' must not be there: only 'ngsildproof' has it")
    if type(value) is not str or not value:
        raise BadRequestData(f"'{name}.{key}' must be a text")
    instance[key] = reader.terms.expand(value) if key == "entityTypeSealed" else value


def _refuse(reader: AttributeReader, instance: Instance, value: Any, name: str, key: str) -> None:
    raise BadRequestData(f"'{name}.{key}' must not be there: it does not belong to a {instance.get('type', 'Property')}")


def _named(read: Callable[[AttributeReader, Instance, Any, str, str], None], key: str) -> Callable[[AttributeReader, Instance, Any, str], None]:
    return lambda reader, instance, value, name: read(reader, instance, value, name, key)


def _ignore(_reader: AttributeReader, _instance: Instance, _value: Any, _name: str) -> None:
    return


_MEMBERS: Final[dict[str, Callable[[AttributeReader, Instance, Any, str], None]]] = {
    "@type": _ignore,
    **{key: _ignore for key in SYSTEM},
    **{key: _named(_refuse, key) for key in (*VALUE_KEYS, *_PREVIOUS, "@context", "@id", "@value")},
    "entityIdSealed": _named(_read_sealed, "entityIdSealed"),
    "entityTypeSealed": _named(_read_sealed, "entityTypeSealed"),
    "observedAt": _read_observed,
    "expiresAt": _read_expires,
    "unitCode": _read_unit,
    "datasetId": _read_dataset,
    "objectType": _read_object_type,
    "valueType": _read_value_type,
    "entity": _read_linked,
    "entityList": _read_linked,
}
NOT_ATTRIBUTES: Final = frozenset(_MEMBERS) - SYSTEM - {"@type"} | {"id", "type", "scope"}
NOT_SUB_ATTRIBUTES: Final = frozenset(("id", "@graph"))


def check_members(name: str, instance: Instance) -> None:
    """Raises BadRequestData if an instance has a member that an instance of its type must not have."""
    kind = instance["type"]
    if ("unitCode" in instance and kind in _UNITLESS) or (
        kind in _RELATIONS if "valueType" in instance else "objectType" in instance and kind not in _RELATIONS
    ):
        raise BadRequestData(f"'{name}' is a {kind}, which has no 'unitCode', 'valueType' or 'objectType' of this sort")


def read_value(kind: str, value: Any, terms: Terms, name: str, *, deep: bool = False) -> Any:
    """The value of an attribute of a type, checked and in the internal form. Raises BadRequestData."""
    instance: Instance = {"type": kind}
    _READ_VALUE[kind](AttributeReader(terms, deep=deep), instance, value, name, 0)
    return instance[VALUE_KEY[kind]]


# The values of each attribute type.


def _read_property(reader: AttributeReader, instance: Instance, value: Any, name: str, depth: int) -> None:
    if type(value) is not bool:
        check_value(value, name, nulls=reader.deep, depth=depth)
    instance["value"] = value


def _read_geo(_reader: AttributeReader, instance: Instance, value: Any, name: str, _depth: int) -> None:
    instance["value"] = read_geometry(value, name)


def _read_object(_reader: AttributeReader, instance: Instance, value: Any, name: str, _depth: int) -> None:
    if not is_uri(value) and not (type(value) is list and value and all(is_uri(item) for item in value)):
        raise BadRequestData(f"'{name}' must have a URI or a list of URIs as object")
    instance["object"] = value


def _read_language_map(reader: AttributeReader, instance: Instance, value: Any, name: str, _depth: int) -> None:
    if type(value) is not dict or not value:
        raise BadRequestData(f"'{name}' must have an object of languages and texts as languageMap")
    if reader.nulls and value == {"@none": NULL}:
        instance["languageMap"] = NULL
        return
    for tag, text in value.items():
        if not is_language(tag):
            raise BadRequestData(f"'{name}' has {tag!r} in its languageMap, which is not a language tag")
        items = text if type(text) is list else (text,)
        if not items or not all(type(item) is str for item in items):
            raise BadRequestData(f"'{name}' must have a text or a list of texts for the language {tag!r}")
        if NULL in items and not reader.deep:
            raise BadRequestData(f"'{name}' must not have the NGSI-LD Null ('{NULL}') for the language {tag!r} here")
    instance["languageMap"] = value


def _read_json(reader: AttributeReader, instance: Instance, value: Any, name: str, depth: int) -> None:
    if type(value) is not dict and not (type(value) is list and all(type(item) is dict for item in value)):
        raise BadRequestData(f"'{name}' must have an object or a list of objects as json")
    check_value(value, name, raw=True, depth=depth)
    instance["json"] = value


def _read_vocab(reader: AttributeReader, instance: Instance, value: Any, name: str, _depth: int) -> None:
    if type(value) is list and value and all(type(item) is str and item and item != NULL for item in value):
        instance["vocab"] = reader.terms.expand_value(value)
    elif type(value) is str and value and value != NULL:
        instance["vocab"] = reader.terms.expand_value(value)
    else:
        raise BadRequestData(f"'{name}' must have a text or a list of texts as vocab")


def _read_value_list(reader: AttributeReader, instance: Instance, value: Any, name: str, depth: int) -> None:
    if type(value) is not list:
        raise BadRequestData(f"'{name}' must have a list as valueList")
    if reader.nulls and value == [NULL]:
        instance["valueList"] = NULL
        return
    check_value(value, name, depth=depth)
    instance["valueList"] = value


def _read_object_list(reader: AttributeReader, instance: Instance, value: Any, name: str, _depth: int) -> None:
    if type(value) is not list:
        raise BadRequestData(f"'{name}' must have a list as objectList")
    if reader.nulls and value in ([NULL], [{"object": NULL}]):
        instance["objectList"] = NULL
        return
    objects = [item["object"] if type(item) is dict and len(item) == 1 and "object" in item else item for item in value]
    if not all(is_uri(item) for item in objects):
        raise BadRequestData(f"'{name}' must have only URIs, or objects with a URI as 'object', in its objectList")
    instance["objectList"] = objects


_READ_VALUE: Final[dict[str, Callable[[AttributeReader, Instance, Any, str, int], None]]] = {
    "Property": _read_property,
    "GeoProperty": _read_geo,
    "Relationship": _read_object,
    "LanguageProperty": _read_language_map,
    "JsonProperty": _read_json,
    "VocabProperty": _read_vocab,
    "ListProperty": _read_value_list,
    "ListRelationship": _read_object_list,
}
