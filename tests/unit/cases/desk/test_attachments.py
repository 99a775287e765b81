"""Files of cases: their type is what they are, and they run nothing in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cases.desk.site import Site

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 50


async def give(site: Site, case: str, name: str, content: bytes) -> int:
    return (await site.client.post(f"/api/cases/{case}/attachments", params={"name": name}, content=content)).status_code


async def test_a_photograph_is_kept_once_and_served_safely(site: Site, tmp_path: Path) -> None:
    case = (await site.open())["id"]
    assert [await give(site, case, name, PNG) for name in ("现场.png", "again.png")] == [201, 201]
    shown = await site.ask("GET", f"/api/cases/{case}")
    [file] = shown["files"]
    assert (file["name"], file["type"], file["size"]) == ("现场.png", "image/png", len(PNG))
    assert len([path for path in (tmp_path / "case-files").rglob("*") if path.is_file()]) == 1
    answer = await site.client.get(f"/api/cases/{case}/attachments/{file['hash']}")
    assert answer.content == PNG and answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"] and "inline" in answer.headers["content-disposition"]
    assert (await site.client.get(f"/api/cases/{case}/attachments/现场.png")).content == PNG


@pytest.mark.parametrize(("name", "content", "status"), [
    ("page.png", b"<html><script>alert(1)</script>", 415), ("x.svg", b"<svg onload='x'/>", 415), ("run.exe", b"MZ" + b"0" * 50, 415),
    ("x.zip", b"PK\x03\x04" + b"0" * 50, 415), ("../x.png", PNG, 400), ("", PNG, 400), ("empty.png", b"", 413),
    ("big.png", PNG + b"0" * 10_000_000, 413), ("report.docx", b"PK\x03\x04" + b"0" * 50, 201), ("a.pdf", b"%PDF-1.7 ...", 201),
])  # fmt: skip
async def test_what_is_taken(site: Site, name: str, content: bytes, status: int) -> None:
    assert await give(site, (await site.open())["id"], name, content) == status


async def test_a_paper_is_saved_and_not_shown(site: Site) -> None:
    case = (await site.open())["id"]
    await give(site, case, "a.pdf", b"%PDF-1.7 ...")
    answer = await site.client.get(f"/api/cases/{case}/attachments/a.pdf")
    assert answer.headers["content-disposition"].startswith("attachment")


async def test_a_step_names_files_that_the_case_has(site: Site) -> None:
    case = await site.open()
    path = f"/api/cases/{case['id']}/tasks/{case['tasks'][0]['id']}"
    assert "attachments" in (await site.ask("POST", path, {"outcome": "accept", "files": ["0" * 64]}, expect=400))["detail"]
    await give(site, case["id"], "a.png", PNG)
    [file] = (await site.ask("GET", f"/api/cases/{case['id']}"))["files"]
    done = await site.ask("POST", path, {"outcome": "accept", "files": [file["hash"]]})
    assert done["timeline"][-1]["files"] == [file["hash"]]
