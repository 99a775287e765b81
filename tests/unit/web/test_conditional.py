import pytest

from cityhub.model.errors import InvalidRequest
from cityhub.web.conditional import entity_tag, is_unmodified, matching_versions

VERSION = "2026-11-23T06:05:00.123456Z"


def test_a_tag_tells_versions_and_representations_apart():
    tags = {entity_tag(VERSION, "a"), entity_tag(VERSION, "b"), entity_tag(VERSION, "a", "b"), entity_tag(VERSION[:-2] + "7Z", "a")}
    assert len(tags) == 4
    assert entity_tag(VERSION, "a") == entity_tag(VERSION, "a")


def test_if_none_match():
    tag = entity_tag(VERSION, "a")
    assert is_unmodified(tag, tag)
    assert is_unmodified(f'"x", W/{tag} ', tag)
    assert is_unmodified(" * ", tag)
    assert not is_unmodified('"x"', tag)
    assert not is_unmodified(tag.replace('"', "'"), tag)


def test_if_match_names_versions_whatever_their_representation():
    assert matching_versions(None) is None
    assert matching_versions("*") is None
    assert matching_versions(f'{entity_tag(VERSION, "a")}, "x.y"') == {VERSION, "x"}
    assert matching_versions(f'W/{entity_tag(VERSION, "a")}') == frozenset(), "weak tags match nothing"


@pytest.mark.parametrize("text", ["x", '"a" "b"', '"a",,"b"', '"a', '"a",x', ",".join(['"a"'] * 101)])
def test_what_is_no_list_of_tags(text):
    with pytest.raises(InvalidRequest):
        matching_versions(text)
