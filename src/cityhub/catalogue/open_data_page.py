"""The residents' open-data page: `/open-data`, `/open-data/{name}` and their parts. The files hold no data, so they are public."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cityhub.web.http import Request, Response, Route
from cityhub.web.pages import answer, part_route, read_assets

FOLDER: Final = Path(__file__).with_name("pages")


def open_data_routes() -> list[Route]:
    """The page's doors."""
    assets = read_assets(FOLDER)

    async def page(request: Request) -> Response:
        return answer(assets["open-data.html"], request)

    return [
        Route("GET", "/open-data", page, "public", "Open Data Page", tag="pages"),
        Route("GET", "/open-data/{name}", page, "public", "Open Data Page of a Dataset", tag="pages"),
        part_route("/open-data/parts", assets, "Open Data Page File"),
    ]
