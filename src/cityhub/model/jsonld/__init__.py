"""JSON-LD for NGSI-LD: short terms to IRIs and back, under any user @context, with the core @context on top."""

from cityhub.model.jsonld.core import CORE_URL, core_document, is_core_url
from cityhub.model.jsonld.definitions import check_form
from cityhub.model.jsonld.names import check_name
from cityhub.model.jsonld.sources import absolute_context, remote_urls
from cityhub.model.jsonld.terms import CORE, TermMap, term_map

__all__ = [
    "CORE",
    "CORE_URL",
    "TermMap",
    "absolute_context",
    "check_form",
    "check_name",
    "core_document",
    "is_core_url",
    "remote_urls",
    "term_map",
]
