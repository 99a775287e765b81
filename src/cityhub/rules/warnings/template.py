"""What a rule says about the warning that its alert may become (`cityhub.rules.rule.Rule.warning`)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final, Literal

import msgspec

from cityhub.model.errors import BadRequestData
from cityhub.model.feel.temporal import Duration
from cityhub.model.feel.temporal_text import read_duration
from cityhub.rules.cap.message import Certainty, ResponseType, Scope
from cityhub.rules.rule import Severity
from cityhub.rules.warnings.warning import Texts, Where

Region = Literal["township", "surroundings", "district"]
"""The townships that the alert's entities stand in; what lies around them (`buffer_m`); the whole district."""
MOST_NANOS: Final = 30 * 86_400 * 10**9
_BLANK: Final = re.compile(r"\{([^{}\s]{1,100})\}")


class Template(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A template of warnings. In YAML its members are written as here in camel case: "fromSeverity", "bufferM".

    Texts may have blanks in braces: {event}, {grade}, {place}, {time}, and every input of the alert by its name.

    Attributes:
        event: Id of the event in the district's list.
        issuer: Id of the body that would issue it.
        headline: By language.
        description: By language; empty: the alert's reason.
        instruction: By grade, then by language; "any" for grades without an own one.
        scope: Whom it is for.
        restriction: To whom a restricted one may go.
        addresses: To whom a private one goes.
        status: Whether it is meant.
        area: What is affected.
        buffer_m: So far around it.
        valid: ISO 8601 duration for which it holds.
        from_severity: Only alerts so grave or graver become drafts.
        certainty: As CAP has it.
        response: What people should do, in CAP's words.
    """

    event: str
    issuer: str
    headline: Texts
    description: Texts = {}
    instruction: dict[Literal["red", "orange", "yellow", "blue", "any"], Texts] = {}
    scope: Scope = "Public"
    restriction: str = ""
    addresses: list[str] = []
    status: Literal["Actual", "Exercise", "Test"] = "Actual"
    area: Region | Where = "township"
    buffer_m: float = 0.0
    valid: str = "PT6H"
    from_severity: Severity = "blue"
    certainty: Certainty = "Observed"
    response: list[ResponseType] = []

    def instruction_for(self, grade: Severity) -> Texts:
        """What to do at a grade, by language."""
        return self.instruction.get(grade) or self.instruction.get("any", {})


def read_template(value: dict[str, Any]) -> Template:
    """A template. Raises BadRequestData naming the member that is wrong."""
    try:
        template = msgspec.convert(value, Template)
    except (msgspec.ValidationError, RecursionError) as error:
        raise BadRequestData(f"'warning' of the rule is not as it should be: {error}") from None
    span_of(template.valid)
    return template


def span_of(text: str) -> timedelta:
    """A duration of days, hours, minutes and seconds. Raises BadRequestData."""
    found = read_duration(text)
    if not isinstance(found, Duration) or not 0 < found.nanos <= MOST_NANOS:
        raise BadRequestData(f"'warning.valid' is '{text[:50]}'; right would be an ISO 8601 duration of at most 30 days, such as PT6H")
    return timedelta(seconds=found.nanos // 10**9)


def filled(text: str, values: dict[str, str]) -> str:
    """A text with its blanks filled; a blank that nothing is known of becomes "—".

    >>> filled("{place}：{rain} 毫米", {"place": "濯水镇"})
    '濯水镇：— 毫米'
    """
    return _BLANK.sub(lambda match: values.get(match[1], "—"), text)
