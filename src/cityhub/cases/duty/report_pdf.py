"""The daily report as PDF, in the layout of `report_word`. The type is set by Typst, with the Chinese fonts of this machine."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import msgspec
import typst

from cityhub.cases.duty.report import Report
from cityhub.cases.duty.report_word import heading_of
from cityhub.model.errors import NotImplementedHere

TEMPLATE: Final = Path(__file__).with_name("report.typ")
SERIF: Final = ("FangSong", "FangSong_GB2312", "STFangsong", "Noto Serif CJK SC", "Source Han Serif SC", "SimSun", "AR PL UMing CN")
SANS: Final = ("SimHei", "STHeiti", "Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei")
TITLE: Final = ("FZXiaoBiaoSong-B05S", "SimSun", "STSong", "Noto Serif CJK SC", "Source Han Serif SC", "AR PL UMing CN")
"""Families in the order in which they are wanted: 仿宋, 黑体, 小标宋 or 宋体."""


def pdf_of(report: Report, language: str) -> bytes:
    """The document in a language. Takes about a second of one processor: to be called in a thread.

    Raises NotImplementedHere, with what is to be installed, where the machine has no Chinese font.
    """
    return typst.compile(TEMPLATE, format="pdf", sys_inputs=inputs_of(report, language))


def inputs_of(report: Report, language: str) -> dict[str, str]:
    """What the template is given. Raises like `pdf_of`."""
    serif, sans, title = (_chosen(wanted) for wanted in (SERIF, SANS, TITLE))
    if not serif and not sans:
        raise NotImplementedHere(
            "This machine has no Chinese font, so no PDF can be made: install one, on Debian with 'apt-get install fonts-noto-cjk'. "
            "The report as Word (.docx) needs none"
        )
    content = {
        "title": report.title[language], "office": report.office[language], "date": report.date, "language": language,
        "note": report.note.get(language, ""), "serif": serif or sans, "sans": sans or serif, "heading": title or serif or sans,
        "signatures": {"zh": ["值班人员", "带班领导"], "en": ["On duty", "Leader"]}[language],
        "sections": [
            {
                "heading": heading_of(section, number, language), "text": section.text[language],
                "columns": [column[language] for column in section.columns] if section.rows else [],
                "rows": [[value[language] for value in row] for row in section.rows],
            }
            for number, section in enumerate(report.sections)
        ],
    }  # fmt: skip
    return {"content": msgspec.json.encode(content).decode()}


def _chosen(wanted: tuple[str, ...]) -> list[str]:
    return [family for family in wanted if family in _families()]


@cache
def _families() -> frozenset[str]:
    """The families of fonts that the machine has; looked for once."""
    return frozenset(typst.Fonts().families())
