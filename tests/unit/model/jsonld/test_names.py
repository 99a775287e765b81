import pytest

from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld import check_name


@pytest.mark.parametrize(
    "name", ["speed", "水位", "a_1", "Größe", "ex:speed", "https://example.org/a#b", "urn:ngsi-ld:x:y", "ngsi-ld:speed", "x²", "_value", "P-TOT", "a.b", "ex:a-b", "ex:_a"]
)
def test_legal_names(name):
    check_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "1a", "a b", "_", "-a", ".", "..", "_1", "_:a", "a(b", "a<b", "a:b c", "(a)", "@type", "a:", ":a", "http://x y", "a\n", "urn:<x>", "a" * 3000, 7, None],
)
def test_other_names_are_refused(name):
    with pytest.raises(BadRequestData, match="not a valid name"):
        check_name(name)
