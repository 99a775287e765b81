"""The words of an expression: names' parts, numbers, texts, signs.

A FEEL name may have spaces and signs in it (`date and time`, `员工 工龄`, `a-b`), so that the lexer gives the parts and the
grammar, which knows the names that are in scope, puts them together.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from cityhub.model.feel.errors import FeelSyntaxError

NAME: Final = "name"
NUMBER: Final = "number"
STRING: Final = "string"
SIGN: Final = "sign"
END: Final = "end"

_SPACE = r"(?:[\s\u0085\u180e\u200b\ufeff]|//[^\n]*|/\*.*?\*/)+"
_START = (
    r"?A-Z_a-z\u00b7\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u037d\u037f-\u1fff\u200c\u200d\u203f\u2040\u2070-\u218f"
    r"\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufefe\uff00-\ufffd\U00010000-\U000effff"
)
_TOKEN = re.compile(
    rf"(?P<space>{_SPACE})"
    rf"|(?P<name>[{_START}][{_START}0-9]*)"
    r"|(?P<number>(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r'|(?P<string>"(?:\\.|[^"\\])*")'
    r"|(?P<sign>\.\.\.|\.\.|\*\*|->|!=|<=|>=|[-+*/=<>()\[\]{},:.@'|;!%&$#^`~\\])",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{6})|(.))", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "'": "'", '"': '"', "\\": "\\"}


class Token(msgspec.Struct, frozen=True, gc=False):
    """A word of the text.

    Attributes:
        kind: NAME, NUMBER, STRING, SIGN or END.
        text: The word as written; of a text what stands between the quotes, escapes resolved.
        start: Where it begins in the text.
        end: Where it ends.
    """

    kind: str
    text: str
    start: int
    end: int


def tokens_of(text: str) -> list[Token]:
    """The words of a text, with one of kind END behind the last.

    Raises:
        FeelSyntaxError: A character that begins no word, a text without its closing quote.
    """
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            wanted = "a text ends with '\"'" if text[position] == '"' else f"the character {text[position]!r} begins nothing"
            raise FeelSyntaxError(text, position, wanted)
        kind = found.lastgroup
        if kind == "name" and not found.group().isidentifier() and found.group().isspace():
            kind = "space"
        if kind != "space":
            word = unescaped(found.group()[1:-1]) if kind == "string" else found.group()
            tokens.append(Token(str(kind), word, position, found.end()))
        position = found.end()
    tokens.append(Token(END, "", len(text), len(text)))
    return tokens


def unescaped(text: str) -> str:
    """A text with its escapes (`\\n`, `\\"`, `\\u4e2d`, `\\U01F40E`) resolved; an unknown escape stays as it is."""
    if "\\" not in text:
        return text
    joined = _ESCAPE.sub(_character, text)
    return joined.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _character(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    if code is None:
        return _ESCAPES.get(found[3], found[0])
    number = int(code, 16)
    return chr(number) if number <= 0x10FFFF else found[0]
