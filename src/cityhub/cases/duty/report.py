"""The daily report of duty (值班日报): who was on duty, alerts, cases, what was measured, and what was handed over.

It is worked out of the data whenever it is asked for, in sections that every form of it shows alike: JSON, Word, PDF.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from cityhub.cases.duty.handover import Handovers, is_whole
from cityhub.cases.duty.matters import CaseSeen, Matters
from cityhub.cases.duty.rota import Rota
from cityhub.model.alert import GRADES, Alert
from cityhub.model.errors import BadRequestData, CityHubError
from cityhub.model.ports import Analysis, People
from cityhub.model.time import Clock, to_text
from cityhub.registers.reading import decoded

Words = dict[str, str]
"""A text by language: "zh" and "en"."""
FILE: Final = "duty/report.yaml"
MOST_BYTES: Final = 64 * 1024
MOST_ROWS: Final = 200
"""So many rows a table has; the text above it says how many there are in all."""
STATEMENT_S: Final = 20.0
COLOURS: Final[dict[str, Words]] = {
    "red": {"zh": "红色", "en": "red"}, "orange": {"zh": "橙色", "en": "orange"}, "yellow": {"zh": "黄色", "en": "yellow"},
    "blue": {"zh": "蓝色", "en": "blue"},
}  # fmt: skip
STATES: Final[dict[str, Words]] = {
    "open": {"zh": "待确认", "en": "open"}, "acknowledged": {"zh": "已确认", "en": "acknowledged"},
    "suppressed": {"zh": "已抑制", "en": "suppressed"}, "closed": {"zh": "已关闭", "en": "closed"},
}  # fmt: skip


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of what was measured, as the district describes it.

    Attributes:
        title: By language.
        columns: Their titles, by language.
        statement: A SELECT with two `?`: the beginning and the end of the day.
    """

    title: Words
    columns: list[Words]
    statement: str


class Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the district says of its report.

    Attributes:
        title: By language, as the others.
        office: Who issues it.
        note: Below it, such as that its data are simulated.
        tables: What was measured.
    """

    title: Words = msgspec.field(default_factory=lambda: {"zh": "值班日报", "en": "Daily report of duty"})
    office: Words = msgspec.field(default_factory=lambda: {"zh": "城市运营中心", "en": "Operations centre"})
    note: Words = {}
    tables: list[Measured] = []


class Section(msgspec.Struct, frozen=True):
    """A section: its title, what it says, and a table ("rows" have a text for each column, by language)."""

    title: Words
    text: Words
    columns: list[Words] = []
    rows: list[list[Words]] = []


class Report(msgspec.Struct, frozen=True):
    """A day's report. `made_at` is when it was worked out; while the day is not over, it says what there was until then."""

    date: str
    title: Words
    office: Words
    note: Words
    made_at: str
    sections: list[Section]


def read_form(folder: Path | None) -> Form:
    """The district's form; the usual one where it has none. Raises BadRequestData, OSError."""
    if folder is None or not (folder / FILE).exists():
        return Form()
    return decoded((folder / FILE).read_bytes()[: MOST_BYTES + 1], Form, "form of the daily report", MOST_BYTES)


