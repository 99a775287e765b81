"""HTTP of the temporal evolution of entities: provision.

Source: GS CIM 009 V1.9.1, clauses 5.6.11 to 5.6.16, 6.18.3.1, 6.19.3.2, 6.20, 6.21 and 6.22.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from cityhub.model.entity import Instance
from cityhub.model.errors import BadRequestData, MethodNotAllowed
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.content import is_removal
from cityhub.model.ngsild.merge import partial_update
from cityhub.model.ngsild.names import is_uri
from cityhub.model.ngsild.parse import parse_attribute
from cityhub.model.ngsild.temporal_document import SCOPE, parse_temporal_entity
from cityhub.model.ports import History, Store
from cityhub.model.time import Clock, to_text
from cityhub.web.http import Request, Response, Route
from cityhub.web.negotiation import (
    JSON,
    LD_JSON,
    MERGE_PATCH,
    ContextSource,
    body_and_terms,
    check_parameters,
    check_tenant,
    flag,
    no_content,
    tenant_of,
    terms_of,
)
from cityhub.web.ngsild_terms import describe_operation

ENTITIES: Final = "/ngsi-ld/v1/temporal/entities"
ENTITY: Final = f"{ENTITIES}/{{id}}"
_LOCAL: Final = frozenset(("local",))


class TemporalApi:
    """The doors that write histories."""

    def __init__(self, history: History, contexts: ContextSource, store: Store, clock: Clock) -> None:
        self._history = history
        self._contexts = contexts
        self._store = store
        self._clock = clock

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        attributes, attribute = f"{ENTITY}/attrs", f"{ENTITY}/attrs/{{attribute}}"
        instance = f"{attribute}/{{instance}}"
        doors: list[tuple[str, str, Any, str, str]] = [
            ("POST", ENTITIES, self.upsert, "Create or Update Temporal Representation of an Entity", "6.18.3.1"),
            ("DELETE", ENTITY, self.delete, "Delete Temporal Representation of an Entity", "6.19.3.2"),
            ("POST", attributes, self.append, "Add Attributes to Temporal Representation of an Entity", "6.20.3.1"),
            ("DELETE", attribute, self.delete_attribute, "Delete Attribute from Temporal Representation of an Entity", "6.21.3.1"),
            ("PATCH", instance, self.modify, "Modify Attribute Instance in Temporal Representation of an Entity", "6.22.3.1"),
            ("DELETE", instance, self.delete_instance, "Delete Attribute Instance from Temporal Representation of an Entity", "6.22.3.2"),
        ]
        return [
            Route(method, path, handler, "history.write", operation, f"GS CIM 009 {clause}", "history", describe_operation(operation))
            for method, path, handler, operation, clause in doors
        ]

    async def upsert(self, request: Request) -> Response:
        """POST /temporal/entities."""
        check_parameters(request, _LOCAL)
        document, terms = await body_and_terms(request, self._contexts)
        entity = parse_temporal_entity(document, terms, to_text(self._clock.now()))
        tenant = tenant_of(request)
        if tenant not in self._store.tenants():
            await self._store.create_tenant(tenant)
        if await self._history.put(tenant, entity.id, entity.types, entity.attrs, create=True):
            return Response(201, headers=[("location", f"{ENTITIES}/{quote(entity.id, safe=':')}")])
        return no_content()

    async def append(self, request: Request) -> Response:
        """POST /temporal/entities/{id}/attrs."""
        check_parameters(request, _LOCAL)
        id = read_id(request)
        document, terms = await body_and_terms(request, self._contexts)
        fragment = parse_temporal_entity(document, terms, to_text(self._clock.now()), fragment=True)
        if fragment.id and fragment.id != id:
            raise BadRequestData(f"The body is about '{fragment.id[:200]}', the path about '{id[:200]}'")
        await self._history.put(self._tenant(request), id, fragment.types, fragment.attrs, create=False)
        return no_content()

    async def delete(self, request: Request) -> Response:
        """DELETE /temporal/entities/{id}."""
        check_parameters(request, _LOCAL)
        id = read_id(request)
        await self._history.delete_entity(self._tenant(request), id)
        return no_content()

    async def delete_attribute(self, request: Request) -> Response:
        """DELETE /temporal/entities/{id}/attrs/{attribute}."""
        query = check_parameters(request, frozenset(("local", "datasetId", "deleteAll")))
        id = read_id(request)
        attribute = read_attribute(request, await terms_of(request, self._contexts))
        dataset_id = query.get("datasetId")
        if dataset_id is not None and dataset_id != "@none" and not is_uri(dataset_id):
            raise BadRequestData(f"'datasetId' must be a URI, not '{dataset_id[:200]}'")
        dataset = None if dataset_id == "@none" else dataset_id
        await self._history.delete_attribute(self._tenant(request), id, attribute, dataset, flag(query, "deleteAll"))
        return no_content()

    async def modify(self, request: Request) -> Response:
        """PATCH /temporal/entities/{id}/attrs/{attribute}/{instance}."""
        check_parameters(request, _LOCAL)
        id, instance_id = read_id(request), read_instance_id(request)
        if not request.parameters["attribute"]:
            raise MethodNotAllowed("Only an instance of a named attribute can be modified: /attrs/{attribute}/{instanceId}", allow="DELETE")
        document, terms = await body_and_terms(request, self._contexts, (JSON, LD_JSON, MERGE_PATCH))
        name = request.parameters["attribute"]
        attribute = read_attribute(request, terms)
        fragments = parse_attribute(name, _single(document, name), terms, nulls=True, partial=True)
        if len(fragments) != 1:
            raise BadRequestData("The body must be a fragment of one instance")
        [fragment], now = fragments, to_text(self._clock.now())

        def change(instance: Instance) -> Instance:
            return changed(instance, fragment, attribute, now, terms, name)

        await self._history.modify(self._tenant(request), id, attribute, instance_id, change)
        return no_content()

    async def delete_instance(self, request: Request) -> Response:
        """DELETE /temporal/entities/{id}/attrs/{attribute}/{instance}."""
        check_parameters(request, _LOCAL)
        id, instance_id = read_id(request), read_instance_id(request)
        attribute = read_attribute(request, await terms_of(request, self._contexts))
        await self._history.delete_instance(self._tenant(request), id, attribute, instance_id)
        return no_content()

    def _tenant(self, request: Request) -> str:
        """The tenant, which must exist."""
        tenant = tenant_of(request)
        check_tenant(self._store.tenants(), tenant)
        return tenant


def changed(instance: Instance, fragment: Instance, attribute: str, now: str, terms: TermMap, name: str) -> Instance:
    """An instance with the members of a fragment; the NGSI-LD Null as value makes it the mark of a deletion.

    Raises BadRequestData when the fragment is of another attribute type or dataset. Source: GS CIM 009 5.6.14.
    """
    dataset = instance.get("datasetId")
    if fragment.get("datasetId", dataset) != dataset:
        raise BadRequestData(f"'{name}.datasetId' must stay as it is in an instance that exists")
    if is_removal(fragment):
        return {**instance, **{key: value for key, value in fragment.items() if key != "type"}, "deletedAt": now}
    part = fragment if dataset is None else {**fragment, "datasetId": dataset}
    entity = {"id": "", "type": [], "attrs": {attribute: [instance]}, "createdAt": instance["createdAt"], "modifiedAt": now}
    after: Instance = partial_update(entity, attribute, [part], now, terms, name)["attrs"][attribute][0]
    return after


def _single(document: Any, name: str) -> Any:
    """The fragment in a body that may wrap it as {name: [fragment]}."""
    if isinstance(document, dict) and list(document) == [name]:
        document = document[name]
    return document[0] if isinstance(document, list) and len(document) == 1 else document


def read_id(request: Request) -> str:
    """The entity id in the path. Raises BadRequestData when it is no URI."""
    id = request.parameters["id"]
    if not is_uri(id):
        raise BadRequestData(f"The entity id in the path must be a URI, not '{id[:200]}'")
    return id


def read_instance_id(request: Request) -> str:
    """The instance id in the path. Raises BadRequestData when it is no URI."""
    id = request.parameters["instance"]
    if not is_uri(id):
        raise BadRequestData(f"The instance id in the path must be a URI, not '{id[:200]}'")
    return id


def read_attribute(request: Request, terms: TermMap) -> str:
    """The attribute (IRI, or the name of the scope) in the path. Raises BadRequestData when it is no name."""
    name = request.parameters["attribute"]
    return SCOPE if name == SCOPE else terms.expand_name(name)
