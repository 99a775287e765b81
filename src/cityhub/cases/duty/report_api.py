"""The doors of the daily report: JSON, Word and PDF."""

from __future__ import annotations

import asyncio
import re
from datetime import date
from typing import Any, Final

import msgspec

from cityhub.cases.duty.report import Report, Reports
from cityhub.model.errors import InvalidRequest, NotFound
from cityhub.web.http import Request, Response, Route, json_response

PREFIX: Final = "/api/duty/reports"
_FILE: Final = re.compile(r"(\d{4}-\d\d-\d\d)\.(docx|pdf)")
_FORMS: Final = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pdf": "application/pdf",
}


class ReportApi:
    """The doors.

    Args:
        reports: Makes them.
    """

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._one_at_a_time = asyncio.Lock()

    def routes(self) -> list[Route]:
        """All doors, for the hub."""
        return [
            Route("GET", PREFIX, self._json, "duty.read", "Show Daily Report", tag="duty"),
            Route("GET", f"{PREFIX}/{{file}}", self._file, "duty.read", "Download Daily Report", tag="duty"),
        ]

    async def _json(self, request: Request) -> Response:
        day = request.query.get("date") or self._reports.today().isoformat()
        made: Any = msgspec.to_builtins(await self._reports.of(_date(day)))
        return json_response({**made, "files": {kind: f"{PREFIX}/{made['date']}.{kind}" for kind in _FORMS}})

    async def _file(self, request: Request) -> Response:
        found = _FILE.fullmatch(request.parameters["file"])
        if found is None:
            raise NotFound(f"There is no such file: right would be {PREFIX}/2026-11-23.docx or .pdf")
        language = request.query.get("lang", "zh")
        if language not in ("zh", "en"):
            raise InvalidRequest("'lang' must be 'zh' or 'en'")
        report = await self._reports.of(_date(found[1]))
        async with self._one_at_a_time:
            content = await asyncio.to_thread(_written, found[2], report, language)
        return Response(200, content, [("content-disposition", f'attachment; filename="{found[0]}"')], _FORMS[found[2]])


def _written(form: str, report: Report, language: str) -> bytes:
    """A report as a file. What writes it is heavy and loaded by the first one."""
    from cityhub.cases.duty.report_pdf import pdf_of
    from cityhub.cases.duty.report_word import word_of

    return (word_of if form == "docx" else pdf_of)(report, language)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidRequest("'date' must be a day such as 2026-11-23") from None
