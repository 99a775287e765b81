"""CKAN's errors, as its clients expect them.

Source: CKAN 2.11, `ckan.logic` and `ckan.views.api`.
"""

from __future__ import annotations

from typing import Any

from cityhub.model.errors import AlreadyExists, BadRequestData, CityHubError, Forbidden, NotFound, Unauthenticated
from cityhub.web.problem import status_of


class ValidationError(BadRequestData):
    """What was given cannot be; `faults` says why, by member."""

    def __init__(self, faults: dict[str, Any]) -> None:
        super().__init__("; ".join(f"{name}: {_text(what)}" for name, what in faults.items()))
        self.faults = faults


class SearchQueryError(BadRequestData):
    """A search cannot be understood."""


def _text(what: Any) -> str:
    return ", ".join(map(str, what)) if isinstance(what, list) else str(what)


def error_form(error: CityHubError) -> tuple[int, dict[str, Any]]:
    """The HTTP status and the member "error" of CKAN's answer."""
    if isinstance(error, ValidationError):
        return 409, {**error.faults, "__type": "Validation Error"}
    if isinstance(error, SearchQueryError):
        return 409, {"__type": "Search Query Error", "message": f"Search Query is invalid: {error.detail}"}
    if isinstance(error, AlreadyExists):
        return 409, {"name": [error.detail], "__type": "Validation Error"}
    if isinstance(error, NotFound):
        return 404, {"__type": "Not Found Error", "message": f"Not found: {error.detail}"}
    if isinstance(error, Forbidden | Unauthenticated):
        return 403, {"__type": "Authorization Error", "message": f"Access denied: {error.detail}"}
    if isinstance(error, BadRequestData):
        return 409, {"message": error.detail, "__type": "Validation Error"}
    return status_of(error), {"__type": error.title, "message": error.detail}
