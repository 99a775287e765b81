"""Every error of the hub has its answer."""

from __future__ import annotations

import inspect

import orjson
import pytest

from cityhub.model import errors
from cityhub.model.errors import CityHubError
from cityhub.model.feel import FeelSyntaxError, compile_expression
from cityhub.web.problem import TABLE, problem_document, problem_response, status_of

FAMILY = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, CityHubError) and one is not CityHubError]
ONE_PROBLEM = [one for one in FAMILY if one is not errors.PartlyDone]  # that one is a batch result


def test_none_is_missing() -> None:
    assert set(TABLE) == set(FAMILY)


@pytest.mark.parametrize("kind", ONE_PROBLEM, ids=lambda kind: kind.__name__)
def test_every_error_is_a_problem(kind: type[CityHubError]) -> None:
    response = problem_response(kind("what was wrong", more=1), "abc")
    assert 400 <= response.status < 600
    assert response.status == TABLE[kind][0]
    if kind is errors.LengthRequired:
        assert (response.body, response.headers) == (b"", [])  # GS CIM 009 6.3.4: the bare status
        return
    assert ("content-type", "application/json") in response.headers
    document = orjson.loads(response.body)
    assert document["type"] in ("about:blank", TABLE[kind][1])
    assert (document["title"], document["detail"], document["status"]) == (kind.title, "what was wrong", response.status)
    assert (document["trace"], document["more"]) == ("abc", 1)


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (errors.InvalidRequest(""), 400, "InvalidRequest"),
        (errors.BadRequestData(""), 400, "BadRequestData"),
        (errors.AlreadyExists(""), 409, "AlreadyExists"),
        (errors.OperationNotSupported(""), 422, "OperationNotSupported"),
        (errors.NotFound(""), 404, "ResourceNotFound"),
        (errors.NoSuchTenant(""), 404, "NonexistentTenant"),
        (errors.TooManyResults(""), 403, "TooManyResults"),
        (errors.TooComplexQuery(""), 403, "TooComplexQuery"),
        (errors.ContextUnavailable(""), 504, "LdContextNotAvailable"),
        (errors.StoreUnavailable(""), 503, "InternalError"),
        (errors.CityHubError(""), 500, "InternalError"),
    ],
)
def test_the_types_of_the_standard(error: CityHubError, status: int, kind: str) -> None:
    """GS CIM 009 V1.9.1, table 6.3.2-1."""
    document = problem_document(error)
    assert (document["status"], document["type"]) == (status, f"https://uri.etsi.org/ngsi-ld/errors/{kind}")


def test_a_source_that_was_too_slow_is_a_gateway_timeout() -> None:
    assert status_of(errors.SourceFailed("x")) == 502
    assert status_of(errors.SourceFailed("x", timed_out=True)) == 504


def test_the_methods_that_are_possible_are_named() -> None:
    assert ("allow", "GET, PUT") in problem_response(errors.MethodNotAllowed("no", allow="GET, PUT")).headers


def test_a_result_in_parts_is_no_problem_but_a_batch_result() -> None:
    response = problem_response(errors.PartlyDone(["urn:a"], [("urn:a", "urn:reg", errors.NotFound("gone"))]))
    assert response.status == 207
    document = orjson.loads(response.body)
    assert document["success"] == ["urn:a"]
    assert document["errors"][0]["error"]["detail"] == "gone"


def test_an_error_of_a_room_has_the_status_of_its_kind() -> None:
    with pytest.raises(FeelSyntaxError) as caught:
        compile_expression("1 +")
    assert status_of(caught.value) == 400
    assert problem_document(caught.value)["column"] == 4
