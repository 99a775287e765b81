"""From a path to its routes: a tree of segments."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from cityhub.web.http import Route


class _Node:
    __slots__ = ("children", "parameter", "rest", "routes")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.rest: _Node | None = None
        self.routes: dict[str, tuple[Route, tuple[str, ...]]] = {}


class Router:
    """Finds the routes of a path; a literal segment wins over a parameter, a parameter over the rest of the path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        self.routes: list[Route] = []
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        node, names = self._root, []
        for segment in _segments(route.path):
            if segment.startswith("{"):
                name, _, kind = segment[1:-1].partition(":")
                names.append(name)
                if kind == "path":
                    node.rest = node.rest or _Node()
                    node = node.rest
                else:
                    node.parameter = node.parameter or _Node()
                    node = node.parameter
            else:
                node = node.children.setdefault(segment, _Node())
        if route.method in node.routes:
            raise ValueError(f"Two routes answer {route.method} {route.path}")
        node.routes[route.method] = (route, tuple(names))
        self.routes.append(route)

    def find(self, raw_path: str) -> tuple[dict[str, tuple[Route, tuple[str, ...]]], list[str]]:
        """The routes by method and the parameters' values (decoded) for a still percent-encoded path; {} when there are none."""
        node, values = self._root, []
        segments = _segments(raw_path)
        for place, segment in enumerate(segments):
            child = node.children.get(segment)
            if child is not None:
                node = child
            elif node.parameter is not None:
                values.append(unquote(segment, errors="replace") if "%" in segment else segment)
                node = node.parameter
            elif node.rest is not None:
                values.append(unquote("/".join(segments[place:]), errors="replace"))
                node = node.rest
                break
            else:
                return {}, []
        return node.routes, values


def _segments(path: str) -> list[str]:
    trimmed = path[1:-1] if len(path) > 1 and path[-1] == "/" else path[1:]
    return trimmed.split("/") if trimmed else []
