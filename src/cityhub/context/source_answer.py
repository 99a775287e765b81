"""What a context source answered, read: its document, or why there is none, as an error and as a warning.

Source: GS CIM 009 V1.9.1, clauses 6.3.2 and 6.3.17.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import orjson

from cityhub.context.registered import Registration
from cityhub.model.errors import (
    AlreadyExists,
    BadRequestData,
    CityHubError,
    Conflict,
    Forbidden,
    LoopDetected,
    NotFound,
    OperationNotSupported,
    SourceFailed,
)
from cityhub.model.jsonld import TermMap
from cityhub.model.ports import Answer
from cityhub.web.negotiation import ContextSource

NO_ANSWER: Final = 0
MULTI_STATUS: Final = 207
REVALIDATION_FAILED: Final = 111
MISCELLANEOUS: Final = 199
PERSISTENT: Final = 299
_TEXTS: Final = {
    REVALIDATION_FAILED: "The payload of the response of the registration endpoint is invalid",
    MISCELLANEOUS: "No response was received from the registration endpoint within the timeout period",
    PERSISTENT: "An error response was received from the registration endpoint",
}
_ERRORS: Final[dict[int, type[CityHubError]]] = {
    400: BadRequestData, 403: Forbidden, 404: NotFound, 409: AlreadyExists, 422: OperationNotSupported, 508: LoopDetected,
}  # fmt: skip


class Reply(msgspec.Struct, frozen=True):
    """One answer of a source.

    Attributes:
        status: HTTP status; 0 when there was no answer.
        document: The JSON body without its @context; None when there is none or it is broken.
        terms: The @context of the document.
        error: Why the request failed; None when it did not.
        warning: Code of the warning that a reader is to get; 0 for none.
        headers: Names in lower case.
    """

    status: int
    document: Any
    terms: TermMap
    error: CityHubError | None = None
    warning: int = 0
    headers: dict[str, str] = {}


async def read_answer(answer: Answer, terms: TermMap, contexts: ContextSource, registration: Registration) -> Reply:
    """The reply in an answer to a request that was made under an @context."""
    if answer.status == NO_ANSWER:
        # An answer that was cut off for its size has come in time, but cannot be used.
        code = REVALIDATION_FAILED if "larger than" in answer.reason else MISCELLANEOUS
        late = answer.reason.startswith("no answer within")
        error: CityHubError = SourceFailed(f"The source of registration '{registration.id}' failed: {answer.reason}", timed_out=late)
        return Reply(NO_ANSWER, None, terms, error, code)
    document, broken = _json(answer.body)
    if answer.status >= 300:
        code = 0 if answer.status == 404 else PERSISTENT
        return Reply(answer.status, document, terms, _error(answer.status, document, registration), code, answer.headers)
    if broken:
        error = SourceFailed(f"The source of registration '{registration.id}' answered with something that is not JSON")
        return Reply(answer.status, None, terms, error, REVALIDATION_FAILED, answer.headers)
    context = _take_context(document)
    if context is not None:
        try:
            terms = contexts.known(context) or await contexts.resolve(context, registration.tenant)
        except CityHubError as failure:
            return Reply(answer.status, None, terms, failure, REVALIDATION_FAILED, answer.headers)
    return Reply(answer.status, document, terms, headers=answer.headers)


def alias_in(answer: Answer) -> str:
    """The alias in a source's identity document (5.2.40); "" when it tells none."""
    document, _ = _json(answer.body) if answer.status == 200 else (None, False)
    alias = document.get("contextSourceAlias") if isinstance(document, dict) else None
    return alias if isinstance(alias, str) else ""


def warning_header(replies: list[tuple[Registration, int]]) -> list[tuple[str, str]]:
    """The NGSILD-Warning header for what was abnormal; nothing when nothing was."""
    found = [f'{code} {urlsplit(registration.endpoint).netloc or "-"} "{_TEXTS[code]}"' for registration, code in replies if code]
    return [("NGSILD-Warning", ", ".join(found))] if found else []


def _json(body: bytes) -> tuple[Any, bool]:
    if not body:
        return None, False
    try:
        return orjson.loads(body), False
    except orjson.JSONDecodeError:
        return None, True


def _take_context(document: Any) -> Any:
    """The @context of a document, which loses it; of a list, that of its first item that has one."""
    found: Any = None
    for item in document if isinstance(document, list) else [document]:
        if isinstance(item, dict):
            context = item.pop("@context", None)
            found = context if found is None else found
    return found


def _error(status: int, document: Any, registration: Registration) -> CityHubError:
    detail = document.get("detail") or document.get("title") if isinstance(document, dict) else None
    text = f"The source of registration '{registration.id}' answered {status}" + (f": {str(detail)[:500]}" if detail else "")
    kind = _ERRORS.get(status)
    if kind is AlreadyExists and isinstance(document, dict) and str(document.get("type", "")).endswith("/Conflict"):
        kind = Conflict
    return kind(text) if kind is not None else SourceFailed(text)
