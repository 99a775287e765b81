import pytest

from cityhub.web.http import Request, Response, Route
from cityhub.web.ngsild_terms import BODIES, HEADERS, OPERATIONS, PARAMETERS, describe_operation
from cityhub.web.openapi import openapi_document, openapi_route


async def nothing(request: Request) -> Response:
    return Response()


ROUTES = [
    Route("GET", "/things/{id}", nothing, "thing.read", "Read Thing", "RULE 7", "things", {"parameters": [{"name": "a", "in": "query"}]}),
    Route("PUT", "/things/{id}", nothing, "thing.write", "Write Thing", tag="things", describe={"pathSchemas": {"id": {"type": "integer"}}}),
    Route("GET", "/files/{rest:path}", nothing, "public", "Read File"),
]


def test_each_route_is_an_operation():
    document = openapi_document(ROUTES, "Hub", "1.2")
    assert document["info"]["version"] == "1.2"
    assert set(document["paths"]) == {"/things/{id}", "/files/{rest}"}
    read, write = document["paths"]["/things/{id}"]["get"], document["paths"]["/things/{id}"]["put"]
    assert (read["operationId"], read["x-permission"], "RULE 7" in read["description"]) == ("readThing", "thing.read", True)
    assert [parameter["name"] for parameter in read["parameters"]] == ["id", "a"]
    assert write["parameters"][0]["schema"] == {"type": "integer"}
    assert "x-public" not in read
    assert document["paths"]["/files/{rest}"]["get"]["x-public"] is True
    assert all("default" in operation["responses"] for path in document["paths"].values() for operation in path.values())
    assert [tag["name"] for tag in document["tags"]] == ["things", "hub"]


def test_two_operations_of_one_name_are_refused():
    with pytest.raises(ValueError, match="Read file"):
        openapi_document([*ROUTES, Route("GET", "/x", nothing, "public", "Read file")], "Hub", "1")


async def test_the_document_is_made_when_it_is_asked_for():
    routes: list[Route] = []
    route = openapi_route(lambda: routes, "Hub", "1")
    routes += [*ROUTES, route]
    response = await route.handler(Request("GET", route.path, "", {}, b""))
    assert b'"/api/openapi.json"' in response.body
    assert b"readThing" in response.body


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_tables_of_ngsi_ld_fit_together(operation):
    parameters, body, headers = OPERATIONS[operation]
    assert set(parameters.split()) <= PARAMETERS.keys()
    assert set(headers.split()) <= HEADERS.keys()
    assert body in {"", *BODIES}
    assert describe_operation(operation)["parameters"] or not (parameters or headers)
