"""Which entities are meant: by id, by a pattern of ids, by type.

Source: GS CIM 009 clauses 4.17 (type selection), 5.2.33 (EntitySelector), 5.12 (matching registrations).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

from cityhub.model.condition import Anything, Condition, IdIn, IdPrefix, TypeIs
from cityhub.model.entity import Entity
from cityhub.model.errors import BadRequestData
from cityhub.model.jsonld.names import is_name
from cityhub.model.ngsild.alternatives import read_alternatives
from cityhub.model.ngsild.names import is_uri
from cityhub.model.ngsild.patterns import compile_pattern, literal_head
from cityhub.model.ngsild.q_condition import all_of, any_of
from cityhub.model.ngsild.terms import Terms

MAX_IDS: Final = 10_000
"""Most ids in one selector."""


class TypeSelection:
    """A type selection that was read; immutable.

    Attributes:
        alternatives: Sets of types (IRIs); an entity is selected when it has all types of one set. None: every type.
        condition: A condition that every selected entity satisfies.
    """

    __slots__ = ("_one", "alternatives", "condition")

    def __init__(self, alternatives: tuple[frozenset[str], ...] | None) -> None:
        self.alternatives = alternatives
        single = alternatives is not None and len(alternatives) == 1 and len(alternatives[0]) == 1
        self._one = next(iter(alternatives[0])) if alternatives is not None and single else None
        self.condition: Condition = Anything()
        if alternatives is not None:
            self.condition = any_of([all_of([TypeIs(name) for name in sorted(types)]) for types in alternatives])

    def selects(self, types: Collection[str]) -> bool:
        """Whether something with these types (IRIs) is selected."""
        if self._one is not None:
            return self._one in types
        return self.alternatives is None or any(all(name in types for name in wanted) for wanted in self.alternatives)

    @property
    def names(self) -> frozenset[str]:
        """All types (IRIs) that it speaks of."""
        return frozenset().union(*self.alternatives or ())


EVERY_TYPE: Final = TypeSelection(None)
"""What "*" selects."""


class EntitySelector:
    """One group of entities; immutable. Several of them select what one of them selects.

    Attributes:
        ids: Ids, one of which an entity must have; None: any id. They take precedence over a pattern.
        id_pattern: The regular expression that must be found in the id; None: any id.
        types: The types; None: none were given, so an entity may be of any.
        condition: A condition that every selected entity satisfies.
    """

    __slots__ = ("_search", "condition", "id_pattern", "ids", "types")

    def __init__(self, ids: frozenset[str] | None = None, id_pattern: str | None = None, types: TypeSelection | None = None) -> None:
        self.ids = ids
        self.id_pattern = id_pattern
        self.types = types
        self._search: Callable[[str], Any] | None = None
        if id_pattern is not None:
            self._search = compile_pattern(id_pattern, "idPattern")
        self.condition: Condition = all_of([self._id_condition(), types.condition if types else Anything()])

    def matches(self, entity: Entity) -> bool:
        """Whether the entity is selected."""
        return self.selects_id(entity["id"]) and (self.types is None or self.types.selects(entity["type"]))

    def selects_id(self, id: str) -> bool:
        """Whether an entity with this id can be selected."""
        if self.ids is not None:
            return id in self.ids
        return self._search is None or self._search(id) is not None

    def meets(self, types: Collection[str], id: str | None, registered: Callable[[str], Any] | None) -> bool:
        """Whether a registered group of entities may have entities that are selected (clause 5.12).

        Args:
            types: The registered types (IRIs).
            id: The registered id; None when none was registered.
            registered: The search function of the registered idPattern; None when none was registered.
        """
        if self.types is not None and not self.types.selects(types):
            return False
        if id is not None:
            return self.selects_id(id)
        if registered is None or self.ids is None:
            return True  # whether two patterns have an id in common cannot be told in general
        return any(registered(own) is not None for own in self.ids)

    def _id_condition(self) -> Condition:
        if self.ids is not None:
            return IdIn(tuple(sorted(self.ids)))
        head = literal_head(self.id_pattern or "")
        return IdPrefix(head) if head else Anything()


def parse_type_selection(text: Any, terms: Terms, where: str = "type") -> TypeSelection:
    """The selection of a text such as 'Building,House' or '(Home;Vehicle)|Motorhome'; '*' selects every type.

    Raises BadRequestData for what does not follow the grammar or is not a name.
    """
    if type(text) is not str or not text:
        raise BadRequestData(f"'{where}' must be a selection of types such as 'Building' or '(Home;Vehicle)|Motorhome'")
    if text == "*":
        return EVERY_TYPE
    alternatives = read_alternatives(text, where)
    for name in (name for names in alternatives for name in names):
        if not is_name(name):
            raise BadRequestData(f"'{where}' has {name!r:.100}, which is not the name of a type")
    found = (frozenset(map(terms.expand, names)) for names in alternatives)
    return TypeSelection(tuple(dict.fromkeys(found)))


def read_selector(document: Any, terms: Terms, where: str = "entities") -> EntitySelector:
    """The selector of an EntitySelector document ("type" is needed, "id" is a URI or a list of URIs).

    Raises BadRequestData for what does not follow the clause.
    """
    if type(document) is not dict:
        raise BadRequestData(f"'{where}' must be a list of objects with a 'type'")
    unknown = document.keys() - {"id", "idPattern", "type", "@id", "@type"}
    if unknown:
        raise BadRequestData(f"'{where}' has the unknown member {min(unknown)!r:.100}; valid ones are id, idPattern and type")
    types = parse_type_selection(document.get("type", document.get("@type")), terms, f"{where}.type")
    ids = document.get("id", document.get("@id"))
    pattern = document.get("idPattern")
    if pattern is not None and type(pattern) is not str:
        raise BadRequestData(f"'{where}.idPattern' must be a text")
    return EntitySelector(None if ids is None else read_ids(ids, f"{where}.id"), pattern, types)


def read_ids(ids: Any, where: str = "id") -> frozenset[str]:
    """Ids from one URI or a list of URIs. Raises BadRequestData for anything else."""
    found = [ids] if type(ids) is str else ids
    if type(found) is not list or not found or len(found) > MAX_IDS:
        raise BadRequestData(f"'{where}' must be a URI or a list of at most {MAX_IDS} URIs")
    for item in found:
        if not is_uri(item):
            raise BadRequestData(f"'{where}' has {item!r:.200}, which is not a URI")
    return frozenset(found)
