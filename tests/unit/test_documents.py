"""The documents are whole: links lead somewhere, commands exist, and nothing of a workplace has crept in."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cityhub.cli.commands import parser
from cityhub.web.metrics import Metrics

ROOT = Path(__file__).parents[2]
TRACKED = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
PAGES = [ROOT / name for name in sorted(TRACKED) if name.endswith(".md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", page.read_text("utf-8")):
        assert target.startswith(("http://", "https://", "mailto:")) or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md", "docs/operations.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_commands_exist(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    known = set(re.findall(r"^    (\w+) +\S", parser().format_help(), re.MULTILINE))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", text)) <= targets
    used = set(re.findall(r"(?:`|bin/)cityhub ([a-z]+)", text))
    assert used <= known, used - known


async def test_metrics_of_the_page_exist() -> None:
    page = (ROOT / "docs/operations.md").read_text("utf-8")
    files = ("web/observation.py", "history/gauges.py", "ingest/register/assembly.py", "ingest/gateway/gauges.py", "rules/assembly.py")
    source = "".join((ROOT / "src/cityhub" / file).read_text("utf-8") for file in files) + (await Metrics().exposition()).decode()
    named = {name for name in re.findall(r"`(cityhub_\w+)", page) if name not in ("cityhub_requests_total", "cityhub_request_seconds")}
    assert len(named) >= 6
    for name in named:
        assert name in source, name


def test_glossary_is_one_to_one() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| [^|]+ \|$", (ROOT / "docs/glossary.md").read_text("utf-8"), re.MULTILINE)[2:]
    terms, words = [row[0] for row in rows], [row[1] for row in rows]
    assert len(words) > 40
    assert len(set(terms)) == len(terms)
    assert len(set(words)) == len(words)


def test_locks_name_no_index_and_have_hashes() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text("utf-8")
        assert "://" not in text
        assert not re.search(r"^\s*--(index|extra-index|find-links|trusted)", text, re.MULTILINE)
        for requirement in re.split(r"\n(?=[a-z0-9])", text)[1:]:
            assert "--hash=sha256:" in requirement, requirement.splitlines()[0]


def test_every_dependency_of_the_source_is_declared() -> None:
    declared = (ROOT / "pyproject.toml").read_text("utf-8").lower()
    packages = {
        "chinese_calendar": "chinesecalendar",
        "docx": "python-docx",
        "python_multipart": "python-multipart",
        "opentelemetry": "opentelemetry-sdk",
        "paho": "paho-mqtt",
        "prometheus_client": "prometheus-client",
        "psycopg_pool": "psycopg[binary,pool]",
        "py_mini_racer": "mini-racer",
        "python_calamine": "python-calamine",
        "re2": "google-re2",
        "yaml": "pyyaml",
    }
    lines = subprocess.run(
        ["git", "grep", "-hE", r"^\s*(import|from) [a-z0-9_]+", "--", "src/*.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    modules = set(re.findall(r"^\s*(?:import|from) ([a-z0-9_]+)", lines, re.MULTILINE)) - set(sys.stdlib_module_names) - {"cityhub"}
    for module in modules:
        assert f'"{packages.get(module, module)}' in declared, module
