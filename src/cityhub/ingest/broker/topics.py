"""Topic names, topic filters, and who subscribed to what.

Source: MQTT 5.0, section 4.7 (topic names and topic filters) and 4.8 (shared subscriptions).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any, Final, Generic, TypeVar

MAX_LEVELS: Final = 64
"""Most levels of a topic or a filter; the standard has no bound, memory has."""
SHARED: Final = "$share/"
Member = TypeVar("Member", bound=Hashable)


def check_topic(topic: str) -> str:
    """What is wrong with the name of a topic; "" when nothing is.

    >>> check_topic("a/+/b")
    'a topic name has no wildcards'
    """
    if not topic:
        return "a topic name has at least one character"
    if "+" in topic or "#" in topic:
        return "a topic name has no wildcards"
    return _check_text(topic)


def check_filter(filter: str) -> str:
    """What is wrong with a topic filter; "" when nothing is.

    >>> check_filter("a/#/b")
    "'#' must be the last level"
    >>> check_filter("$share/group/a/+")
    ''
    """
    if filter.startswith(SHARED):
        group, _, rest = filter[len(SHARED) :].partition("/")
        if not group or "+" in group or "#" in group or not rest:
            return "a shared subscription is '$share/<name>/<filter>'"
        filter = rest
    if not filter:
        return "a topic filter has at least one character"
    levels = filter.split("/")
    for place, level in enumerate(levels):
        if "#" in level and (level != "#" or place != len(levels) - 1):
            return "'#' must be the last level" if level == "#" else "'#' must be a whole level"
        if "+" in level and level != "+":
            return "'+' must be a whole level"
    return _check_text(filter)


def _check_text(text: str) -> str:
    if "\0" in text:
        return "a topic has no null character"
    return f"a topic has at most {MAX_LEVELS} levels" if text.count("/") >= MAX_LEVELS else ""


def matches(filter: str, topic: str) -> bool:
    """Whether a topic is one of those that a filter names; a shared one by its filter.

    >>> matches("a/+/c", "a/b/c"), matches("a/#", "a"), matches("#", "$SYS/x"), matches("+/b", "a/b/c")
    (True, True, False, False)
    """
    if filter.startswith(SHARED):
        filter = filter[len(SHARED) :].partition("/")[2]
    wanted, levels = filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(levels) or level not in ("+", levels[place]):
            return False
    return len(wanted) == len(levels)


class _Node(Generic[Member]):
    """One level of the tree of filters."""

    __slots__ = ("children", "members", "shared")

    def __init__(self) -> None:
        self.children: dict[str, _Node[Member]] = {}
        self.members: dict[Member, Any] = {}
        self.shared: dict[str, dict[Member, Any]] = {}

    @property
    def is_empty(self) -> bool:
        return not (self.children or self.members or self.shared)


class Subscriptions(Generic[Member]):
    """Who subscribed to what, as a tree by level.

    Of a shared subscription one member gets each message; members take turns.
    """

    def __init__(self) -> None:
        self._root: _Node[Member] = _Node()

    def add(self, filter: str, member: Member, options: Any) -> None:
        """Adds a subscription, or replaces that of the same member and filter."""
        group, path = _group_of(filter)
        node = self._root
        for level in path.split("/"):
            node = node.children.setdefault(level, _Node())
        (node.shared.setdefault(group, {}) if group else node.members)[member] = options

    def remove(self, filter: str, member: Member) -> bool:
        """Removes a subscription. Returns whether it was there."""
        group, path = _group_of(filter)
        nodes, levels = [self._root], path.split("/")
        for level in levels:
            node = nodes[-1].children.get(level)
            if node is None:
                return False
            nodes.append(node)
        was_there = self._take_out(nodes[-1], group, member)
        for above, level, node in zip(reversed(nodes[:-1]), reversed(levels), reversed(nodes[1:]), strict=True):
            if node.is_empty:
                del above.children[level]
        return was_there

    @staticmethod
    def _take_out(node: _Node[Member], group: str, member: Member) -> bool:
        if not group:
            return node.members.pop(member, _ABSENT) is not _ABSENT
        members = node.shared.get(group, {})
        was_there = members.pop(member, _ABSENT) is not _ABSENT
        if was_there and not members:
            del node.shared[group]
        return was_there

    def find(self, topic: str) -> list[tuple[Member, Any]]:
        """(member, options) of every subscription that a topic matches; a member may be there more than once."""
        found: list[tuple[Member, Any]] = []
        for node in self._nodes(topic.split("/"), topic.startswith("$")):
            found.extend(node.members.items())
            found.extend(_turn(members) for members in node.shared.values())
        return found

    def _nodes(self, levels: list[str], is_special: bool) -> Iterator[_Node[Member]]:
        """The nodes whose filters a topic matches. Wildcards do not match first levels that begin with '$'."""
        reached = [self._root]
        for place, level in enumerate(levels):
            wild = place > 0 or not is_special
            following = []
            for node in reached:
                children = node.children
                if wild and (rest := children.get("#")) is not None:
                    yield rest
                if (same := children.get(level)) is not None:
                    following.append(same)
                if wild and (one := children.get("+")) is not None:
                    following.append(one)
            reached = following
            if not reached:
                return
        for node in reached:
            yield node
            if (rest := node.children.get("#")) is not None:  # "a/#" is for "a" too
                yield rest


_ABSENT: Final = object()


def _group_of(filter: str) -> tuple[str, str]:
    if not filter.startswith(SHARED):
        return "", filter
    group, _, path = filter[len(SHARED) :].partition("/")
    return group, path


def _turn(members: dict[Member, Any]) -> tuple[Member, Any]:
    """The member whose turn it is, which goes to the end of the row; those who are connected come first."""
    for member in list(members):
        options = members.pop(member)
        members[member] = options
        if getattr(member, "is_connected", True):
            return member, options
    return next(iter(members.items()))
