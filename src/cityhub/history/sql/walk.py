"""The walk over the tree of a statement, as DuckDB's parser writes it. What it does not know is refused."""

from __future__ import annotations

import difflib
import re
from collections.abc import Set
from typing import Any, Final

import msgspec

from cityhub.history.sql.allowed import SCALARS, TABLES
from cityhub.model.errors import BadRequestData, TooComplexQuery

MAX_DEPTH: Final = 200
"""How deep subqueries, joins and expressions may be nested."""
MAX_SOURCES: Final = 300
"""How often a statement may name a view or a function after FROM: each is planned anew, which no time limit can stop."""
OWN: Final = "hub"
"""What information_schema calls the catalogue of the views; their schema is "main"."""
LISTING: Final = "hub_tables"
"""The view that lists the caller's views; SHOW TABLES reads it."""
CATALOGUE: Final = {name: f"information_schema_{name}" for name in ("tables", "columns", "schemata")}
"""The tables of information_schema that are there, and the views of the hub that stand for them."""

Names = frozenset[str]

_NODES: Final = frozenset(("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"))
_REFERENCES: Final = frozenset(("JOIN", "SUBQUERY", "EMPTY", "EXPRESSION_LIST", "PIVOT"))
_PARTS: Final = frozenset((
    "ORDER_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "DISTINCT_MODIFIER", "ORDER_DEFAULT", "ASCENDING", "DESCENDING",
))  # fmt: skip
_EXPRESSIONS: Final = frozenset((
    "BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION", "LAMBDA", "LAMBDA_REF",
    "OPERATOR", "PARAMETER", "POSITIONAL_REFERENCE", "STAR", "SUBQUERY", "TYPE", "WINDOW",
))  # fmt: skip
_COMPARISONS: Final = frozenset((
    "COMPARE_EQUAL", "COMPARE_NOTEQUAL", "COMPARE_LESSTHAN", "COMPARE_GREATERTHAN", "COMPARE_LESSTHANOREQUALTO",
    "COMPARE_GREATERTHANOREQUALTO",
))  # fmt: skip
_FILE: Final = re.compile(r"[/\\:*?]|\.\w{2,8}$")


class Found(msgspec.Struct):
    """What a walk has met: see `cityhub.history.sql.guard.Checked`. `changed`: the tree was changed and must be written again.
    `mentions`: the views, as often as they are named."""

    views: set[str] = msgspec.field(default_factory=set)
    functions: set[str] = msgspec.field(default_factory=set)
    columns: set[str] = msgspec.field(default_factory=set)
    mentions: list[str] = msgspec.field(default_factory=list)
    present: dict[str, set[str]] = msgspec.field(default_factory=dict)
    every_column: bool = False
    changed: bool = False


