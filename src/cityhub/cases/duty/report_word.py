"""The daily report as a Word document, laid out like an official document.

A4; 37 mm above and 28 mm left of the text, which is 156 mm by 225 mm; the title in size 2 (22 pt), the text in size 3 (16 pt) 仿宋 with 28
characters a line and 22 lines a page; headings in 黑体 with "一、"; page numbers with dashes, on the outer side.

Source: GB/T 9704-2012, clauses 5.2, 6.1, 7.3 and 7.5.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

from docx import Document
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_LINE_SPACING
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt

from cityhub.cases.duty.report import Report, Section

LINE_PT: Final = 28.9
"""225 mm for 22 lines."""
NUMERALS: Final = "一二三四五六七八九十"
_FONTS: Final = {"Title": "宋体", "Heading 1": "黑体", "Normal": "仿宋"}


def word_of(report: Report, language: str) -> bytes:
    """The document in a language ("zh" or "en")."""
    document = Document()
    _page(document)
    _styles(document)
    document.core_properties.title = f"{report.title[language]} {report.date}"
    document.core_properties.author = report.office[language]
    document.add_paragraph(report.title[language], style="Title")
    below = document.add_paragraph(f"{report.office[language]}    {report.date}")
    below.alignment = WD_ALIGN_PARAGRAPH.CENTER
    for number, section in enumerate(report.sections):
        _section(document, section, number, language)
    if report.note:
        _text(document, report.note[language])
    _signatures(document, report, language)
    made = BytesIO()
    document.save(made)
    return made.getvalue()


def heading_of(section: Section, number: int, language: str) -> str:
    """The heading with its number: "一、" in Chinese, "1. " in English."""
    if language == "zh":
        return f"{NUMERALS[number] if number < len(NUMERALS) else number + 1}、{section.title['zh']}"
    return f"{number + 1}. {section.title[language]}"


def _page(document: Any) -> None:
    section = document.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.top_margin, section.bottom_margin = Mm(37), Mm(35)
    section.left_margin, section.right_margin = Mm(28), Mm(26)
    section.footer_distance = Mm(25)
    document.settings.odd_and_even_pages_header_footer = True
    for footer, side in ((section.footer, WD_ALIGN_PARAGRAPH.RIGHT), (section.even_page_footer, WD_ALIGN_PARAGRAPH.LEFT)):
        paragraph = footer.paragraphs[0]
        paragraph.alignment = side
        for piece in ("— ", "PAGE", " —"):
            run = paragraph.add_run("" if piece == "PAGE" else piece)
            _font(run.font, run._element.get_or_add_rPr(), "宋体", 14)
            if piece == "PAGE":
                _page_number(run)


def _page_number(run: Any) -> None:
    for kind, text in (("begin", ""), ("", "PAGE"), ("end", "")):
        if kind:
            element = OxmlElement("w:fldChar")
            element.set(qn("w:fldCharType"), kind)
        else:
            element = OxmlElement("w:instrText")
            element.text = text
        run._element.append(element)


def _styles(document: Any) -> None:
    for name, size, bold in (("Title", 22, True), ("Heading 1", 16, False), ("Normal", 16, False)):
        style = document.styles[name]
        _font(style.font, style.element.get_or_add_rPr(), _FONTS[name], size)
        style.font.bold = bold
        style.font.color.rgb = None
        spacing = style.paragraph_format
        spacing.space_before = spacing.space_after = Pt(0)
        spacing.line_spacing_rule = WD_LINE_SPACING.EXACTLY
        spacing.line_spacing = Pt(LINE_PT if name != "Title" else 36)
    title = document.styles["Title"]
    title.paragraph_format.alignment = WD_ALIGN_PARAGRAPH.CENTER
    for border in title.element.iter(qn("w:pBdr")):  # the template's line below the title
        border.getparent().remove(border)
        break


def _font(font: Any, properties: Any, name: str, size: int) -> None:
    font.name = "Times New Roman"
    font.size = Pt(size)
    fonts = properties.get_or_add_rFonts()
    fonts.set(qn("w:eastAsia"), name)
    for theme in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):  # a theme's fonts would go before these
        fonts.attrib.pop(qn(f"w:{theme}"), None)


def _section(document: Any, section: Section, number: int, language: str) -> None:
    heading = document.add_paragraph(heading_of(section, number, language), style="Heading 1")
    heading.paragraph_format.first_line_indent = Pt(32)
    _text(document, section.text[language])
    if section.rows:
        _table(document, section, language)


def _text(document: Any, text: str) -> None:
    document.add_paragraph(text).paragraph_format.first_line_indent = Pt(32)  # two characters


def _table(document: Any, section: Section, language: str) -> None:
    table = document.add_table(rows=1, cols=len(section.columns), style="Table Grid")
    table.alignment = WD_TABLE_ALIGNMENT.CENTER
    _repeat(table.rows[0])
    for cell, column in zip(table.rows[0].cells, section.columns, strict=True):
        _cell(cell, column[language], "黑体")
    for row in section.rows:
        cells = table.add_row().cells
        for cell, value in zip(cells, row, strict=False):
            _cell(cell, value[language], "仿宋")


def _repeat(row: Any) -> None:
    """The table's head is repeated on every page that it runs over."""
    mark = OxmlElement("w:tblHeader")
    mark.set(qn("w:val"), "true")
    row._tr.get_or_add_trPr().append(mark)


def _cell(cell: Any, text: str, font: str) -> None:
    paragraph = cell.paragraphs[0]
    paragraph.paragraph_format.line_spacing = Pt(18)
    run = paragraph.add_run(text)
    _font(run.font, run._element.get_or_add_rPr(), font, 11)


def _signatures(document: Any, report: Report, language: str) -> None:
    line = {"zh": "值班人员：____________    带班领导：____________", "en": "On duty: ____________    Leader: ____________"}[language]
    document.add_paragraph()
    document.add_paragraph(line).alignment = WD_ALIGN_PARAGRAPH.RIGHT
