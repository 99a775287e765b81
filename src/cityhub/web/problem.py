"""Errors as answers: the one table from the hub's errors to HTTP statuses and the standards' error types.

Source: RFC 9457; GS CIM 009 clauses 5.5.2 and 6.3.2.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from cityhub.model import errors
from cityhub.web.http import Response

NGSI_LD_ERRORS: Final = "https://uri.etsi.org/ngsi-ld/errors/"

TABLE: Final[dict[type[errors.CityHubError], tuple[int, str]]] = {
    errors.InvalidRequest: (400, NGSI_LD_ERRORS + "InvalidRequest"),
    errors.BadRequestData: (400, NGSI_LD_ERRORS + "BadRequestData"),
    errors.AlreadyExists: (409, NGSI_LD_ERRORS + "AlreadyExists"),
    errors.OperationNotSupported: (422, NGSI_LD_ERRORS + "OperationNotSupported"),
    errors.Unprocessable: (422, NGSI_LD_ERRORS + "OperationNotSupported"),
    errors.NotFound: (404, NGSI_LD_ERRORS + "ResourceNotFound"),
    errors.NoSuchTenant: (404, NGSI_LD_ERRORS + "NonexistentTenant"),
    errors.Conflict: (409, NGSI_LD_ERRORS + "Conflict"),
    errors.PreconditionFailed: (412, "about:blank"),
    errors.TooManyResults: (403, NGSI_LD_ERRORS + "TooManyResults"),
    errors.TooComplexQuery: (403, NGSI_LD_ERRORS + "TooComplexQuery"),
    errors.ContextUnavailable: (504, NGSI_LD_ERRORS + "LdContextNotAvailable"),
    errors.SourceFailed: (502, NGSI_LD_ERRORS + "InternalError"),
    errors.PartlyDone: (207, "about:blank"),
    errors.LoopDetected: (508, NGSI_LD_ERRORS + "LoopDetected"),
    errors.Forbidden: (403, "about:blank"),
    errors.Unauthenticated: (401, "about:blank"),
    errors.NotAcceptable: (406, "about:blank"),
    errors.UnsupportedMediaType: (415, "about:blank"),
    errors.LengthRequired: (411, "about:blank"),
    errors.TooLarge: (413, "about:blank"),
    errors.MethodNotAllowed: (405, "about:blank"),
    errors.NotImplementedHere: (501, "about:blank"),
    errors.TooManyRequests: (429, "about:blank"),
    errors.TooBusy: (503, NGSI_LD_ERRORS + "InternalError"),
    errors.TookTooLong: (503, NGSI_LD_ERRORS + "InternalError"),
    errors.StoreUnavailable: (503, NGSI_LD_ERRORS + "InternalError"),
}
"""HTTP status and problem type of each error. `tests/unit/web/test_problem.py` holds that none is missing."""


def status_of(error: errors.CityHubError) -> int:
    """The HTTP status of an error."""
    if isinstance(error, errors.SourceFailed) and error.timed_out:
        return 504
    return _entry(error)[0]


def _entry(error: errors.CityHubError) -> tuple[int, str]:
    """The entry of an error's kind, or of the kind that it is one of (a FEEL syntax error is bad request data)."""
    known = (TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)
    return next(known, (500, NGSI_LD_ERRORS + "InternalError"))


def problem_document(error: errors.CityHubError) -> dict[str, Any]:
    """The problem details of an error, as they also stand inside batch results."""
    kind = _entry(error)[1]
    return {"type": kind, "title": error.title, "detail": error.detail, "status": status_of(error), **error.members}


def _batch_result(error: errors.PartlyDone) -> dict[str, Any]:
    """A BatchOperationResult (GS CIM 009 5.2.16)."""
    items: list[dict[str, Any]] = []
    for id, registration, reason in error.failures:
        source = {"registrationId": registration} if registration else {}
        items.append({**({"entityId": id} if id else {}), **source, "error": problem_document(reason)})
    return {"success": error.done, "errors": items}


def problem_response(error: errors.CityHubError, trace: str = "") -> Response:
    """The answer for an error; a missing length gets the bare status that GS CIM 009 6.3.4 asks for."""
    if isinstance(error, errors.LengthRequired):
        return Response(411)
    if isinstance(error, errors.PartlyDone):
        return Response(207, orjson.dumps(_batch_result(error)), None, "application/json")
    document = problem_document(error)
    if trace:
        document["trace"] = trace
    headers = [("allow", str(error.members["allow"]))] if "allow" in error.members else []
    return Response(status_of(error), orjson.dumps(document), headers, "application/json")
