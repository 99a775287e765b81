"""The NGSI-LD core @context in all its published versions, made from one table of terms.

Every term is written once, under the version that brought it; the JSON-LD document of a version is generated from
that. Terms of the hub itself are always those of the newest version.

Source: ETSI GS CIM 009 V1.3.1 to V1.9.1, annex B and clause 4.4.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

from cityhub.model.entity import DEFAULT_VOCAB, NGSI_LD

VERSIONS: Final = ("1.3", "1.4", "1.5", "1.6", "1.7", "1.8", "1.9")
NEWEST: Final = VERSIONS[-1]
CORE_URL: Final = f"https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v{NEWEST}.jsonld"
"""The URL of the core @context that this hub works with."""

GEOJSON: Final = "https://purl.org/geojson/vocab#"

_CORE_URL_FORM = re.compile(
    r"https?://(?:uri\.etsi\.org/ngsi-ld/v1/ngsi-ld-core-context(?:-v(1\.[0-9]))?\.jsonld"
    r"|forge\.etsi\.org/(?:gitlab|rep)/NGSI-LD/NGSI-LD/(?:-/)?raw/master/coreContext/ngsi-ld-core-context\.jsonld)"
)

_INTRODUCED: Final = {
    "1.3": """
        Attribute AttributeList ContextSourceNotification ContextSourceRegistration Date DateTime EntityType EntityTypeInfo
        EntityTypeList Feature FeatureCollection GeoProperty GeometryCollection LineString MultiLineString MultiPoint MultiPolygon
        Notification Point Polygon Property Relationship Subscription TemporalProperty Time
        accept attributeCount attributeDetails attributeList attributeName attributeNames attributeTypes attributes bbox coordinates
        createdAt csf data datasetId description detail endAt endTimeAt endpoint entities entityCount entityId error errors expiresAt
        features format geoQ geometry geoproperty georel idPattern information instanceId isActive lastFailure lastNotification
        lastSuccess location managementInterval modifiedAt notification notifiedAt object objects observationInterval
        observationSpace observedAt operationSpace properties propertyNames q reason registrationName relationshipNames startAt status
        subscriptionId subscriptionName success temporalQ tenant throttling timeAt timeInterval timeproperty timerel timesSent title
        triggerReason typeList typeName typeNames unchanged unitCode updated uri value values watchedAttributes
    """,
    "1.4": "avg distinctCount max min stddev sum sumsq totalCount",
    "1.5": "LanguageProperty lang languageMap scope scopeQ",
    "1.6": """
        attrs cacheDuration contextSourceInfo cooldown deletedAt key languageMaps localOnly management mode notificationTrigger
        notifierInfo notUpdated operations previousLanguageMap previousObject previousValue receiverInfo refreshRate registrationId
        showChanges sysAttrs timeout timesFailed
    """,
    "1.7": "VocabularyProperty dataset previousVocab vocab vocabs",
    "1.8": """
        ContextSourceIdentity JsonProperty ListProperty ListRelationship VocabProperty
        containedBy contextSourceAlias contextSourceExtras contextSourceTimeAt contextSourceUptime entity entityList entityMap
        expandValues join joinLevel json jsonKeys jsons linkedMaps objectList objectType objectsLists omit pick previousJson
        previousObjectList previousValueList valueList valueLists
    """,
    "1.9": """
        EntityMap ExecutionResultDetails Snapshot SnapshotNotification
        aggrMethods aggrParams aggrPeriodDuration collation entityMapLifetime jsonldContext langString lastN lastUsedAt
        ngsildConformance ngsildproof objectLists orderBy ordering problemDetails resultStatus snapshotId snapshotLifetime
        snapshotPriority snapshotQueries snapshotQueriesDetails snapshotStatus snapshotTemporalQueries snapshotTemporalQueriesDetails
        splitEntities valueType
    """,
}

_DROPPED: Final = {"VocabularyProperty": "1.8", "objectsLists": "1.9"}
"""Terms that a later version took out again, with that version."""

_GEOJSON_TERMS: Final = """
    Feature FeatureCollection GeometryCollection LineString MultiLineString MultiPoint MultiPolygon Point Polygon
    bbox coordinates features geometry properties
