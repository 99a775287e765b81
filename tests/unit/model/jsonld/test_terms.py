import pytest

from cityhub.model.errors import BadRequestData, ContextUnavailable
from cityhub.model.jsonld import CORE, CORE_URL, remote_urls, term_map

DEFAULT = "https://uri.etsi.org/ngsi-ld/default-context/"
DOCUMENTS = {
    "https://a.org/a.jsonld": {"@context": {"ex": "https://ex.org/", "speed": "ex:speed", "brand": {"@id": "ex:brand", "@type": "@vocab"}}},
    "https://a.org/both.jsonld": {"@context": ["a.jsonld", CORE_URL, {"speed": "https://other.org/speed"}]},
    "https://a.org/loop.jsonld": {"@context": ["loop2.jsonld"]},
    "https://a.org/loop2.jsonld": {"@context": "https://a.org/loop.jsonld"},
    "https://a.org/list.jsonld": [1],
    "https://a.org/import.jsonld": {"@context": {"@version": 1.1, "@import": "https://a.org/a.jsonld", "colour": "ex:colour"}},
}


def test_core_alone():
    assert term_map(None) is CORE and term_map(CORE_URL) is CORE and term_map([CORE_URL]) is CORE and term_map({}) is CORE
    assert CORE.source is None and CORE.link == CORE_URL
    assert CORE.expand("location") == "https://uri.etsi.org/ngsi-ld/location"
    assert CORE.expand("Vehicle") == DEFAULT + "Vehicle"
    assert CORE.compact(DEFAULT + "Vehicle") == "Vehicle"
    assert CORE.compact("https://example.org/Vehicle") == "https://example.org/Vehicle"


def test_terms_prefixes_and_full_iris():
    terms = term_map("https://a.org/a.jsonld", DOCUMENTS)
    assert terms.expand("speed") == terms.expand("ex:speed") == terms.expand("https://ex.org/speed") == "https://ex.org/speed"
    assert terms.compact("https://ex.org/speed") == "speed"
    assert terms.compact("https://ex.org/brand") == "brand"
    assert terms.compact("https://ex.org/other") == "ex:other"
    assert terms.source == terms.link == "https://a.org/a.jsonld"


def test_later_contexts_win_and_relative_urls_are_resolved():
    terms = term_map(["https://a.org/both.jsonld", CORE_URL], DOCUMENTS)
    assert terms.expand("speed") == "https://other.org/speed"
    assert terms.expand("brand") == "https://ex.org/brand"
    assert terms.link == "https://a.org/both.jsonld"
    assert terms.source == ["https://a.org/both.jsonld"]


def test_core_terms_cannot_be_redefined():
    terms = term_map({"location": "https://ex.org/place", "loc": "https://uri.etsi.org/ngsi-ld/location", "title": "https://ex.org/t/"})
    assert terms.expand("location") == "https://uri.etsi.org/ngsi-ld/location"
    assert terms.compact("https://uri.etsi.org/ngsi-ld/location") == "location"
    assert terms.compact("https://ex.org/place") == "https://ex.org/place"
    assert terms.expand("title:x") == "title:x"
    assert terms.link is None


def test_a_user_vocab_serves_its_own_definitions_only():
    terms = term_map({"@vocab": "https://ex.org/v#", "brand": {"@type": "@id"}})
    assert terms.expand("brand") == "https://ex.org/v#brand"
    assert terms.expand("speed") == DEFAULT + "speed"


def test_never_compacts_to_a_name_of_something_else():
    terms = term_map({"speed": "https://ex.org/s", "ex": "https://ex.org/", "https": "https://odd.org/"})
    assert terms.compact(DEFAULT + "speed") == "ngsi-ld:default-context/speed"
    assert terms.expand(terms.compact(DEFAULT + "speed")) == DEFAULT + "speed"
    assert terms.compact(DEFAULT + "location") != "location"
    assert terms.compact(DEFAULT + "ex:a") != "ex:a"


def test_the_shortest_then_first_term_is_taken():
    terms = term_map({"velocity": "https://ex.org/s", "spd": "https://ex.org/s", "abc": "https://ex.org/s"})
    assert terms.compact("https://ex.org/s") == "abc"