class Reports:
    """Makes reports.

    Args:
        form: What the district says of them.
        rota: Who was on duty.
        people: Their names.
        matters: Alerts and cases.
        handovers: What was handed over.
        analysis: Answers the statements of the form's tables.
        clock: The present time.
    """

    def __init__(
        self, form: Form, rota: Rota, people: People, matters: Matters, handovers: Handovers, analysis: Analysis, clock: Clock
    ) -> None:
        self._form = form
        self._rota = rota
        self._people = people
        self._matters = matters
        self._handovers = handovers
        self._analysis = analysis
        self._clock = clock

    def today(self) -> date:
        """The day that it is in the district."""
        return self._clock.now().astimezone(self._rota.zone).date()

    async def of(self, day: date) -> Report:
        """The report of a day. Raises BadRequestData for a day that has not begun."""
        if day > self.today():
            raise BadRequestData(f"'date' must not be after today, {self.today().isoformat()}")
        start, end = _day(day, self._rota.zone)
        sections = [
            self._duty(start, end), await self._alerts(start, end), await self._cases(start, end),
            *[await self._measured(table, start, end) for table in self._form.tables], await self._handed_over(start, end),
        ]  # fmt: skip
        return Report(day.isoformat(), self._form.title, self._form.office, self._form.note, to_text(self._clock.now()), sections)

    def _duty(self, start: datetime, end: datetime) -> Section:
        rows = [
            [post.title, self._span(max(shift.start, start), min(shift.end, end)), _both("、".join(map(self._name, shift.people)) or "—")]
            for post in self._rota.posts.all()
            for shift in self._rota.shifts(post.id, start, end)
        ]  # fmt: skip
        gaps = sum(len(self._rota.gaps(post, start, end)) for post in self._rota.posts.all())
        posts = len(self._rota.posts.all())
        text = {
            "zh": f"当日设值班岗位 {posts} 个，" + (f"有空档 {gaps} 处。" if gaps else "无空档。"),
            "en": f"Posts on duty: {posts}; " + (f"gaps: {gaps}." if gaps else "no gap."),
        }  # fmt: skip
        columns = [{"zh": "岗位", "en": "Post"}, {"zh": "时段", "en": "Time"}, {"zh": "值班人员", "en": "On duty"}]
        return Section({"zh": "值班情况", "en": "On duty"}, text, columns, rows[:MOST_ROWS])

    async def _alerts(self, start: datetime, end: datetime) -> Section:
        alerts = await self._matters.alerts_of(to_text(start), to_text(end))
        counts = Counter(alert.grade for alert in alerts)
        text = {
            "zh": f"当日产生预警 {len(alerts)} 条" + _listed("zh", {COLOURS[one]["zh"]: counts[one] for one in GRADES}) + "。",
            "en": f"Alerts: {len(alerts)}" + _listed("en", {COLOURS[one]["en"]: counts[one] for one in GRADES}) + ".",
        }  # fmt: skip
        columns = [
            {"zh": "时间", "en": "Time"}, {"zh": "等级", "en": "Grade"}, {"zh": "预警", "en": "Alert"}, {"zh": "状态", "en": "State"},
        ]  # fmt: skip
        return Section({"zh": "预警情况", "en": "Alerts"}, text, columns, [self._alert(alert) for alert in alerts[:MOST_ROWS]])

    def _alert(self, alert: Alert) -> list[Words]:
        return [self._clock_time(alert.issued), COLOURS[alert.grade], _words(alert.title), STATES[alert.state]]

    async def _cases(self, start: datetime, end: datetime) -> Section:
        first, last = to_text(start), to_text(end)
        seen = await self._matters.cases_of(first, last)
        opened = sum(first <= case.opened_at < last for case in seen)
        closed = sum(first <= case.closed_at < last for case in seen)
        left = [case for case in seen if not case.closed_at or case.closed_at >= last]
        until = min(last, to_text(self._clock.now()))
        overdue = sum(case.is_overdue(until) for case in left)
        text = {
            "zh": f"当日立案 {opened} 件，结案 {closed} 件；在办 {len(left)} 件，其中超期 {overdue} 件。",
            "en": f"Cases opened: {opened}, closed: {closed}; open: {len(left)}, of them overdue: {overdue}.",
        }  # fmt: skip
        columns = [
            {"zh": "案件编号", "en": "Number"}, {"zh": "类别", "en": "Kind"}, {"zh": "等级", "en": "Grade"}, {"zh": "环节", "en": "Step"},
            {"zh": "时限", "en": "Due"},
        ]  # fmt: skip
        shown = sorted(seen, key=lambda case: (not case.is_overdue(until), bool(case.closed_at), case.due_at or "~"))[:MOST_ROWS]
        return Section({"zh": "案件办理", "en": "Cases"}, text, columns, [self._case(case, until) for case in shown])

    def _case(self, case: CaseSeen, until: str) -> list[Words]:
        due = self._clock_time(case.due_at, whole=True)
        late = {"zh": f"{due['zh']}（超期）", "en": f"{due['en']} (overdue)"} if case.is_overdue(until) else due
        step = {"zh": "已结案", "en": "closed"} if case.closed_at else _both(case.step)
        return [_both(case.number or case.id), _both(case.kind), COLOURS.get(case.grade, _both(case.grade)), step, late]

    async def _measured(self, table: Measured, start: datetime, end: datetime) -> Section:
        try:
            found = await self._analysis.rows("", table.statement, [to_text(start), to_text(end)], limit=MOST_ROWS, timeout_s=STATEMENT_S)
        except CityHubError:
            return Section(table.title, {"zh": "当日无数据。", "en": "There are no data of this day."})
        rows = [[_both(_shown(value)) for value in row] for row in found.rows]
        count = len(rows)
        return Section(table.title, {"zh": f"共 {count} 项。", "en": f"Entries: {count}."}, table.columns, rows)

    async def _handed_over(self, start: datetime, end: datetime) -> Section:
        found = await self._handovers.between(start, end)
        unsigned = sum(one["state"] != "signed" for one in found)
        text = {
            "zh": f"当日交接班 {len(found)} 次" + (f"，其中 {unsigned} 次未签收。" if unsigned else "。"),
            "en": f"Handovers: {len(found)}" + (f", of them not signed: {unsigned}." if unsigned else "."),
        }  # fmt: skip
        columns = [
            {"zh": "时间", "en": "Time"}, {"zh": "岗位", "en": "Post"}, {"zh": "交代事项", "en": "What was told"},
            {"zh": "签名", "en": "Signed by"},
        ]  # fmt: skip
        rows = [self._handover(one) for one in found[:MOST_ROWS]]
        return Section({"zh": "交接班", "en": "Handovers"}, text, columns, rows)

    def _handover(self, handover: dict[str, Any]) -> list[Words]:
        content = handover["content"]
        return [self._clock_time(content["at"]), self._post(content["post"]), _both(content["told"]), self._signed(handover)]

    def _signed(self, handover: dict[str, Any]) -> Words:
        names = "、".join(self._name(one["person"]) for one in handover["signatures"])
        return _both(names) if is_whole(handover) else {"zh": f"{names}（内容与签名不符）", "en": f"{names} (was changed after)"}

    def _post(self, id: str) -> Words:
        record = self._rota.posts.record(id)
        title: Words = record["definition"]["title"] if record is not None else _both(id)
        return title

    def _name(self, id: str) -> str:
        person = self._people.person(id)
        return person.name if person is not None else id

    def _span(self, start: datetime, end: datetime) -> Words:
        first, last = (moment.astimezone(self._rota.zone).strftime("%H:%M") for moment in (start, end))
        return _both(f"{first}—{'24:00' if last == '00:00' else last}")

    def _clock_time(self, text: str, *, whole: bool = False) -> Words:
        if not text:
            return _both("")
        return _both(datetime.fromisoformat(text).astimezone(self._rota.zone).strftime("%m-%d %H:%M" if whole else "%H:%M"))


def _day(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    return tuple(datetime.combine(one, time(0), zone).astimezone(UTC) for one in (day, day + timedelta(days=1)))  # type: ignore[return-value]


def _both(text: str) -> Words:
    return {"zh": text, "en": text}


def _words(text: Words) -> Words:
    either = next(iter(text.values()), "")
    return {language: text.get(language) or either for language in ("zh", "en")}


def _listed(language: str, counts: dict[str, int]) -> str:
    some = [f"{name} {count}{' 条' if language == 'zh' else ''}" for name, count in counts.items() if count]
    if not some:
        return ""
    return f"（{'、'.join(some)}）" if language == "zh" else f" ({', '.join(some)})"


def _shown(value: Any) -> str:
    if value is None:
        return "—"
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
