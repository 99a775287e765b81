"""Definitions from the bytes of a file or a request."""

from __future__ import annotations

from typing import TypeVar

import msgspec
import yaml

from cityhub.model.errors import BadRequestData

T = TypeVar("T")


def decoded(content: bytes, type: type[T], name: str, most_bytes: int) -> T:
    """A struct from YAML or JSON. Raises BadRequestData naming the member that is wrong.

    YAML that refers to other parts of itself is refused, as it could grow without a bound.

    Args:
        content: The document.
        type: The struct.
        name: As messages call it.
        most_bytes: So long it may be.
    """
    if len(content) > most_bytes:
        raise BadRequestData(f"A {name} may have at most {most_bytes} bytes; this one has more")
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(content, yaml.CSafeLoader)):
            raise BadRequestData(f"A {name} in YAML may not refer to other parts of itself ('*name'); write them out")
        return msgspec.yaml.decode(content, type=type)
    except (yaml.YAMLError, msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequestData(f"The {name} is not as it should be: {str(error)[:300]}") from None