class Walk:
    """One walk.

    Args:
        names: The caller's views, in small letters.
        functions: The hub's own functions of values.
        table_functions: The hub's own functions after FROM.
        found: Where what was met is noted.
    """

    def __init__(self, names: Set[str], functions: Set[str], table_functions: Set[str], found: Found) -> None:
        self._names = names | {LISTING, *CATALOGUE.values()}
        self._functions = functions
        self._table_functions = table_functions
        self._found = found
        self._depth = 0
        self._sources = 0

    def statement(self, tree: Any) -> None:
        """Walks a whole statement. Raises BadRequestData for what is not allowed, TooComplexQuery for what is nested too deeply."""
        self._any(tree["node"], frozenset())

    def _any(self, part: Any, scope: Names) -> None:
        if isinstance(part, list):
            for item in part:
                self._any(item, scope)
        elif isinstance(part, dict):
            self._depth += 1
            if self._depth > 3 * MAX_DEPTH:
                raise TooComplexQuery(f"The statement is nested more than {MAX_DEPTH} deep")
            self._object(part, scope)
            self._depth -= 1

    def _object(self, part: dict[str, Any], scope: Names) -> None:
        kind = part.get("type")
        if "class" in part:
            self._expression(part, scope)
        elif not isinstance(kind, str) or kind in _REFERENCES or kind in _PARTS:
            self._members(part, scope)
        elif kind in _NODES:
            self._query(part, scope)
        elif kind == "BASE_TABLE":
            self._count()
            self._table(part, scope)
        elif kind == "TABLE_FUNCTION":
            self._count()
            self._table_function(part, scope)
        elif kind == "SHOW_REF":
            self._show(part, scope)
        else:
            raise BadRequestData(f"'{kind}' is not allowed in a statement: right would be tables, joins, subqueries and VALUES")

    def _count(self) -> None:
        self._sources += 1
        if self._sources > MAX_SOURCES:
            raise TooComplexQuery(f"The statement names views more than {MAX_SOURCES} times")

    def _members(self, part: dict[str, Any], scope: Names) -> None:
        for name, member in part.items():
            if name not in ("cte_map", "cast_type"):
                self._any(member, scope)

    def _query(self, node: dict[str, Any], scope: Names) -> None:
        # A name stands for a CTE only after it, and in its own recursive part: elsewhere it would be a table of the engine.
        for entry in (node.get("cte_map") or {}).get("map", ()):
            self._any(entry["value"]["query"]["node"], scope)
            self._any(entry["value"].get("key_targets"), scope)
            scope |= {entry["key"].lower()}
        if node["type"] == "RECURSIVE_CTE_NODE":
            self._any(node["left"], scope)
            scope |= {node["cte_name"].lower()}
            self._members({name: member for name, member in node.items() if name != "left"}, scope)
        elif node["type"] == "CTE_NODE":
            self._any(node["query"], scope)
            scope |= {node["cte_name"].lower()}
            self._members({name: member for name, member in node.items() if name != "query"}, scope)
        else:
            self._present(node)
            self._members(node, scope)

    def _present(self, node: dict[str, Any]) -> None:
        """Notes the columns of a view without which a row cannot pass the WHERE of a SELECT from this view alone."""
        source = node.get("from_table") or {}
        if source.get("type") == "BASE_TABLE" and not source.get("sample"):
            names = {str(source.get(part) or "").lower() for part in ("alias", "table_name")}
            columns = required_columns(node.get("where_clause"), names)
            self._found.present.setdefault(source["table_name"].lower(), set()).update(columns)

    def _table(self, table: dict[str, Any], scope: Names) -> None:
        name, schema, catalog = table["table_name"], (table.get("schema_name") or "").lower(), (table.get("catalog_name") or "").lower()
        self._any(table.get("sample"), scope)
        if table.get("at_clause"):
            raise BadRequestData(f"'{name}' AT (...) is not allowed: ask for a time with WHERE")
        if schema == "information_schema" and not catalog:
            self._catalogue(table, name)
            return
        if catalog == OWN and schema == "main":
            # As information_schema calls it, and so some tools do.
            table["catalog_name"] = catalog = ""
            self._found.changed = True
        if catalog or schema not in ("", "main"):
            whole = ".".join(filter(None, (catalog, schema, name)))
            raise BadRequestData(f"'{whole}' is not allowed: right would be a view without catalogue and schema; SHOW TABLES lists them")
        low = name.lower()
        if not schema and low in scope:
            return
        if low not in self._names:
            raise BadRequestData(self._unknown(name))
        self._found.views.add(low)
        self._found.mentions.append(low)

    def _catalogue(self, table: dict[str, Any], name: str) -> None:
        view = CATALOGUE.get(name.lower())
        if view is None:
            there = ", ".join(f"information_schema.{known}" for known in CATALOGUE)
            raise BadRequestData(f"'information_schema.{name}' is not there: there are {there}")
        table["schema_name"], table["table_name"], table["alias"] = "", view, table.get("alias") or name
        self._found.views.add(view)
        self._found.changed = True

    def _unknown(self, name: str) -> str:
        if _FILE.search(name):
            return f"'{name[:200]}' is no view, and files and addresses are not read: SHOW TABLES lists what there is"
        near = difflib.get_close_matches(name.lower(), self._names, 1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        return f"There is no view '{name[:200]}': {hint}SHOW TABLES lists what there is"

    def _table_function(self, part: dict[str, Any], scope: Names) -> None:
        function = part["function"]
        name = str(function.get("function_name", "")).lower()
        if function.get("class") != "FUNCTION" or function.get("schema") or function.get("catalog"):
            raise BadRequestData(f"'{name}' with a schema is not allowed after FROM: leave the schema out")
        if name not in TABLES and name not in self._table_functions:
            there = ", ".join(sorted(TABLES | self._table_functions))
            raise BadRequestData(f"The function '{name}' is not allowed after FROM: right would be a view or one of {there}")
        self._found.functions.add(name)
        self._members({key: member for key, member in part.items() if key != "function"}, scope)
        self._members(function, scope)

    def _show(self, part: dict[str, Any], scope: Names) -> None:
        if part.get("query"):
            self._any(part["query"], scope)
            return
        what = str(part.get("table_name", "")).strip('"')
        if what not in ("tables", "__show_tables_expanded"):
            raise BadRequestData(f"SHOW {what} is not allowed: right would be SHOW TABLES or DESCRIBE and the name of a view")
        part.clear()
        part.update(type="BASE_TABLE", alias="", sample=None, schema_name="", table_name=LISTING, column_name_alias=[], catalog_name="")
        self._found.views.add(LISTING)
        self._found.changed = True

    def _expression(self, part: dict[str, Any], scope: Names) -> None:
        kind = part["class"]
        if kind not in _EXPRESSIONS:
            raise BadRequestData(f"'{kind}' is not allowed in an expression")
        if kind == "CONSTANT":
            return
        if kind in ("FUNCTION", "WINDOW"):
            self._function(part)
        elif kind == "COLUMN_REF":
            self._found.columns.update(str(name).lower() for name in part["column_names"])
        elif kind == "STAR":
            self._found.every_column = True
        self._members(part, scope)

    def _function(self, part: dict[str, Any]) -> None:
        name = str(part.get("function_name", ""))
        low = name.lower()
        # The parser itself writes "main" before some: lists, structs, comprehensions.
        if part.get("catalog") or (part.get("schema") or "main") != "main" or (low not in SCALARS and low not in self._functions):
            near = difflib.get_close_matches(low, SCALARS | self._functions, 1)
            hint = f"; did you mean '{near[0]}'?" if near and near[0] != low else ": it reaches more than the data, or is not known"
            raise BadRequestData(f"The function '{name[:200]}' is not allowed{hint}")
        self._found.functions.add(low)


def required_columns(condition: Any, names: Set[str]) -> set[str]:
    """The columns that cannot be NULL where a condition holds, in small letters; `names` are the table's own.

    Only what is plain to see: `IS NOT NULL`, comparisons and BETWEEN of a column, and all that stands together by AND.
    """
    if not isinstance(condition, dict):
        return set()
    kind = condition.get("type")
    if kind == "CONJUNCTION_AND":
        return set().union(*(required_columns(child, names) for child in condition["children"]))
    if kind == "OPERATOR_IS_NOT_NULL":
        sides = condition["children"]
    elif kind in _COMPARISONS:
        sides = [condition["left"], condition["right"]]
    elif condition.get("class") == "BETWEEN" and kind == "COMPARE_BETWEEN":
        sides = [condition["input"]]
    else:
        return set()
    columns = [side["column_names"] for side in sides if side.get("class") == "COLUMN_REF"]
    return {column[-1].lower() for column in columns if len(column) == 1 or (len(column) == 2 and column[0].lower() in names)}
