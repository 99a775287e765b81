"""The daily report: what it says, and its forms."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import docx
import pytest
import typst
from docx.oxml.ns import qn

from cityhub.cases.duty import report_pdf
from cityhub.cases.duty.report import Form, Measured
from cityhub.cases.duty.report_pdf import TEMPLATE, inputs_of, pdf_of
from cityhub.cases.duty.report_word import word_of
from cityhub.model.alert import iri
from cityhub.model.entity import DEFAULT_VOCAB
from cityhub.model.errors import NotImplementedHere
from cityhub.model.ports import Rows, Write
from tests.services import unavailable
from tests.unit.cases.duty.conftest import Hub
from tests.unit.cases.duty.sample_report import sample
from tests.unit.cases.duty.test_duty import A, B, add


def entity(id: str, type: str, **values: Any) -> Write:
    attrs = {iri(name): [{"type": "Property", "value": value}] for name, value in values.items()}
    made = {"id": id, "type": [DEFAULT_VOCAB + type], "attrs": attrs, "createdAt": "2026-07-01T00:00:00Z", "modifiedAt": "2026-07-01T00:00:00Z"}
    return Write(id, lambda current, at: (made, None))


class OneTable:
    """Implements `cityhub.model.ports.Analysis` for one statement; remembers what it was asked."""

    asked: Sequence[Any] = ()

    async def rows(self, tenant: str, statement: str, parameters: Sequence[Any] = (), **bounds: Any) -> Rows:
        self.asked = parameters
        return Rows(["station", "depth"], ["VARCHAR", "DOUBLE"], [["一号站", 12.50], ["二号站", None]])


async def test_what_happened_on_the_day(hub: Hub) -> None:
    await add(hub)
    analysis = OneTable()
    hub.duty.reports._analysis = analysis  # type: ignore[assignment]
    columns = [{"zh": "测站", "en": "Station"}, {"zh": "雨量", "en": "Depth"}]
    hub.duty.reports._form = Form(tables=[Measured({"zh": "雨情", "en": "Rain"}, columns, "SELECT ?, ?")])
    await hub.store.write("", [
        entity("urn:ngsi-ld:Alert:1", "Alert", rule="r", grade="red", state="open", title={"zh": "洪水"}, dateIssued="2026-07-01T01:00:00.000000Z"),
        entity("urn:ngsi-ld:Alert:2", "Alert", rule="r", grade="blue", state="closed", title={"zh": "大风"}, dateIssued="2026-06-30T15:00:00.000000Z"),
        entity("urn:ngsi-ld:Case:1", "Case", caseNumber="2026-0001", caseKind="积水", openedAt="2026-07-01T01:00:00.000000Z", status="open",
               dueAt="2026-07-01T01:30:00.000000Z", step="处置"),
        entity("urn:ngsi-ld:Case:2", "Case", caseNumber="2026-0002", openedAt="2026-06-29T01:00:00.000000Z", closedAt="2026-07-01T01:10:00.000000Z"),
        entity("urn:ngsi-ld:Case:3", "Case", caseNumber="2026-0003", openedAt="2026-06-01T01:00:00.000000Z", closedAt="2026-06-02T01:10:00.000000Z"),
    ])  # fmt: skip
    hub.go_on(hours=9.5)
    begun = (await hub.ask("POST", "/handovers", "a", json={"post": "centre", "told": "三号闸门漏水"})).json()
    assert [one["id"] for one in begun["open"]] == ["urn:ngsi-ld:Alert:1", "urn:ngsi-ld:Case:1"]
    answer = await hub.ask("GET", "/reports", params={"date": "2026-07-01"})
    assert answer.status_code == 200, answer.text
    duty, alerts, cases, rain, handovers = answer.json()["sections"]
    assert [[cell["zh"] for cell in row][1:] for row in duty["rows"]] == [["08:00—20:00", "a"], ["20:00—24:00", "b"]]
    assert "有空档 1 处" in duty["text"]["zh"], "the rotation begins at eight of this very day"
    assert alerts["text"]["zh"] == "当日产生预警 1 条（红色 1 条）。", "that of the evening before belongs to the day before"
    assert [cell["zh"] for cell in alerts["rows"][0]] == ["09:00", "红色", "洪水", "待确认"]
    assert cases["text"]["zh"] == "当日立案 1 件，结案 1 件；在办 1 件，其中超期 1 件。"
    assert [row[0]["zh"] for row in cases["rows"]] == ["2026-0001", "2026-0002"]
    assert "超期" in cases["rows"][0][4]["zh"]
    assert [[cell["zh"] for cell in row] for row in rain["rows"]] == [["一号站", "12.5"], ["二号站", "—"]]
    assert list(analysis.asked) == ["2026-06-30T16:00:00.000000Z", "2026-07-01T16:00:00.000000Z"], "the district's day"
    assert handovers["text"]["zh"] == "当日交接班 1 次，其中 1 次未签收。"
    assert handovers["rows"][0][2]["zh"] == "三号闸门漏水"
    assert {A, B}.isdisjoint(str(answer.json()["sections"])), "names, not ids"


async def test_days_that_cannot_be_reported(hub: Hub) -> None:
    for query, status in (("?date=2026-07-02", 400), ("?date=yesterday", 400), ("/2026-07-01.exe", 404), ("/2026-07-01.docx?lang=fr", 400)):
        assert (await hub.ask("GET", f"/reports{query}")).status_code == status, query


async def test_word_over_http(hub: Hub) -> None:
    answer = await hub.ask("GET", "/reports/2026-07-01.docx")
    assert (answer.status_code, answer.headers["content-disposition"]) == (200, 'attachment; filename="2026-07-01.docx"')
    opened = docx.Document(BytesIO(answer.content))
    assert opened.paragraphs[0].text == "值班日报"
    assert "当日无数据" not in "".join(one.text for one in opened.paragraphs), "a hub without tables has no empty section"


def test_word_is_laid_out_like_an_official_document() -> None:
    """Source: GB/T 9704-2012, clauses 5.2 and 6.1."""
    opened = docx.Document(BytesIO(word_of(sample(), "zh")))
    page = opened.sections[0]
    lengths = (page.page_width, page.page_height, page.top_margin, page.left_margin, page.right_margin, page.bottom_margin)
    assert [round(length.mm) for length in lengths if length is not None] == [210, 297, 37, 28, 26, 35]
    for name, size, font in (("Title", 22, "宋体"), ("Heading 1", 16, "黑体"), ("Normal", 16, "仿宋")):
        style = opened.styles[name]
        fonts = style.element.rPr.rFonts
        assert (fonts.get(qn("w:eastAsia")), fonts.get(qn("w:eastAsiaTheme")), style.font.size.pt) == (font, None, size)
    texts = [one.text for one in opened.paragraphs]
    assert "一、值班情况" in texts
    assert "四、交接班" in texts
    assert [len(table.rows) for table in opened.tables] == [2, 41, 2]
    assert "#set page(width: 1cm)" in opened.tables[2].cell(1, 1).text
    assert "PAGE" in page.footer._element.xml


def test_pdf_shows_everything_and_takes_nothing_for_markup() -> None:
    try:
        made = pdf_of(sample(), "zh")
    except NotImplementedHere:
        unavailable("no Chinese font is installed (on Debian: apt-get install fonts-noto-cjk)")
    assert made.startswith(b"%PDF-")
    looked_at = typst.compile(TEMPLATE, format="png", ppi=25.4, sys_inputs=inputs_of(sample(), "zh"))
    widths = [int.from_bytes(page[16:20]) for page in looked_at]  # of the PNG's head, here in millimetres
    assert widths == [210, 210], "a page whose text says '#set page(width: 1cm)' is as wide as all others"
    pages = typst.compile(TEMPLATE, format="png", ppi=20.0, sys_inputs=inputs_of(sample(150), "en"))
    assert isinstance(pages, list)
    assert len(pages) >= 5, "150 rows run over several pages"


def test_without_a_chinese_font_the_error_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_pdf, "_families", lambda: frozenset(("DejaVu Sans",)))
    with pytest.raises(NotImplementedHere) as refused:
        pdf_of(sample(), "zh")
    assert "apt-get install fonts-noto-cjk" in refused.value.detail
