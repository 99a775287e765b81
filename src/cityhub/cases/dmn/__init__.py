"""Decisions: DMN 1.3 to 1.5 with FEEL.

    model = compile_model(read_definitions(xml))
    outcome = model.evaluate("防汛响应等级", {"水位": 4.7})
"""

from __future__ import annotations

from cityhub.cases.dmn.evaluation import Match, Outcome, Step
from cityhub.cases.dmn.model import DecisionModel, compile_model
from cityhub.cases.dmn.reading import read_definitions

__all__ = ["DecisionModel", "Match", "Outcome", "Step", "compile_model", "read_definitions"]
