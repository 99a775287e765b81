"""Temporal queries: which span of time, and how values in it are aggregated.

Source: GS CIM 009 clauses 4.5.19, 4.11, 5.2.21 and 5.2.44.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, cast

import msgspec

from cityhub.model.errors import BadRequestData, TooComplexQuery
from cityhub.model.ngsild import moment
from cityhub.model.time import to_text

TimeRelation = Literal["before", "after", "between"]
TimeProperty = Literal["observedAt", "createdAt", "modifiedAt", "deletedAt"]
METHODS: Final = ("avg", "distinctCount", "max", "min", "stddev", "sum", "sumsq", "totalCount")
"""The aggregation methods."""
TIME_PROPERTIES: Final = ("observedAt", "createdAt", "modifiedAt", "deletedAt")
MAX_PERIODS: Final = 10_000
"""Most periods into which one span of time is cut."""
MAX_LAST: Final = 1_000_000
_DURATION: Final = re.compile(
    r"P(?:(?P<weeks>\d{1,9})W|(?:(?P<years>\d{1,9})Y)?(?:(?P<months>\d{1,9})M)?(?:(?P<days>\d{1,9})D)?"
    r"(?P<time>T(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9}(?:[.,]\d{1,6})?)S)?)?)",
    re.ASCII,
)


class Period(msgspec.Struct, frozen=True):
    """A duration by the calendar: months first, then exact seconds. Of neither: the whole span of time."""

    months: int = 0
    seconds: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.months or self.seconds)

    def after(self, start: datetime, times: int = 1) -> datetime:
        """The moment so many periods after another; a day that the month lacks becomes the month's last.

        Raises OverflowError beyond the year 9999.
        """
        months = start.year * 12 + start.month - 1 + self.months * times
        year, month = divmod(months, 12)
        if year > 9999:
            raise OverflowError("beyond the year 9999")
        day = min(start.day, _days(year, month + 1))
        return start.replace(year=year, month=month + 1, day=day) + timedelta(seconds=self.seconds * times)

    def split(self, start: str, end: str) -> Iterator[tuple[str, str]]:
        """The periods (first moment included, last excluded) from start on until end is covered; the last may be cut.

        Args:
            start: RFC 3339, UTC.
            end: RFC 3339, UTC; nothing comes out unless it is later.

        Raises:
            TooComplexQuery: more than `MAX_PERIODS`.
        """
        first, last = datetime.fromisoformat(start), datetime.fromisoformat(end)
        begin, count = first, 0
        while begin < last:
            count += 1
            if count > MAX_PERIODS:
                raise TooComplexQuery(f"'aggrPeriodDuration' cuts the time span into more than {MAX_PERIODS} periods; take a longer one")
            try:
                after = self.after(first, count) if self else last
            except OverflowError:
                after = last
            yield to_text(begin), to_text(min(after, last))
            begin = after


class Aggregation(msgspec.Struct, frozen=True):
    """How values are aggregated: the methods, each once per period."""

    methods: tuple[str, ...]
    period: Period = Period()


class TemporalQuery(msgspec.Struct, frozen=True):
    """A span of time that was asked for.

    Attributes:
        relation: None when no span was given: every time is in it.
        time_at: First moment of after and between (included), or the moment of before (excluded); RFC 3339 UTC.
        end_time_at: For between: the moment at which it ends (excluded).
        time_property: The time of an attribute instance that is asked about.
        last_n: How many instances of each attribute are wanted at most, the latest first; None: all.
        aggregation: How values are aggregated; None: they are not.
    """

    relation: TimeRelation | None = None
    time_at: str | None = None
    end_time_at: str | None = None
    time_property: TimeProperty = "observedAt"
    last_n: int | None = None
    aggregation: Aggregation | None = None

    @property
    def start(self) -> str | None:
        """The first moment in the span; None: it has no beginning."""
        return None if self.relation == "before" else self.time_at

    @property
    def end(self) -> str | None:
        """The moment at which the span has ended; None: it has no end."""
        return self.time_at if self.relation == "before" else self.end_time_at

    def contains(self, time: str | None) -> bool:
        """Whether a time (internal form; None: there is none) lies in the span."""
        if time is None:
            return False
        start, end = self.start, self.end
        return (start is None or time >= start) and (end is None or time < end)


def parse_temporal_query(members: Mapping[str, Any], *, required: bool = True, aggregated: bool = False) -> TemporalQuery:
    """The temporal query of URL parameters or of a TemporalQuery document.

    Args:
        members: timerel, timeAt, endTimeAt, timeproperty, lastN, aggrMethods, aggrPeriodDuration; others are not looked at.
        required: Whether there must be a span of time (as in queries, not when one entity is retrieved).
        aggregated: Whether the aggregated representation was asked for; only then the aggregation is looked at.

    Raises:
        BadRequestData: something does not follow its clause.
    """
    relation = members.get("timerel")
    given = members.get("timeproperty")
    name = "observedAt" if given is None else given
    if name not in TIME_PROPERTIES:
        raise BadRequestData(f"'timeproperty' must be one of {', '.join(TIME_PROPERTIES)}, not {name!r:.50}")
    last_n = _last_n(members.get("lastN"))
    aggregation = parse_aggregation(members) if aggregated else None
    if relation is None:
        for other in ("timeAt", "endTimeAt"):
            if members.get(other) is not None:
                raise BadRequestData(f"'{other}' needs 'timerel' (before, after or between)")
        if required:
            raise BadRequestData("A temporal query is needed: 'timerel' (before, after or between) and 'timeAt'")
        return TemporalQuery(time_property=cast("TimeProperty", name), last_n=last_n, aggregation=aggregation)
    if relation not in ("before", "after", "between"):
        raise BadRequestData(f"'timerel' must be before, after or between, not {relation!r:.50}")
    time_at, end = _moment(members, "timeAt", relation), None
    if relation == "between":
        end = _moment(members, "endTimeAt", relation)
        if end <= time_at:
            raise BadRequestData("'endTimeAt' must be later than 'timeAt'")
    elif members.get("endTimeAt") is not None:
        raise BadRequestData("'endTimeAt' must be there only with 'timerel' between")
    return TemporalQuery(cast("TimeRelation", relation), time_at, end, cast("TimeProperty", name), last_n, aggregation)


def parse_aggregation(members: Mapping[str, Any]) -> Aggregation:
    """The aggregation of `aggrMethods` (a comma-separated text or a list) and `aggrPeriodDuration`.

    Raises BadRequestData without methods, for an unknown method, or for what is no duration.
    """
    methods = members.get("aggrMethods")
    names = methods.split(",") if type(methods) is str else methods
    if type(names) is not list or not names:
        raise BadRequestData(f"'aggrMethods' must be a list of methods: {', '.join(METHODS)}")
    for name in names:
        if name not in METHODS:
            raise BadRequestData(f"'aggrMethods' has {name!r:.50}; valid methods are {', '.join(METHODS)}")
    duration = members.get("aggrPeriodDuration")
    period = Period() if duration is None else parse_duration(duration, "aggrPeriodDuration")
    return Aggregation(tuple(dict.fromkeys(names)), period)


def parse_duration(text: Any, where: str) -> Period:
    """The period of an ISO 8601 duration such as 'P1M', 'PT1H30M', 'P2W' or 'PT0S'.

    Raises BadRequestData for anything else.

    >>> parse_duration("P1Y2M3DT4H", "period")
    Period(months=14, seconds=273600.0)
    """
    found = _DURATION.fullmatch(text) if type(text) is str else None
    if found is None or text in ("P", "PT") or text.endswith("T"):
        raise BadRequestData(f"'{where}' must be an ISO 8601 duration such as 'PT1H', 'P1D' or 'P1M', not {text!r:.50}")
    part = {name: float((value or "0").replace(",", ".")) for name, value in found.groupdict().items() if name != "time"}
    hours = (part["weeks"] * 7 + part["days"]) * 24 + part["hours"]
    seconds = (hours * 60 + part["minutes"]) * 60 + part["seconds"]
    months = int(part["years"] * 12 + part["months"])
    if months > 12 * 9999 or seconds > 366 * 9999 * 86_400:
        raise BadRequestData(f"'{where}' must be shorter than 10,000 years")
    return Period(months, seconds)


def _last_n(value: Any) -> int | None:
    if value is None:
        return None
    if type(value) is str and value.isascii() and value.isdigit() and len(value) <= 10:
        value = int(value)
    if type(value) is not int or value < 1:
        raise BadRequestData(f"'lastN' must be a whole number greater than 0, not {value!r:.50}")
    return min(value, MAX_LAST)


def _moment(members: Mapping[str, Any], name: str, relation: str) -> str:
    value = members.get(name)
    if value is None:
        raise BadRequestData(f"'{name}' is missing: 'timerel' {relation} needs it")
    return moment.read(value, name)


def _days(year: int, month: int) -> int:
    """How many days a month has."""
    following = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC) if (year, month) != (9999, 12) else None
    return 31 if following is None else (following - timedelta(days=1)).day
