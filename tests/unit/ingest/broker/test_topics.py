from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityhub.ingest.broker.door import Account
from cityhub.ingest.broker.topics import Subscriptions, check_filter, check_topic, matches

level = st.sampled_from(["a", "b", "", "$SYS"])
topics = st.lists(level, min_size=1, max_size=4).map("/".join).filter(bool)
filters = st.builds(
    lambda levels, rest: "/".join([*levels, "#"] if rest else levels) or "+",
    st.lists(st.sampled_from(["a", "b", "", "+", "$SYS"]), min_size=1, max_size=4),
    st.booleans(),
)


@given(st.lists(filters, max_size=12), topics)
def test_tree_finds_exactly_what_the_filters_match(wanted: list[str], topic: str) -> None:
    tree: Subscriptions[int] = Subscriptions()
    for number, filter in enumerate(wanted):
        tree.add(filter, number, filter)
    assert sorted(tree.find(topic)) == [(number, filter) for number, filter in enumerate(wanted) if matches(filter, topic)]


@given(st.lists(filters, max_size=12, unique=True), topics)
def test_nothing_is_left_of_subscriptions_that_were_removed(wanted: list[str], topic: str) -> None:
    tree: Subscriptions[str] = Subscriptions()
    for filter in wanted:
        tree.add(filter, "one", None)
    assert all(tree.remove(filter, "one") for filter in wanted)
    assert tree.find(topic) == []
    assert tree._root.is_empty


@pytest.mark.parametrize("filter", ["a/#/b", "a#", "#a", "+a", "", "a\0", "$share//a", "$share/g", "$share/+/a", "a/" * 64 + "a"])
def test_wrong_filters_are_refused(filter: str) -> None:
    assert check_filter(filter)


@pytest.mark.parametrize("topic", ["", "a/+", "#", "a\0b"])
def test_wrong_topics_are_refused(topic: str) -> None:
    assert check_topic(topic)


def test_members_of_a_shared_subscription_take_turns() -> None:
    tree: Subscriptions[str] = Subscriptions()
    tree.add("$share/g/a/+", "one", 1)
    tree.add("$share/g/a/+", "two", 2)
    tree.add("a/b", "all", 0)
    found = [sorted(member for member, _ in tree.find("a/b")) for _ in range(4)]
    assert found == [["all", "one"], ["all", "two"], ["all", "one"], ["all", "two"]]


@given(st.lists(filters, min_size=1, max_size=3), filters, topics)
def test_an_account_gets_nothing_beyond_its_own_filters(own: list[str], asked: str, topic: str) -> None:
    account = Account("x", subscribe=tuple(own))
    if account.may_subscribe(asked) and matches(asked, topic):
        assert any(matches(filter, topic) for filter in own)
