"""The generated core @contexts say what annex B says."""

import pytest
from pyld import jsonld

from cityhub.model.jsonld.core import CORE_NAMES, CORE_TERMS, CORE_URL, VERSIONS, core_document, is_core_url

CORE = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context"


def context(version):
    return core_document(f"{CORE}-v{version}.jsonld")["@context"]


@pytest.mark.parametrize(
    ("url", "known"),
    [
        (f"{CORE}.jsonld", True),
        (f"{CORE}-v1.3.jsonld", True),
        (f"{CORE}-v1.9.jsonld", True),
        ("http://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.6.jsonld", True),
        ("https://forge.etsi.org/rep/NGSI-LD/NGSI-LD/-/raw/master/coreContext/ngsi-ld-core-context.jsonld", True),
        (f"{CORE}-non-existing.jsonld", False),
        (f"{CORE}-v1.9.jsonld.evil", False),
        ("https://example.org/ngsi-ld-core-context.jsonld", False),
    ],
)
def test_only_core_urls_are_core(url, known):
    assert is_core_url(url) is known
    assert (core_document(url) is not None) is known


def test_number_of_terms_of_each_version():
    assert {version: len(context(version)) for version in VERSIONS} == {
        "1.3": 110, "1.4": 118, "1.5": 123, "1.6": 147, "1.7": 152, "1.8": 183, "1.9": 212,
    }  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_is_valid_json_ld(version):
    document = {
        "@context": {**context(version), "ngsildproof": "ngsi-ld:ngsildproof"},
        "id": "urn:x",
        "type": "T",
        "observedAt": "2026-01-01T00:00:00Z",
    }
    [expanded] = jsonld.expand(document)
    assert expanded["@type"] == ["https://uri.etsi.org/ngsi-ld/default-context/T"]
    assert expanded["https://uri.etsi.org/ngsi-ld/observedAt"][0]["@type"] == "https://uri.etsi.org/ngsi-ld/DateTime"


def test_terms_that_came_changed_or_went():
    assert context("1.7")["VocabularyProperty"] == "ngsi-ld:VocabularyProperty" and "VocabularyProperty" not in context("1.8")
    assert "objectsLists" in context("1.8") and "objectsLists" not in context("1.9")
    assert context("1.5")["objects"]["@type"] == "@id" and "@type" not in context("1.6")["objects"]
    assert context("1.8")["entityMap"] == "ngsi-ld:hasEntityMap"
    assert context("1.9")["entityMap"] == {"@id": "ngsi-ld:hasEntityMap", "@container": "@index"}
    assert context("1.8")["@protected"] is True and "@protected" not in context("1.7")
    assert context("1.9")["vocab"] == {"@id": "ngsi-ld:hasVocab", "@type": "@vocab"}
    assert context("1.9")["languageMap"] == {"@id": "ngsi-ld:hasLanguageMap", "@container": "@language"}


def test_a_url_without_version_is_the_newest():
    assert core_document(f"{CORE}.jsonld") == core_document(CORE_URL)


def test_terms_and_names_are_inverse():
    assert len(CORE_TERMS) == len(CORE_NAMES)
    assert CORE_TERMS["title"] == "http://purl.org/dc/terms/title"
    assert CORE_TERMS["coordinates"] == "https://purl.org/geojson/vocab#coordinates"
    assert CORE_NAMES["https://uri.etsi.org/ngsi-ld/hasValue"] == "value"