"""

_OTHER_IRI: Final = {
    "containedBy": "ngsi-ld:isContainedBy",
    "dataset": "ngsi-ld:hasDataset",
    "description": "http://purl.org/dc/terms/description",
    "entityMap": "ngsi-ld:hasEntityMap",
    "entityMapLifetime": "ngsi-ld:hasEntityMapLifetime",
    "joinLevel": "ngsi-ld:hasJoinLevel",
    "json": "ngsi-ld:hasJSON",
    "key": "ngsi-ld:hasKey",
    "langString": "http://www.w3.org/1999/02/22-rdf-syntax-ns#langString",
    "languageMap": "ngsi-ld:hasLanguageMap",
    "languageMaps": "ngsi-ld:hasLanguageMaps",
    "object": "ngsi-ld:hasObject",
    "objectList": "ngsi-ld:hasObjectList",
    "objectLists": "ngsi-ld:hasObjectLists",
    "objectType": "ngsi-ld:hasObjectType",
    "objects": "ngsi-ld:hasObjects",
    "objectsLists": "ngsi-ld:hasObjectsLists",
    "previousJson": "ngsi-ld:hasPreviousJson",
    "previousLanguageMap": "ngsi-ld:hasPreviousLanguageMap",
    "previousObject": "ngsi-ld:hasPreviousObject",
    "previousObjectList": "ngsi-ld:hasPreviousObjectList",
    "previousValue": "ngsi-ld:hasPreviousValue",
    "previousValueList": "ngsi-ld:hasPreviousValueList",
    "previousVocab": "ngsi-ld:hasPreviousVocab",
    "splitEntities": "ngsi-ld:hasSplitEntities",
    "title": "http://purl.org/dc/terms/title",
    "value": "ngsi-ld:hasValue",
    "valueList": "ngsi-ld:hasValueList",
    "valueLists": "ngsi-ld:hasValueLists",
    "valueType": "ngsi-ld:hasValueType",
    "values": "ngsi-ld:hasValues",
    "vocab": "ngsi-ld:hasVocab",
    "vocabs": "ngsi-ld:hasVocabs",
}

_COERCED: Final = {
    "@id": "datasetId entityId instanceId object previousObject subscriptionId success tenant",
    "@vocab": """attributeList attributeName attributeNames attributeTypes attributes objectType previousVocab propertyNames
        relationshipNames typeList typeName typeNames valueType vocab watchedAttributes""",
    "@json": "contextSourceExtras json previousJson problemDetails",
    "DateTime": """contextSourceTimeAt createdAt deletedAt endAt endTimeAt expiresAt lastFailure lastNotification lastSuccess lastUsedAt
        modifiedAt notifiedAt observedAt startAt timeAt""",
}

_CONTAINERS: Final = {
    "@list": """avg bbox coordinates distinctCount entityList jsons languageMaps max min objectList objectLists objects objectsLists
        orderBy previousObjectList previousValueList snapshotQueries snapshotQueriesDetails snapshotTemporalQueries
        snapshotTemporalQueriesDetails stddev sum sumsq totalCount valueList valueLists values vocabs""",
    "@set": "features",
    "@index": "dataset",
    "@language": "languageMap previousLanguageMap",
}

_PROOF_CONTEXT: Final = [
    {"entityIdSealed": "ngsi-ld:entityIdSealed", "entityTypeSealed": {"@id": "ngsi-ld:entityTypeSealed", "@type": "@vocab"}},
    "https://w3id.org/security/data-integrity/v2",
]


def is_core_url(url: str) -> bool:
    """Whether a URL names a core @context (any version, http or https); such a URL never needs the network.

    >>> is_core_url("http://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld")
    True
    """
    return _CORE_URL_FORM.fullmatch(url) is not None


def core_document(url: str) -> dict[str, Any] | None:
    """The JSON-LD document of a core @context URL; None when the URL is no core @context.

    A URL without a version is the newest; versions before 1.3 are answered with 1.3.
    """
    match = _CORE_URL_FORM.fullmatch(url)
    if match is None:
        return None
    version = match[1] or NEWEST
    return _document(max(version, VERSIONS[0]))


@cache
def _document(version: str) -> dict[str, Any]:
    context: dict[str, Any] = {"@version": 1.1, "@protected": True} if version >= "1.8" else {}
    context |= {"ngsi-ld": NGSI_LD, "geojson": GEOJSON, "id": "@id", "type": "@type"}
    for term in sorted(_terms_of(version)):
        context[term] = _definition(term, version)
    context["@vocab"] = DEFAULT_VOCAB
    return {"@context": context}


def _terms_of(version: str) -> set[str]:
    terms = {term for since, names in _INTRODUCED.items() if since <= version for term in names.split()}
    return {term for term in terms if _DROPPED.get(term, "9") > version}


def _definition(term: str, version: str) -> str | dict[str, Any]:
    definition: dict[str, Any] = {"@id": _compact_iri(term, version)}
    for type_, names in _COERCED.items():
        if term in names.split():
            definition["@type"] = type_
    for container, names in _CONTAINERS.items():
        if term in names.split():
            definition["@container"] = container
    if term == "objects" and version < "1.6":
        definition["@type"] = "@id"
    if term == "entityMap" and version >= "1.9":
        definition["@container"] = "@index"
    if term == "ngsildproof":
        definition["@context"] = _PROOF_CONTEXT
    return definition if len(definition) > 1 else str(definition["@id"])


def _compact_iri(term: str, version: str) -> str:
    if term in ("attributeCount", "attributeDetails") and version < "1.9":
        return term
    if term in _GEOJSON_TERMS.split():
        return f"geojson:{term}"
    return _OTHER_IRI.get(term, f"ngsi-ld:{term}")


def _full_iri(compact: str) -> str:
    prefix, _, name = compact.partition(":")
    return {"ngsi-ld": NGSI_LD, "geojson": GEOJSON}.get(prefix, f"{prefix}:") + name


CORE_TERMS: Final[dict[str, str]] = {"id": "@id", "type": "@type", "ngsi-ld": NGSI_LD, "geojson": GEOJSON} | {
    term: _full_iri(_compact_iri(term, NEWEST)) for term in sorted(_terms_of(NEWEST))
}
"""Every term of the newest core @context with its full IRI (or the keyword that it stands for)."""

CORE_NAMES: Final[dict[str, str]] = {iri: term for term, iri in CORE_TERMS.items()}
"""The way back: the core term of an IRI or keyword."""