def test_keywords_and_null_are_no_names():
    terms = term_map({"nothing": None, "kind": "@type"})
    for term in ("nothing", "kind", "type", "@type", "", "@odd"):
        with pytest.raises(BadRequestData, match="stands for"):
            terms.expand(term)
    assert terms.aliases == {"kind": "@type"}
    with pytest.raises(BadRequestData, match="not a valid name"):
        terms.expand_name("a b")
    assert terms.expand_name("a") == DEFAULT + "a"
    assert terms.expand("a b") == DEFAULT + "a b"


def test_null_forgets_what_came_before():
    terms = term_map([{"speed": "https://ex.org/s"}, None, {"brand": "https://ex.org/b"}])
    assert terms.expand("speed") == DEFAULT + "speed" and terms.expand("brand") == "https://ex.org/b"


def test_rare_features_go_to_the_processor():
    terms = term_map("https://a.org/import.jsonld", DOCUMENTS)
    assert terms.expand("colour") == "https://ex.org/colour"
    terms = term_map(
        [
            {"@protected": True, "ex": {"@id": "https://ex.org/", "@prefix": True}, "label": {"@id": "ex:l", "@nest": "@nest"}},
            {"back": {"@reverse": "ex:b"}},
        ]
    )
    assert terms.compact("https://ex.org/zz") == "ex:zz" and terms.expand("label") == "https://ex.org/l"
    with pytest.raises(BadRequestData, match="stands for nothing"):
        terms.expand("back")


@pytest.mark.parametrize(
    "context",
    [
        7, True, "not a url", "relative.jsonld", "ftp://a.org/a", [[7]], {"a": 7}, {"a": "b"}, {"a": "b", "b": "a"}, {"": "https://ex.org/"},
        {"a": {"@id": "https://ex.org/a", "@context": {}}}, {"a": {"@id": 7}}, {"a": {"@id": "https://ex.org/", "@type": 7}},
        {"a": {"@id": "https://ex.org/", "@container": "@odd"}}, {"@vocab": 7}, {"@version": 1.0},
        {"@type": "https://ex.org/"}, {"a": {"@id": "https://ex.org/", "@odd": 1}}, "https://a.org/loop.jsonld", {"@import": 7},
        {"ex:a": "https://other.org/a", "ex": "https://ex.org/"}, {"@vocab": None, "a": {"@type": "@id"}},
        [[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]], {f"t{i}": "https://ex.org/" for i in range(20_001)},
        {f"t{i}": f"t{i + 1}:x" for i in range(3_000)} | {"t3000": "https://ex.org/"},
    ],
)  # fmt: skip
def test_invalid_contexts_are_refused(context):
    if context == {"a": "b"}:
        assert term_map(context).expand("a") == DEFAULT + "b"
        return
    with pytest.raises(BadRequestData):
        term_map(context, DOCUMENTS)


@pytest.mark.parametrize("url", ["https://a.org/none.jsonld", "https://a.org/list.jsonld"])
def test_documents_that_cannot_be_had(url):
    with pytest.raises(ContextUnavailable, match=url):
        term_map(url, DOCUMENTS)
    with pytest.raises(ContextUnavailable):
        term_map([{"@protected": True}, url], DOCUMENTS)


def test_loops_through_the_processor_end_too():
    with pytest.raises(BadRequestData):
        term_map([{"@protected": True}, "https://a.org/loop.jsonld"], DOCUMENTS)


def test_keys_follow_the_content():
    first, second = term_map({"a": "https://ex.org/a"}), term_map({"a": "https://ex.org/a"})
    assert first.key == second.key != CORE.key
    changed = {"https://a.org/a.jsonld": {"@context": {"speed": "https://new.org/speed"}}}
    assert term_map("https://a.org/a.jsonld", DOCUMENTS).key != term_map("https://a.org/a.jsonld", changed).key


def test_remote_urls():
    assert remote_urls(["b.jsonld", CORE_URL, [{"@import": "c.jsonld"}], "b.jsonld"], "https://a.org/x/") == [
        "https://a.org/x/b.jsonld",
        "https://a.org/x/c.jsonld",
    ]
    assert remote_urls(None) == remote_urls({"a": "https://ex.org/"}) == []
    with pytest.raises(BadRequestData, match="not an absolute"):
        remote_urls("b.jsonld")
