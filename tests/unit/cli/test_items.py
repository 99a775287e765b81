"""Reading items: every layout, packed or not, and what is told of a faulty one."""

from __future__ import annotations

import contextlib
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cityhub.cli import items
from cityhub.cli.items import Item, ItemFile


def read(path: Path) -> list[Item]:
    with contextlib.closing(ItemFile(str(path))) as file:
        found = list(file.items())
        assert file.read_bytes == file.total_bytes == path.stat().st_size
        return found


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('{"id":"a"}\n{"id":"b"}\n', [1, 2]),
        ('\n{"id":"a"}\n\n{"id":"b"}', [2, 4]),
        ('[{"id":"a"},{"id":"b"}]', [1, 1]),
        ('[\n  {"id":"a"},\n  {\n   "id":"b"\n  }\n]\n', [2, 3]),
        ('{\n"id":"a"\n}\n{\n"id":"b"\n}\n', [1, 4]),
        ('\ufeff[{"id":"a"},\n{"id":"b"}]', [1, 2]),
    ],
)
def test_layouts(tmp_path: Path, text: str, lines: list[int], packed: bool) -> None:
    path = tmp_path / "items"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    found = read(path)
    assert [item.document for item in found] == [{"id": "a"}, {"id": "b"}]
    assert [item.line for item in found] == lines


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(
    documents=st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=30), max_size=4), max_size=20),
    indent=st.sampled_from([None, 0, 2]),
    chunk=st.integers(1, 64),
)
def test_arrays_are_read_whole_whatever_the_chunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, documents: list[dict[str, str]], indent: int | None, chunk: int
) -> None:
    monkeypatch.setattr(items, "CHUNK", chunk)
    path = tmp_path / "items.json"
    path.write_text(json.dumps(documents, indent=indent, ensure_ascii=False), "utf-8")
    assert [item.document for item in read(path)] == documents


def test_a_bad_line_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "items.ndjson"
    path.write_text('{"id":"a"}\n{broken\n[1]\n{"id":"b"}\n')
    good, broken, wrong, last = read(path)
    assert good.document == {"id": "a"}
    assert (broken.line, broken.document) == (2, None)
    assert broken.fault.startswith("not valid JSON at column 2")
    assert (wrong.line, wrong.fault) == (3, "an entity is a JSON object, not list")
    assert last.document == {"id": "b"}


def test_a_fault_in_an_array_ends_the_file_and_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "items.json"
    path.write_text('[\n{"id":"a"},\n{"id" "b"},\n{"id":"c"}]')
    good, bad = read(path)
    assert good.document == {"id": "a"}
    assert bad.line == 3
    assert "the rest of the file was not read" in bad.fault


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", None),
        (b"  \n \n", None),
        (b"[]", None),
        (b"[\xff\xfe", "cannot be read further"),
        (gzip.compress(b'[{"id":"a"}]', mtime=0)[:-9], "cannot be read further"),
        (b"hello", "not valid JSON"),
    ],
)
def test_strange_files(tmp_path: Path, content: bytes, told: str | None) -> None:
    path = tmp_path / "items"
    path.write_bytes(content)
    with contextlib.closing(ItemFile(str(path))) as file:
        faults = [item.fault for item in file.items() if item.fault]
    assert (told is None and not faults) or (told is not None and told in faults[-1])
