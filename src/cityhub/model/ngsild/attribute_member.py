"""The members of an attribute instance that are neither its value nor sub-attributes.

Source: GS CIM 009 clauses 4.5.2.2, 4.5.3.2, 4.5.5, 4.8, 4.15, 4.5.23 and 5.2.5 to 5.2.8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cityhub.model.entity import NULL, VALUE_KEY, Instance
from cityhub.model.errors import BadRequestData
from cityhub.model.ngsild import moment
from cityhub.model.ngsild.names import is_language, is_uri, texts
from cityhub.model.ngsild.reading import Reading

VALUE_KEYS: Final = frozenset(VALUE_KEY.values())
METADATA: Final = frozenset(("observedAt", "unitCode", "datasetId", "objectType", "valueType", "expiresAt"))
_PREVIOUS = frozenset("previous" + key[0].upper() + key[1:] for key in VALUE_KEYS)
_SYSTEM: Final = ("createdAt", "modifiedAt", "deletedAt", "instanceId")  # only the hub writes them; in a request they are ignored
_RELATIONS = frozenset(("Relationship", "ListRelationship"))
_UNITLESS = _RELATIONS | {"JsonProperty", "LanguageProperty", "VocabProperty"}


MemberReader = Callable[[Reading, Instance, Any, str], None]


def _read_observed(reader: Reading, instance: Instance, value: Any, name: str) -> None:
    if value == NULL and reader.nulls:
        instance["observedAt"] = NULL
        return
    text = moment.read(value, f"{name}.observedAt")
    instance["observedAt"] = text
    if moment.show(text) != value:
        instance["observedAtText"] = value


def _read_expires(reader: Reading, instance: Instance, value: Any, name: str) -> None:
    if value == NULL and reader.nulls:
        instance["expiresAt"] = NULL
    else:
        instance["expiresAt"] = moment.read(value, f"{name}.expiresAt")


def _read_unit(reader: Reading, instance: Instance, value: Any, name: str) -> None:
    if instance.get("type") in _UNITLESS:
        raise BadRequestData(f"'{name}.unitCode' must not be there: a {instance['type']} has no unit")
    if type(value) is not str or not value or (value == NULL and not reader.nulls):
        raise BadRequestData(f"'{name}.unitCode' must be a text such as 'CEL'")
    instance["unitCode"] = value


def read_dataset(_reader: Reading, instance: Instance, value: Any, name: str) -> None:
    if value == "@none":
        return
    if not is_uri(value):
        raise BadRequestData(f"'{name}.datasetId' must be a URI or '@none'; the instance is removed by its value, not by its datasetId")
    instance["datasetId"] = value


def _read_object_type(reader: Reading, instance: Instance, value: Any, name: str) -> None:
    if instance.get("type", "Relationship") not in _RELATIONS:
        raise BadRequestData(f"'{name}.objectType' must not be there: only relationships have it")
    if value == NULL and reader.nulls:
        instance["objectType"] = NULL
        return
    types = texts(value, f"{name}.objectType")
    if NULL in types:
        raise BadRequestData(f"'{name}.objectType' must not have the NGSI-LD Null ('{NULL}') here")
    instance["objectType"] = [reader.terms.expand_name(item) for item in types]


def _read_value_type(reader: Reading, instance: Instance, value: Any, name: str) -> None:
    kind = instance.get("type")
    if kind in _RELATIONS:
        raise BadRequestData(f"'{name}.valueType' must not be there: a {kind} has an object")
    if type(value) is not str or not value or (value == NULL and not reader.nulls):
        raise BadRequestData(f"'{name}.valueType' must be the name of a data type")
    if kind == "LanguageProperty" and value not in ("langString", "rdf:langString", NULL):
        raise BadRequestData(f"'{name}.valueType' must be 'langString' for a LanguageProperty")
    instance["valueType"] = value if value == NULL else reader.terms.expand(value)


def _read_linked(_reader: Reading, instance: Instance, value: Any, name: str) -> None:
    """Linked entities come along in answers (clause 4.5.23); a client that sends one back does not change them by it."""
    if instance.get("type", "Relationship") not in _RELATIONS:
        raise BadRequestData(f"'{name}' must not have linked entities: only relationships have them")
    if type(value) is not dict and type(value) is not list:
        raise BadRequestData(f"'{name}' must have entities as linked entities")


def _read_lang(reader: Reading, instance: Instance, value: Any, name: str) -> None:
    """The language that was chosen of a LanguageProperty (clause 4.15), from a client that sends an answer back."""
    if value == NULL and reader.nulls:
        instance["lang"] = NULL
    elif is_language(value):
        instance["lang"] = value
    else:
        raise BadRequestData(f"'{name}.lang' must be a language tag such as 'zh'")


def _read_sealed(reader: Reading, instance: Instance, value: Any, name: str, key: str) -> None:
    if not reader.terms.expand(name).endswith("ngsildproof"):
        raise BadRequestData(f"'{name}.{key}' must not be there: only 'ngsildproof' has it")
    if type(value) is not str or not value:
        raise BadRequestData(f"'{name}.{key}' must be a text")
    instance[key] = reader.terms.expand(value) if key == "entityTypeSealed" else value


def _refuse(reader: Reading, instance: Instance, value: Any, name: str, key: str) -> None:
    raise BadRequestData(f"'{name}.{key}' must not be there: it does not belong to a {instance.get('type', 'Property')}")


def _named(read: Callable[[Reading, Instance, Any, str, str], None], key: str) -> MemberReader:
    return lambda reader, instance, value, name: read(reader, instance, value, name, key)


def _ignore(_reader: Reading, _instance: Instance, _value: Any, _name: str) -> None:
    return


MEMBERS: Final[dict[str, MemberReader]] = {
    "@type": _ignore,
    **dict.fromkeys(_SYSTEM, _ignore),
    **{key: _named(_refuse, key) for key in (*VALUE_KEYS, *_PREVIOUS, "@context", "@id", "@value")},
    "entityIdSealed": _named(_read_sealed, "entityIdSealed"),
    "entityTypeSealed": _named(_read_sealed, "entityTypeSealed"),
    "observedAt": _read_observed,
    "expiresAt": _read_expires,
    "unitCode": _read_unit,
    "datasetId": read_dataset,
    "objectType": _read_object_type,
    "valueType": _read_value_type,
    "lang": _read_lang,
    "entity": _read_linked,
    "entityList": _read_linked,
}
NOT_ATTRIBUTES: Final = (frozenset(MEMBERS) | {"id", "type", "scope"}) - VALUE_KEYS - {"createdAt", "modifiedAt", "deletedAt", "lang"}
"""Words of NGSI-LD that must not name an attribute (clause 4.5.1). Published data models do have attributes named "value"."""
NOT_SUB_ATTRIBUTES: Final = frozenset(("id", "@graph"))


def check_members(name: str, instance: Instance) -> None:
    """Raises BadRequestData if an instance has a member that an instance of its type must not have."""
    kind = instance["type"]
    if ("unitCode" in instance and kind in _UNITLESS) or (
        kind in _RELATIONS if "valueType" in instance else "objectType" in instance and kind not in _RELATIONS
    ):
        raise BadRequestData(f"'{name}' is a {kind}, which has no 'unitCode', 'valueType' or 'objectType' of this sort")
