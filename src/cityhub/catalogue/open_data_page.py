"""The residents' open-data page: `/open-data`, `/open-data/{name}` and their parts. The files hold no data, so they are public."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cityhub.model.errors import NotFound
from cityhub.web.http import Request, Response, Route
from cityhub.web.pages import answer, read_assets

FOLDER: Final = Path(__file__).with_name("pages")


def open_data_routes() -> list[Route]:
    """The page's doors."""
    assets = read_assets(FOLDER)

    async def page(request: Request) -> Response:
        return answer(assets["open-data.html"], request)

    async def part(request: Request) -> Response:
        name = request.parameters["name"]
        if name not in assets:
            raise NotFound(f"There is no page file '{name[:100]}'")
        return answer(assets[name], request)

    return [
        Route("GET", "/open-data", page, "public", "Open Data Page", tag="pages"),
        Route("GET", "/open-data/{name}", page, "public", "Open Data Page of a Dataset", tag="pages"),
        Route("GET", "/open-data/parts/{name}", part, "public", "Open Data Page File", tag="pages"),
    ]
