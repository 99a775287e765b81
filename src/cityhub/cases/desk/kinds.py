"""What a district says of its cases: their kinds, their numbers, its working hours, limits and levels of escalation.

Files of the district's folder: `cases/desk.yaml`, `cases/kinds.yaml`, `cases/limits.yaml`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import yaml

from cityhub.cases.deadlines.hours import WorkingHours
from cityhub.cases.deadlines.limits import Limit, Limits
from cityhub.cases.process_port import Grade
from cityhub.model.errors import BadRequestData
from cityhub.model.feel import Expression, compile_expression

FOLDER: Final = "cases"
MOST_BYTES: Final = 2_000_000
MOST_KINDS: Final = 1_000
Loader: Final = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
STANDARD: Final = "standard"
"""Id of the process of kinds that name none."""


class GradeRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A case is so grave when the FEEL expression over its data is true."""

    grade: Grade
    when: str


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """A kind of case.

    Attributes:
        id: Letters, digits, "-" and ".": "part.manhole", "flood".
        title: By language.
        group: Id of the group that it is shown under.
        process: Id of the process.
        departments: Ids of the organizations whose duty it is, the first one in charge.
        grade: Of a case that no rule fits.
        grades: Rules, the first that fits counts.
        radius_m: Reports of this kind so near may be of the same thing.
        within_h: Reports so near in time may be.
        checked: Whether a case is closed only after a check (立案-派遣-处置-核查-结案).
        open_to_residents: Whether residents may report it.
        keywords: Words that residents use for it.
        source: Where it comes from.
        note: By language.
        simulated: Whether it is made up for trying the hub out.
    """

    id: str
    title: dict[str, str]
    group: str = ""
    process: str = STANDARD
    departments: list[str] = []
    grade: Grade = "blue"
    grades: list[GradeRule] = []
    radius_m: float = 100.0
    within_h: float = 72.0
    checked: bool = True
    open_to_residents: bool = True
    keywords: list[str] = []
    source: str = ""
    note: dict[str, str] = {}
    simulated: bool = False


class Level(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A level of escalation.

    Attributes:
        share: Of a clock's time that has passed: 0.5, 0.8, 1 (due), more (overdue).
        to: Who hears: "assignee", "department" (everybody of it with the task's role), "leader" (of the department), "supervisor".
        title: By language.
    """

    share: float
    to: list[str]
    title: dict[str, str] = {}


OFFICE_HOURS: Final = (("09:00", "12:00"), ("14:00", "18:00"))
LEVELS: Final = (
    Level(0.5, ["assignee"]), Level(0.8, ["assignee", "leader"]), Level(1.0, ["assignee", "leader", "supervisor"]),
    Level(2.0, ["leader", "supervisor"]),
)  # fmt: skip


class DeskSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """How a district runs its desk.

    Attributes:
        number: Form of a case's number, with {year} and {number}.
        zone: Time zone.
        working_hours: From when to when people work on a working day.
        levels: Of escalation, in the order of their shares.
        leader: Role of who leads a department.
        supervisor: Role of who supervises.
        supervising: Id of the organization whose supervisors hear; "": all.
        tell_unassigned: Of which new tasks that nobody has yet all are told who may take them: "all", those of "grave" cases (red and
            orange), or "none".
        most_file_bytes: Of an attachment.
    """

    number: str = "{year}-{number:06d}"
    zone: str = "Asia/Shanghai"
    working_hours: list[tuple[str, str]] = msgspec.field(default_factory=lambda: list(OFFICE_HOURS))
    levels: list[Level] = msgspec.field(default_factory=lambda: list(LEVELS))
    leader: str = "leader"
    supervisor: str = "supervisor"
    supervising: str = ""
    tell_unassigned: Literal["all", "grave", "none"] = "grave"
    most_file_bytes: int = 10_000_000


class _KindFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kinds: list[Kind]
    groups: dict[str, dict[str, str]] = {}


class _LimitFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limits: list[Limit]


class DistrictCases:
    """What a district says of its cases.

    Args:
        settings: How its desk runs.
        kinds: Its kinds; each id once.
        limits: Its limits.
        groups: Titles of the groups of kinds, by language.

    Raises:
        BadRequestData: Something of it is wrong; the message says what and where.
    """

    def __init__(
        self, settings: DeskSettings, kinds: list[Kind], limits: list[Limit], groups: dict[str, dict[str, str]] | None = None
    ) -> None:
        self.settings: Final = settings
        self.kinds: Final = {kind.id: kind for kind in kinds}
        self.groups: Final = groups or {}
        self.limits: Final = Limits(limits)
        self.hours: Final = WorkingHours(settings.working_hours, settings.zone)
        if len(self.kinds) < len(kinds) or len(kinds) > MOST_KINDS:
            raise BadRequestData(f"Each kind needs an id of its own, and there may be {MOST_KINDS} of them")
        if [level.share for level in settings.levels] != sorted(level.share for level in settings.levels):
            raise BadRequestData("The levels of escalation must stand in the order of their shares")
        self._rules: dict[str, list[tuple[Expression, Grade]]] = {
            kind.id: [(compile_expression(rule.when), rule.grade) for rule in kind.grades] for kind in kinds
        }

    def kind(self, id: str) -> Kind:
        """A kind. Raises BadRequestData for one that the district does not have."""
        kind = self.kinds.get(id)
        if kind is None:
            known = ", ".join(sorted(self.kinds)[:20])
            raise BadRequestData(f"There is no kind of case '{id[:100]}'; right would be one of GET /api/cases/kinds: {known} ...")
        return kind

    def grade(self, kind: Kind, data: dict[str, Any]) -> Grade:
        """How grave a case of a kind with such data is."""
        return next((grade for condition, grade in self._rules[kind.id] if condition(data) is True), kind.grade)


def plain_district() -> DistrictCases:
    """What a hub without a district has: one kind and no limits."""
    return DistrictCases(DeskSettings(), [Kind("other", {"zh": "其他", "en": "Other"})], [])


def read_district_cases(folder: Path) -> DistrictCases:
    """What the files of a district's folder say; a file that is missing says nothing. Raises BadRequestData naming the file."""
    settings = _read(folder / FOLDER / "desk.yaml", DeskSettings) or DeskSettings()
    kinds = _read(folder / FOLDER / "kinds.yaml", _KindFile)
    limits = _read(folder / FOLDER / "limits.yaml", _LimitFile)
    if kinds is None:
        return DistrictCases(settings, list(plain_district().kinds.values()), limits.limits if limits else [])
    return DistrictCases(settings, kinds.kinds, limits.limits if limits else [], kinds.groups)


def _read(path: Path, kind: type[Any]) -> Any:
    if not path.is_file():
        return None
    if path.stat().st_size > MOST_BYTES:
        raise BadRequestData(f"{path.name} may have {MOST_BYTES} bytes")
    try:
        return msgspec.convert(yaml.load(path.read_bytes(), Loader), kind)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise BadRequestData(f"{path.name}: {error}") from None
