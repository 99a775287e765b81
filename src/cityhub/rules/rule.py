"""A rule: which entities it watches, what it works out of them, from when on that deserves attention, and who is to act.

A rule is data with a version and an owner. Whatever its kind, it has one shape: `figures` are worked out of what was observed
(windows, rates, silence, what is near, what was to be expected), and each level's `condition` is a FEEL expression over the
entity's attributes and the figures. So a rule of state has no figures, a rule of absence has one with the function "age",
and a correlation has one with `near`.

All that follows from a rule follows from the journal: time is the observations' own, and the same entries give the same signals.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Severity = Literal["red", "orange", "yellow", "blue"]
"""The four national warning grades, the gravest first (红, 橙, 黄, 蓝)."""
Function = Literal["sum", "average", "minimum", "maximum", "count", "first", "last", "median", "stddev", "increase", "rate", "age",
                   "anomaly", "forecast"]  # fmt: skip
"""What is worked out of the observations of a window.

"increase" is the last less the first; "rate" is that per hour; "age" is how many seconds passed since the last observation, and needs no
window; "anomaly" is how surprising the last one is (0 to 1), "forecast" what is expected after `ahead`: both of models of history.
"""


class Watch(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which entities a rule looks at, in the words of an NGSI-LD query.

    Attributes:
        type: Name of the type, or a selection of types.
        ids: Only these; empty: all.
        q: NGSI-LD query, which may follow links to other entities; "": any.
        scope: NGSI-LD scope query; "": any.
        geo: Of a geo query "georel", "geometry", "coordinates" and "geoproperty"; empty: anywhere.
    """

    type: str
    ids: list[str] = []
    q: str = ""
    scope: str = ""
    geo: dict[str, Any] = {}


class Near(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Other entities, about the one that a rule looks at.

    Attributes:
        watch: Which ones.
        radius_m: Within so many metres of it; 0: wherever they are.
        link: Name of a relationship: only those that have the same target as it has, or it itself as their target; "": any.
    """

    watch: Watch
    radius_m: float = 0.0
    link: str = ""


class Figure(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A number that is worked out of observations.

    Attributes:
        function: What is worked out.
        of: FEEL expression over one entity's attributes that gives the number; mostly an attribute's name. "" with "count" and "age".
        window: "sliding" ends with the newest observation; "tumbling" begins anew at each multiple of `over` in the district's time;
            "session" lasts as long as no two observations lie further apart than `over`.
        over: ISO 8601 duration; "" where a function needs no window.
        near: Over the entities about it; None: over the subject itself, which is one entity or a group.
        ahead: ISO 8601 duration of a forecast.
    """

    function: Function
    of: str = ""
    window: Literal["sliding", "tumbling", "session"] = "sliding"
    over: str = ""
    near: Near | None = None
    ahead: str = ""


class Level(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """From when on, and until when, something is so grave.

    Attributes:
        severity: How grave.
        condition: FEEL expression that must be true; null (a value is missing) is not.
        hold: ISO 8601 duration for which it must stay true; "": at once.
        clear: FEEL expression that ends it (hysteresis); "": as soon as `condition` is false.
        clear_hold: ISO 8601 duration for which that must stay true.
    """

    severity: Severity
    condition: str
    hold: str = ""
    clear: str = ""
    clear_hold: str = ""


class Opening(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The case that an alert opens.

    Attributes:
        process: Id of the process.
        kind: Of the case, in the district's list of kinds.
        from_severity: Only alerts so grave or graver.
        departments: Ids of the organizations that it goes to; empty: as the process decides.
        joins: ISO 8601 duration: the alert joins a case that another alert opened within this time and that is still open, instead of
            opening one more; "": each alert has a case of its own.
        joins_kinds: Kinds of cases that it joins beside its own.
    """

    process: str
    kind: str
    from_severity: Severity = "blue"
    departments: list[str] = []
    joins: str = ""
    joins_kinds: list[str] = []


class Hearer(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who hears of an alert.

    Attributes:
        post: Whoever is on duty at this post; "": nobody by duty.
        department: Everybody of an organization with `role`; "": nobody so.
        role: Of that department's people; "": all of them.
        from_severity: Only of alerts so grave or graver.
        template: Id of the message's template.
    """

    post: str = ""
    department: str = ""
    role: str = ""
    from_severity: Severity = "blue"
    template: str = "alert"


class Rule(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A rule.

    Attributes:
        id: Letters, digits, "-" and "_".
        title: By language ("zh", "en").
        owner: Id of the organization that answers for it.
        watch: Which entities.
        levels: The gravest first; at most one of each severity.
        figures: By the name that conditions use.
        group_by: Name of an attribute or relationship: entities with the same value are one subject; "*": all of them are; "": each is one.
        note: What it means and what to do, by language.
        source: Law, standard or document that the thresholds come from, with its place.
        category: Of the Smart Data Models' alerts: "weather", "environment", "traffic", "health", "security", "agriculture", "asset".
        event: What happens, in the words of the warning: {"zh": "暴雨", "en": "Rainstorm"}.
        lateness: ISO 8601 duration: so late an observation may come and still count.
        parent: Id of a rule whose open alert about the same subject, or the subject that `parent_link` leads to, keeps this one quiet.
        parent_link: Name of that relationship; "": the same subject.
        opens: The case that an alert opens; None: none.
        tells: Who hears of it.
        warning: What a draft of a public warning takes from an alert (`cityhub.rules.cap`); empty: no warning is drafted.
        context: @context of its names, a URL; "": the district's.
        tenant: Whose entities.
        enabled: Whether it runs.
        version: Of this definition; counted by the hub.
    """

    id: str
    title: dict[str, str]
    owner: str
    watch: Watch
    levels: list[Level]
    figures: dict[str, Figure] = {}
    group_by: str = ""
    note: dict[str, str] = {}
    source: str = ""
    category: str = ""
    event: dict[str, str] = {}
    lateness: str = "PT10M"
    parent: str = ""
    parent_link: str = ""
    opens: Opening | None = None
    tells: list[Hearer] = []
    warning: dict[str, Any] = {}
    context: str = ""
    tenant: str = ""
    enabled: bool = True
    version: int = 1
