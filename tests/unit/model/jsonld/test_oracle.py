"""Our term maps agree with a complete JSON-LD processor, on contexts and documents made by Hypothesis."""

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pyld import jsonld

from cityhub.model.entity import DEFAULT_VOCAB
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld.core import CORE_TERMS
from cityhub.model.jsonld.definitions import Definitions
from cityhub.model.jsonld.processor import process
from cityhub.model.jsonld.sources import no_documents
from cityhub.model.jsonld.terms import term_map

CORE = {**CORE_TERMS, "@vocab": DEFAULT_VOCAB}

TERMS = st.sampled_from(
    ["a", "b", "Car", "ex", "s", "ex:a", "ex:z", "s:b", "urn", "location", "title", "x/y", "水位", "http://ex.org/a", "no name"]
)
IRIS = st.sampled_from(
    [
        "http://ex.org/",
        "http://ex.org/a",
        "http://s.org/v#",
        "urn:x:",
        "urn:x",
        "ex:a",
        "s:b",
        "a",
        "Car",
        "b",
        "ngsi-ld:q",
        "not iri:",
        DEFAULT_VOCAB + "q",
        "_:b",
        "",
    ]
)
DEFINITIONS = st.one_of(
    IRIS, IRIS, st.none(),
    st.fixed_dictionaries({}, optional={
        "@id": st.one_of(IRIS, st.none()),
        "@type": st.sampled_from(["@id", "@vocab", "@json", "DateTime", "http://ex.org/T", "ex:T", "_:t"]),
        "@container": st.sampled_from(["@list", "@set", "@language", ["@set"]]),
    }),
)  # fmt: skip
OBJECTS = st.dictionaries(TERMS, DEFINITIONS, max_size=6)
VOCABS = st.one_of(st.just({}), st.builds(lambda iri: {"@vocab": iri}, st.sampled_from(["http://v.org/", "urn:v:", "ex:v"])))
CONTEXTS = st.lists(st.builds(lambda objects, vocab: {**vocab, **objects}, OBJECTS, VOCABS), min_size=1, max_size=3)
PLAIN = st.dictionaries(
    TERMS, st.one_of(st.sampled_from(["http://ex.org/", "http://ex.org/a", "http://s.org/v#", "urn:x:", "ex:a", "s:b", "Car"])), max_size=6
)
LOOKED_UP = [
    "a",
    "b",
    "Car",
    "ex:a",
    "ex:q",
    "s:b",
    "urn:x",
    "location",
    "zz",
    "x/y",
    "http://ex.org/a",
    "a b:c",
    "title:x",
    "水位",
    "_:n",
    "ngsi-ld:q",
    "ex://q",
]


def ours(contexts):
    definitions = Definitions(no_documents)
    definitions.add(contexts)
    return definitions.iris, definitions.prefixes


def outcome(read, contexts):
    try:
        return read(contexts)
    except BadRequestData:
        return None


@settings(max_examples=400, deadline=None)
@given(CONTEXTS)
def test_definitions_are_those_of_the_processor(contexts):
    mine = outcome(ours, contexts)
    theirs = outcome(lambda contexts: process(contexts, no_documents), contexts)
    if any("" in (value, isinstance(value, dict) and value.get("@id")) for context in contexts for value in context.values()):
        return  # an empty "@id" is invalid for us; the processor takes it for a relative one
    assert mine == theirs


@settings(max_examples=300, deadline=None)
@given(CONTEXTS)
def test_names_expand_as_with_the_processor(contexts):
    try:
        terms = term_map(contexts)
    except BadRequestData:
        return
    processor = jsonld.JsonLdProcessor()
    options = {"processingMode": "json-ld-1.1", "documentLoader": no_documents}
    active = processor.process_context(processor._get_initial_context(options), [CORE, *contexts, CORE], options)
    for name in LOOKED_UP:
        expected = processor._expand_iri(active, name, vocab=True)
        try:
            assert terms.expand(name) == expected
        except BadRequestData:
            assert expected is None or expected.startswith("@")
            continue
        assert terms.expand(terms.compact(expected)) == expected or terms.compact(expected) == expected


KEYS = st.sampled_from(
    ["a", "b", "Car", "ex:a", "ex:q", "s:b", "s:q", "location", "zz", "水位", "http://ex.org/zz", "http://s.org/v#k", "urn:x:1"]
)
VALUES = st.recursive(st.integers(), lambda inner: st.dictionaries(KEYS, inner, min_size=1, max_size=3), max_leaves=8)
OBJECT_VALUES = st.dictionaries(KEYS, VALUES, min_size=1, max_size=4)


def as_expanded(value):
    return {key: [as_expanded(inner)] for key, inner in value.items()} if isinstance(value, dict) else {"@value": value}


@settings(max_examples=300, deadline=None)
@given(PLAIN, OBJECT_VALUES)
def test_documents_expand_and_compact_as_with_the_processor(context, value):
    try:
        terms = term_map(context)
        expanded = terms.expand_value(value)
    except BadRequestData:
        assume(False)
    contexts = [CORE, context, CORE]
    expected = jsonld.expand({"@context": contexts, **value})
    assert [as_expanded(expanded)] == expected
    try:
        compacted = jsonld.compact(expected, contexts)
    except jsonld.JsonLdError:
        return  # an IRI that looks like a compact one
    compacted.pop("@context")
    assert terms.compact_value(expanded) == compacted
