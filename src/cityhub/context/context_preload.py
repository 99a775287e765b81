"""@contexts from a folder, for a hub without internet.

The folder holds the documents (`*.jsonld`) and a file `index.json` that says which URL each of them stands for:

    {"https://smart-data-models.github.io/data-models/context.jsonld": "data-models.jsonld"}

A URL that is listed there is never downloaded. The index is read at the start, a document when it is first needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from cityhub.model.errors import BadRequestData, ContextUnavailable
from cityhub.model.jsonld import absolute_context, check_form

INDEX = "index.json"


class Preloaded:
    """The documents of a preload folder by URL."""

    def __init__(self, folder: Path | None, own: Mapping[str, Path] | None = None) -> None:
        """Reads the index.

        Args:
            folder: The preload folder; None: there is none.
            own: Further documents by URL, such as the district's.

        Raises:
            ValueError: When there is a folder without a valid index, or a listed file is missing.
        """
        self._files = {**(own or {}), **({} if folder is None else _read_index(folder))}
        self._contexts: dict[str, Any] = {}

    def urls(self) -> list[str]:
        """The URLs that need no network."""
        return list(self._files)

    def __contains__(self, url: object) -> bool:
        return url in self._files

    def context(self, url: str) -> Any:
        """The @context of a listed URL. Raises ContextUnavailable when its file is no @context."""
        if url not in self._contexts:
            self._contexts[url] = _read(self._files[url], url)
        return self._contexts[url]


def _read_index(folder: Path) -> dict[str, Path]:
    path = folder / INDEX
    try:
        index = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise ValueError(f"The preload folder {folder} needs a file {INDEX} with a JSON object of URL to file name: {error}") from None
    if not isinstance(index, dict) or not all(isinstance(name, str) for name in index.values()):
        raise ValueError(f"{path} must be a JSON object of URL to file name")
    files = {url: folder / name for url, name in index.items()}
    missing = [str(file) for file in files.values() if not file.is_file()]
    if missing:
        raise ValueError(f"{path} lists files that do not exist: {', '.join(missing[:5])}")
    return files


def _read(path: Path, url: str) -> Any:
    try:
        document = orjson.loads(path.read_bytes())
        context = absolute_context(document["@context"], url)
        check_form(context)
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, BadRequestData) as error:
        raise ContextUnavailable(f"The file {path.name} for the @context {url} is not a valid JSON-LD @context: {error}") from None
    return context
