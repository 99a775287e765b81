"""From parameters, or a Query document, to what a temporal answer shows and how.

Source: GS CIM 009 V1.9.1, clauses 5.2.21, 5.2.23, 5.2.44, 6.3.12, 6.18.3.2, 6.19.3.1 and 6.24.3.1.
"""

from __future__ import annotations

from typing import Any, Final, Literal, cast

import msgspec

from cityhub.model.errors import BadRequestData, InvalidRequest
from cityhub.model.jsonld import TermMap
from cityhub.model.ngsild.language import parse_languages
from cityhub.model.ngsild.temporal import TemporalQuery, parse_temporal_query
from cityhub.model.ngsild.temporal_document import SCOPE
from cityhub.model.ngsild.view import View, check_projections, parse_projection
from cityhub.web.negotiation import option_set
from cityhub.web.views import attributes_of, dataset_ids

Form = Literal["normalized", "concise", "temporalValues", "aggregatedValues"]
FORMS: Final = {
    "normalized": "normalized",
    "concise": "concise",
    "temporalValues": "temporalValues",
    "simplified": "temporalValues",
    "aggregatedValues": "aggregatedValues",
}
SHAPE: Final = frozenset(("options", "format", "attrs", "pick", "omit", "lang", "datasetId"))
"""Parameters that say what is shown, and how."""
TIME: Final = frozenset(("timerel", "timeAt", "endTimeAt", "timeproperty", "lastN", "aggrMethods", "aggrPeriodDuration"))
"""Parameters of the temporal query."""
_OPTIONS: Final = frozenset((*FORMS, "sysAttrs"))


class TemporalView(msgspec.Struct, frozen=True):
    """What a temporal answer shows.

    Attributes:
        form: The representation.
        view: Projection, language and system attributes.
        query: The span of time, the number of instances and the aggregation.
    """

    form: Form
    view: View
    query: TemporalQuery

    @property
    def attributes(self) -> frozenset[str] | None:
        """The attributes (IRIs, the scope under its name) that can be shown; None: all."""
        if self.view.attrs is not None:
            return self.view.attrs | {SCOPE}
        return None if self.view.pick is None else frozenset(self.view.pick.members)


def view_of_parameters(query: dict[str, str], terms: TermMap, *, required: bool) -> TemporalView:
    """The view of URL parameters; `required` says that there must be a span of time. Raises BadRequestData or InvalidRequest."""
    form = _form(query)
    span = parse_temporal_query(query, required=required, aggregated=form == "aggregatedValues")
    return TemporalView(form, _view(query, terms, form), span)


def view_of_document(document: dict[str, Any], query: dict[str, str], members: dict[str, str], terms: TermMap) -> TemporalView:
    """The view of a Query document.

    Args:
        document: The Query.
        query: The URL's own parameters.
        members: Those and the members of the document that shape the answer (`as_parameters`).
        terms: The @context.

    Raises:
        BadRequestData: The temporal query is missing, or something does not follow its clause.
        InvalidRequest: The representation is unknown.
    """
    temporal, aggregation = document.get("temporalQ"), document.get("aggrParams", {})
    if type(temporal) is not dict:
        raise BadRequestData("The query needs a 'temporalQ': an object with 'timerel' and 'timeAt'")
    if type(aggregation) is not dict:
        raise BadRequestData("'aggrParams' must be an object with 'aggrMethods'")
    members_of_time = {**temporal, **aggregation}
    form = _form(query)
    if "aggrMethods" in members_of_time and "format" not in query and not query.get("options", "").replace("sysAttrs", "").strip(","):
        form = "aggregatedValues"
    span = parse_temporal_query(members_of_time, aggregated=form == "aggregatedValues")
    return TemporalView(form, _view(members, terms, form), span)


def _form(query: dict[str, str]) -> Form:
    # The "format" parameter, new in 1.7, wins over the older options.
    options = option_set(query, _OPTIONS)
    named = query.get("format")
    if named is not None:
        if named not in FORMS:
            raise InvalidRequest(f"'format' must be one of {', '.join(FORMS)}, not '{named[:50]}'")
        return cast(Form, FORMS[named])
    asked = {FORMS[option] for option in options if option in FORMS} - {"normalized"}
    if len(asked) > 1:
        raise InvalidRequest(f"'options' must ask for one representation, not for {' and '.join(sorted(asked))}")
    return cast(Form, asked.pop()) if asked else "normalized"


def _view(query: dict[str, str], terms: TermMap, form: Form) -> View:
    pick = parse_projection(query["pick"], terms, "pick") if "pick" in query else None
    omit = parse_projection(query["omit"], terms, "omit") if "omit" in query else None
    attributes = attributes_of(query, terms)
    check_projections(pick, omit, attributes, 0)
    return View(
        format="concise" if form == "concise" else "normalized",
        sys_attrs="sysAttrs" in query.get("options", ""),
        languages=parse_languages(query["lang"]) if "lang" in query else (),
        pick=pick,
        omit=omit,
        attrs=attributes,
        dataset_ids=dataset_ids(query),
    )


class TemporalShaping:
    """What a temporal answer shows, for those who unite histories of several hubs."""

    def of_parameters(self, query: dict[str, str], terms: TermMap, *, required: bool) -> TemporalView:
        """See `view_of_parameters`."""
        return view_of_parameters(query, terms, required=required)

    def of_document(self, document: dict[str, Any], query: dict[str, str], members: dict[str, str], terms: TermMap) -> TemporalView:
        """See `view_of_document`."""
        return view_of_document(document, query, members, terms)
