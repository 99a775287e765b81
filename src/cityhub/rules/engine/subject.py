"""What the engine remembers of one subject of a rule."""

from __future__ import annotations

from typing import Any, Final

from cityhub.rules.engine.compiling import MODELLED, CompiledFigure, CompiledRule
from cityhub.rules.engine.windows import Window

NEVER: Final = -1
Member = tuple[int, Any]
"""Of one entity of a group: when it was observed last, and what."""


class Subject:
    """One entity, or one group of them, as a rule sees it.

    Attributes:
        id: Id of the entity, or "<attribute>=<value>".
        begun: Position of the journal's entry that it was begun at.
        context: Values by name, as conditions see them.
        times: When each of them was observed, where that is known.
        figures: Of each figure its window, its members (of a group without a window), its last moment (of an age), or None.
        watermark: The newest moment observed.
        arrived: When that came, by the journal's time.
        on: Of each level whether it is in force.
        since: Of each level since when it is about to change; NEVER: it is not.
        alert: Id of the open alert; "".
        step: Of the open alert's next step.
        severity: Of the open alert.
        raised: When the last alert was raised.
        stepped: When its last step was.
        due: When it is looked at next, by the journal's time; NEVER: when something comes.
        place: GeoJSON geometry.
        seeded: Entries before this moment are known already.
    """

    __slots__ = (
        "alert", "arrived", "begun", "context", "due", "figures", "id", "on", "place", "raised", "seeded", "severity",
        "since", "step", "stepped", "times", "watermark",
    )  # fmt: skip

    def __init__(self, id: str, begun: int, compiled: CompiledRule) -> None:
        self.id = id
        self.begun = begun
        self.context: dict[str, Any] = {"id": id}
        self.times: dict[str, int] = {}
        self.figures: list[Any] = [new_figure(figure, bool(compiled.group)) for figure in compiled.figures]
        for figure, kept in zip(compiled.figures, self.figures, strict=True):
            self.context[figure.name] = kept.value() if isinstance(kept, Window) else None
        self.watermark = NEVER
        self.arrived = NEVER
        self.on = [False] * len(compiled.levels)
        self.since = [NEVER] * len(compiled.levels)
        self.alert = ""
        self.step = 0
        self.severity = ""
        self.raised = NEVER
        self.stepped = NEVER
        self.due = NEVER
        self.place: dict[str, Any] | None = None
        self.seeded = NEVER

    def is_steady(self) -> bool:
        """Whether no level is about to turn."""
        for since in self.since:
            if since != NEVER:
                return False
        return True


def new_figure(figure: CompiledFigure, of_many: bool) -> Any:
    """What is kept of a figure for one subject, before anything came."""
    if figure.window is not None:
        return Window(figure.window)
    if figure.function == "age":
        return NEVER
    if of_many and figure.near is None and figure.function not in MODELLED:
        return {}
    return None
