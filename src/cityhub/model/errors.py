"""The one error family of the hub.

Every room raises these; `cityhub.web.problem` alone turns them into RFC 9457 problem details and the forms
that standards name. A message says what was wrong, where, and what would be right.
"""

from __future__ import annotations


class CityHubError(Exception):
    """An error that a caller can act on.

    Attributes:
        title: One short line, the same for every occurrence of the kind.
        detail: What was wrong here, where, and what would be right.
        members: Further members of the problem document, JSON values.
    """

    title = "Internal error"

    def __init__(self, detail: str, **members: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.members = members


class InvalidRequest(CityHubError):
    """The request itself is malformed (syntax, unknown parameter). NGSI-LD: InvalidRequest, 400."""

    title = "Invalid request"


class BadRequestData(CityHubError):
    """The request carries data that break the model. NGSI-LD: BadRequestData, 400."""

    title = "Bad request data"


class AlreadyExists(CityHubError):
    """The thing to create exists. NGSI-LD: AlreadyExists, 409."""

    title = "Already exists"


class OperationNotSupported(CityHubError):
    """The operation is not supported here. NGSI-LD: OperationNotSupported, 422."""

    title = "Operation not supported"


class Unprocessable(CityHubError):
    """A member of a batch could not be processed by the context source that owns it. NGSI-LD: 422."""

    title = "Unprocessable"


class NotFound(CityHubError):
    """The thing does not exist. NGSI-LD: ResourceNotFound, 404."""

    title = "Resource not found"


class NoSuchTenant(CityHubError):
    """The tenant does not exist. NGSI-LD: NonexistentTenant, 404."""

    title = "No such tenant"


class Conflict(CityHubError):
    """The operation collides with another owner of the data (an exclusive or redirect source). NGSI-LD: Conflict, 409."""

    title = "Conflict"


class PreconditionFailed(CityHubError):
    """A conditional header does not hold. 412."""

    title = "Precondition failed"


class TooManyResults(CityHubError):
    """The answer would be too large. NGSI-LD: TooManyResults, 403."""

    title = "Too many results"


class TooComplexQuery(CityHubError):
    """The query is too deep or too wide to be answered in bounded time. NGSI-LD: TooComplexQuery, 403."""

    title = "Too complex query"


class ContextUnavailable(CityHubError):
    """A remote @context could not be had. NGSI-LD: LdContextNotAvailable, 504 (V1.8.1: 503)."""

    title = "JSON-LD @context not available"


class SourceFailed(CityHubError):
    """A context source answered wrongly or not at all. 502 (504 after a time-out)."""

    title = "Context source failed"

    def __init__(self, detail: str, *, timed_out: bool = False, **members: object) -> None:
        super().__init__(detail, **members)
        self.timed_out = timed_out


class PartlyDone(CityHubError):
    """Some parts of an operation that several context sources share were done, others not, or none was. 207.

    Attributes:
        done: Ids of the entities of which something was done.
        failures: For each part that failed: id of the entity, id of the registration ("" is this hub), and why.
    """

    title = "Not all parts were done"

    def __init__(self, done: list[str], failures: list[tuple[str, str, CityHubError]]) -> None:
        super().__init__("; ".join(error.detail for _, _, error in failures)[:2000])
        self.done = done
        self.failures = failures


class LoopDetected(CityHubError):
    """The request came back to a source that it had passed already. 508."""

    title = "Loop detected"


class Forbidden(CityHubError):
    """The caller may not do this. 403."""

    title = "Forbidden"


class Unauthenticated(CityHubError):
    """Nobody is signed in and the door is not public. 401."""

    title = "Sign-in required"


class NotAcceptable(CityHubError):
    """None of the accepted media types can be produced. 406."""

    title = "Not acceptable"


class UnsupportedMediaType(CityHubError):
    """The body's media type is not one that this operation reads. 415."""

    title = "Unsupported media type"


class LengthRequired(CityHubError):
    """The body has no declared length. 411."""

    title = "Length required"


class TooLarge(CityHubError):
    """The body is larger than the configured bound. 413."""

    title = "Request entity too large"


class MethodNotAllowed(CityHubError):
    """The resource exists, the method does not. 405; `members["allow"]` lists the methods that do."""

    title = "Method not allowed"


class NotImplementedHere(CityHubError):
    """The operation is named by a standard but not offered by this hub. 501."""

    title = "Not implemented"


class TookTooLong(CityHubError):
    """The answer was not ready in the time that the hub allows. 503."""

    title = "Took too long"


class TooManyRequests(CityHubError):
    """The caller asks more often than it may. 429."""

    title = "Too many requests"


class TooBusy(CityHubError):
    """The hub has too much to do at once. 503."""

    title = "Too busy"


class StoreUnavailable(CityHubError):
    """The store cannot take the write now (disk full, server gone). Nothing was changed. 503."""

    title = "Store unavailable"
