"""From an attribute path to the values that it reaches in an entity.

A finder yields the target values of one path in one entity: one for each attribute instance (`ABSENT` where the path
ends too early), so that a term holds when one of them passes its test.

Source: GS CIM 009 clause 4.9.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from cityhub.model.entity import VALUE_KEY, Entity, Instance
from cityhub.model.ngsild.q_tree import INSTANCE_MEMBERS, Path

ABSENT: Final[Any] = object()
"""What a path reaches where there is nothing."""
Finder = Callable[[Entity], Iterator[Any]]

_LINKS: Final = frozenset({"Relationship", "ListRelationship"})


def finder(path: Path, *, links: bool = True) -> Finder:
    """The finder of a path without hops; without `links`, relationships have no value (as for every order and pattern)."""
    if path.own:
        return _own_finder(path.names[0], len(path.names) > 1 or bool(path.members))
    read = reader(path, links=links)
    name, deeper = path.names[0], path.names[1:]
    if not deeper:
        return lambda entity: map(read, entity["attrs"].get(name, ()))
    return lambda entity: _descend(entity["attrs"].get(name, ()), deeper, read, entity.get("createdAt"))


def _own_finder(member: str, too_deep: bool) -> Finder:
    if too_deep:
        return lambda entity: iter(())
    if member == "modifiedAt":
        return lambda entity: iter((entity.get("modifiedAt", entity.get("createdAt", ABSENT)),))
    return lambda entity: iter((entity.get(member, ABSENT),))


def _descend(instances: Any, names: tuple[str, ...], read: Callable[[Instance], Any], created: Any) -> Iterator[Any]:
    """The targets below attribute instances; `created` is when what they stand in was created."""
    name, deeper = names[0], names[1:]
    for instance in instances:
        begun = instance.get("createdAt", created)
        if name in INSTANCE_MEMBERS:
            yield ABSENT if deeper else _instance_member(instance, name, begun)
        elif deeper:
            yield from _descend(instance.get("attrs", {}).get(name, ()), deeper, read, begun)
        else:
            yield from map(read, instance.get("attrs", {}).get(name, ()))


def _instance_member(instance: Instance, name: str, created: Any) -> Any:
    if name == "createdAt":
        return ABSENT if created is None else created
    if name == "modifiedAt":
        return instance.get("modifiedAt", ABSENT if created is None else created)
    return instance.get(name, ABSENT)


def reader(path: Path, *, links: bool = True) -> Callable[[Instance], Any]:
    """What reads the target value of a path from the attribute instance that it ends in."""
    if path.members:
        return _member_reader(path)

    def read(instance: Instance) -> Any:
        kind = instance["type"]
        if kind == "Property" or kind == "GeoProperty":
            return instance.get("value", ABSENT)
        if kind == "LanguageProperty":
            return any_language(instance.get("languageMap"))
        if kind in _LINKS:
            return objects_of(instance) if links else ABSENT
        return instance.get(VALUE_KEY[kind], ABSENT)

    return read


def _member_reader(path: Path) -> Callable[[Instance], Any]:
    members = tuple(zip(path.members, path.member_names, strict=True))
    language = path.members[0] if len(path.members) == 1 else ""

    def read(instance: Instance) -> Any:
        kind = instance["type"]
        if kind == "LanguageProperty":
            languages = instance.get("languageMap")
            if type(languages) is not dict or language == "*":
                return any_language(languages)
            return languages.get(language, ABSENT)
        if kind in _LINKS:
            return ABSENT
        return member_of(instance.get(VALUE_KEY[kind], ABSENT), members)

    return read


def member_of(value: Any, members: tuple[tuple[str, str], ...]) -> Any:
    """The member of a compound value at the end of a path of names (as written, as IRI); of each item of an array."""
    for place, (word, name) in enumerate(members):
        if type(value) is dict:
            value = value[word] if word in value else value.get(name, ABSENT)
        elif type(value) is list:
            found = [member_of(item, members[place:]) for item in value if type(item) is dict]
            found = [item for item in found if item is not ABSENT]
            return found or ABSENT
        else:
            return ABSENT
    return value


def any_language(languages: Any) -> Any:
    """All texts of a language map, of whatever language; `ABSENT` for what is no map (the value was removed)."""
    if type(languages) is not dict:
        return ABSENT
    texts: list[Any] = []
    for value in languages.values():
        if type(value) is list:
            texts.extend(value)
        else:
            texts.append(value)
    return texts


def objects_of(instance: Instance) -> Any:
    """The URI or the list of URIs that a Relationship or ListRelationship points to; `ABSENT` where it has none."""
    target = instance.get(VALUE_KEY[instance["type"]], ABSENT)
    if type(target) is list:
        return [item["object"] if type(item) is dict and "object" in item else item for item in target]
    return target
