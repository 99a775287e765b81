"""What is wrong with the text of an expression, and where."""

from __future__ import annotations

from cityhub.model.errors import BadRequestData


class FeelSyntaxError(BadRequestData):
    """The text is not FEEL.

    Attributes:
        line: Line of the text, from 1.
        column: Character of the line, from 1.
    """

    title = "Not a FEEL expression"

    def __init__(self, text: str, position: int, reason: str) -> None:
        before = text[:position]
        self.line = before.count("\n") + 1
        self.column = position - (before.rfind("\n") + 1) + 1
        super().__init__(f"FEEL, line {self.line}, column {self.column}: {reason}", line=self.line, column=self.column)
