"""The DMN TCK (`dmn-tck/tck`) against this hub's decisions: models and cases are read from a copy of it, nothing of it is kept here.

The folder is the copy's root, or its `TestCases`. Arguments name groups (`0068-feel-equality`) to run alone; with them, and with
`--failures`, each case that fails is shown.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from cityhub.cases.dmn import DecisionModel, compile_model, read_definitions
from cityhub.model.errors import CityHubError
from cityhub.model.feel.calendar import lifted
from cityhub.model.feel.functions.conversion import same
from cityhub.model.feel.numbers import NUMBERS
from cityhub.model.feel.temporal_text import read_date, read_date_time, read_duration, read_time
from tests.conformance.outcome import Outcome

CASES: Final = "{http://www.omg.org/spec/DMN/20160719/testcase}"
SCHEMA: Final = "{http://www.w3.org/2001/XMLSchema-instance}"
LEVELS: Final = ("compliance-level-2", "compliance-level-3")
_READERS: Final = {
    "string": str,
    "boolean": lambda text: text == "true",
    "date": read_date,
    "time": read_time,
    "dateTime": read_date_time,
    "duration": read_duration,
}


def run(suite: Path, arguments: list[str]) -> Outcome:
    """Runs every case of both levels, or of the groups that the arguments name."""
    root = suite / "TestCases" if (suite / "TestCases").is_dir() else suite
    if not (root / LEVELS[0]).is_dir():
        raise SystemExit(f"SUITE is '{suite}'; right would be a folder with {' and '.join(LEVELS)}")
    wanted = [argument for argument in arguments if argument != "--failures"]
    sums: Counter[tuple[str, bool]] = Counter()
    for level in LEVELS:
        for folder in sorted(path for path in (root / level).iterdir() if path.is_dir()):
            if wanted and not any(name in folder.name for name in wanted):
                continue
            results = _group(folder, show=bool(arguments))
            sums.update({(level, passed): count for passed, count in results.items()})
            print(f"  {folder.name}: {results[True]} of {results.total()}")
        print(f"{level}: passed {sums[level, True]} failed {sums[level, False]} total {sums[level, True] + sums[level, False]}")
    passed = sum(count for (_, good), count in sums.items() if good)
    return Outcome(passed, sums.total() - passed, sums.total())


def _group(folder: Path, *, show: bool) -> Counter[bool]:
    results: Counter[bool] = Counter()
    for path in sorted(folder.glob("*.xml")):
        document = ElementTree.parse(path).getroot()
        model = _model(folder, document.findtext(f"{CASES}modelName", ""))
        for case in document.iter(f"{CASES}testCase"):
            wrong = [message for node in case.iter(f"{CASES}resultNode") if (message := _wrong(model, case, node))]
            results[not wrong] += 1
            if show and wrong:
                print(f"    {case.get('id')}: {'; '.join(wrong)[:400]}")
    return results


def _model(folder: Path, name: str) -> DecisionModel | str:
    try:
        read = {path.name: read_definitions(path.read_bytes()) for path in folder.glob("*.dmn")}
        model = read.pop(name)
        known = {model.namespace: model}
        waiting = [entry.namespace for entry in model.imports]
        while waiting:
            found = next(other for other in read.values() if other.namespace == waiting[-1])
            waiting.pop()
            if found.namespace not in known:
                known[found.namespace] = found
                waiting.extend(entry.namespace for entry in found.imports)
        return compile_model(model, [other for other in known.values() if other is not model])
    except (CityHubError, StopIteration, KeyError) as error:
        return f"the model cannot be read: {error}"


def _wrong(model: DecisionModel | str, case: ElementTree.Element, node: ElementTree.Element) -> str:
    """What is wrong with the result of a case, "" when nothing is."""
    if isinstance(model, str):
        return model
    inputs = {_input_name(child): _value(child) for child in case.findall(f"{CASES}inputNode")}
    name = node.get("name", "")
    kind = case.get("type", "decision")
    try:
        outcome = model.evaluate(name, inputs) if kind == "decision" else model.invoke(case.get("invocableName") or name, inputs)
    except CityHubError as error:
        return str(error)
    expected = node.find(f"{CASES}expected")
    if expected is None or node.get("errorResult") == "true":
        return "" if outcome.value is None or outcome.warnings else f"{name}: an error is expected, not {outcome.value!r}"
    right, value = _value(expected), outcome.value
    if kind != "decision" and isinstance(value, dict) and name in value and not _alike(right, value):
        value = value[name]
    return "" if _alike(right, value) else f"{name}: expected {right!r}, found {value!r} {list(outcome.warnings)[:3]}"


def _input_name(element: ElementTree.Element) -> str:
    namespace, name = element.get("namespace"), element.get("name", "")
    return f"{namespace}#{name}" if namespace else name


def _value(element: ElementTree.Element) -> Any:
    components = element.findall(f"{CASES}component")
    if components:
        return {child.get("name", ""): _value(child) for child in components}
    items, value = element.find(f"{CASES}list"), element.find(f"{CASES}value")
    if element.get(f"{SCHEMA}nil") == "true":
        return None
    if items is not None:
        return None if items.get(f"{SCHEMA}nil") == "true" else [_value(item) for item in items.findall(f"{CASES}item")]
    if value is None or value.get(f"{SCHEMA}nil") == "true":
        return None
    text = value.text or ""
    kind = value.get(f"{SCHEMA}type", "").rpartition(":")[2]
    if kind in _READERS:
        return _READERS[kind](text)  # type: ignore[operator]
    if kind in ("decimal", "double", "integer", "float", "int", "long"):
        return Decimal(text)
    return text


def _alike(right: Any, value: Any) -> bool:
    """Whether a value is the right one; numbers may differ in what lies beyond their first eight digits, as the suite has it."""
    value = lifted(value)
    if type(right) in NUMBERS and type(value) in NUMBERS:
        return right == value or math.isclose(right, value, rel_tol=1e-8)
    if isinstance(right, list) and isinstance(value, list):
        return len(right) == len(value) and all(map(_alike, right, value))
    if isinstance(right, dict) and isinstance(value, dict):
        return right.keys() == value.keys() and all(_alike(right[key], value[key]) for key in right)
    return (right is None and value is None) or (right is not None and same(right, value))
