"""FEEL, the expression language of DMN 1.5: the one expression language of the hub.

    >>> rain = compile_expression('if level > 4.5 then "涨水" else "正常"')
    >>> rain({"level": 4.7})
    '涨水'
"""

from __future__ import annotations

from cityhub.model.feel.errors import FeelSyntaxError
from cityhub.model.feel.expression import Expression, compile_expression, compile_unary_tests
from cityhub.model.feel.to_json import to_json

__all__ = ["Expression", "FeelSyntaxError", "compile_expression", "compile_unary_tests", "to_json"]
