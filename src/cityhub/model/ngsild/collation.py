"""The order of texts in a language.

The default is the language-neutral order of the Unicode root collation in its three levels: letters first (blanks,
punctuation, symbols, currencies, digits, letters; case and accents do not count), then accents, then lower before
upper case. It is an approximation by Unicode's own character data: rare letters and scripts written without spaces
stand in the order of their code points. Chinese by pinyin follows GB 2312, whose 3,755 common characters are in
that order; others come after them.

Source: GS CIM 009 V1.9.1 clause 4.23; RFC 6067; Unicode TS 35 part 5.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from cityhub.model.errors import BadRequestData

SortKey = Callable[[str], Any]

_TAG: Final = re.compile(
    r"(?P<language>[a-z]{2,3}|root)(?:-[a-z0-9]{2,8})*"  # with script and region
    r"(?:-u(?P<keys>(?:-[a-z0-9]{2,8})+))?(?:-x(?:-[a-z0-9]{1,8})+)?"
)
_GROUPS: Final = {"Z": "0", "C": "0", "P": "1", "S": "2", "N": "4", "L": "5"}  # by the first letter of the Unicode category
_CURRENCY: Final = "3"
_SIGNS: Final = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~"  # of ASCII, in their order
_AFTER_Z: Final = ("{", "|", "}")
_GERMAN: Final = {"ä": "ae", "ö": "oe", "ü": "ue"}
_ROOT: Final[Mapping[str, str]] = {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l"}
_SWEDISH: Final = {**_ROOT, **dict(zip("åäö", _AFTER_Z, strict=True)), "æ": _AFTER_Z[1], "ø": _AFTER_Z[2]}
_DANISH: Final = {**_ROOT, **dict(zip("æøå", _AFTER_Z, strict=True)), "ä": _AFTER_Z[0], "ö": _AFTER_Z[1]}
_LETTERS: Final[dict[str, Mapping[str, str]]] = {
    **dict.fromkeys(("root", "und", "de", "en", "fr", "ga", "id", "it", "lb", "ms", "nl", "pt", "zh"), _ROOT),
    **dict.fromkeys(("sv", "fi"), _SWEDISH),
    **dict.fromkeys(("da", "nb", "nn", "no"), _DANISH),
    "es": {**_ROOT, "ñ": "n~"},
}
_LEVELS: Final = {"level1": 1, "level2": 2, "level3": 3, "level4": 4, "identic": 4}
_SCHEMES: Final = {("de", "phonebk"), ("zh", "pinyin")}


@lru_cache(maxsize=64)
def collation(tag: str = "und") -> SortKey:
    """The sort key of a collation, named by a language tag such as 'und', 'de-u-co-phonebk', 'zh' or 'und-u-ks-level2'.

    Raises BadRequestData for what is no such tag and for what is not offered, so that nothing is put in a wrong order.
    """
    found = _TAG.fullmatch(tag.lower()) if len(tag) <= 100 else None
    if found is None:
        raise BadRequestData(f"'collation' must be a language tag such as 'und' or 'de-u-co-phonebk', not {tag!r:.100}")
    language, keys = found["language"], _keywords(found["keys"] or "")
    letters = _LETTERS.get(language)
    scheme = keys.pop("co", "standard")
    level = _LEVELS.get(keys.pop("ks", "level3"))
    numeric = keys.pop("kn", "false") in ("", "true")
    first = keys.pop("kf", "false")
    if letters is None or level is None or keys or (scheme != "standard" and (language, scheme) not in _SCHEMES):
        raise BadRequestData(
            f"'collation' {tag!r} is not offered; offered are the languages {', '.join(sorted(_LETTERS))} with the keys"
            " co (phonebk for de, pinyin for zh), ks (level1 to level4, identic), kf (upper, lower) and kn"
        )
    if scheme == "phonebk":
        letters = {**letters, **_GERMAN}
    return _Key(letters, level, numeric=numeric, upper_first=first == "upper", pinyin=language == "zh")


def _keywords(text: str) -> dict[str, str]:
    """The keys of a '-u-' extension: two letters each, followed by their value."""
    keys: dict[str, str] = {}
    key = ""
    for part in text.split("-")[1:]:
        if len(part) == 2:
            key = part
            keys[key] = ""
        else:
            keys[key] = f"{keys.get(key, '')}-{part}".lstrip("-")
    return keys


def _weight(base: str) -> str:
    """A letter behind the group that it belongs to."""
    category = unicodedata.category(base)
    group = _CURRENCY if category == "Sc" else _GROUPS.get(category[0], "2")
    return group + (chr(0x20 + _SIGNS.index(base)) if base in _SIGNS else base)


_ASCII_LETTERS: Final = {letter: _weight(chr(letter).lower()) for letter in range(128)}


class _Key:
    """Makes sort keys: letters, accents, cases and the text itself, as far as the level goes."""

    def __init__(self, letters: Mapping[str, str], level: int, *, numeric: bool, upper_first: bool, pinyin: bool) -> None:
        self._letters = letters
        self._level = level
        self._numeric = numeric
        self._upper = "10" if upper_first else "01"
        self._cases = {letter: self._upper[chr(letter).isupper()] for letter in range(128)}
        self._pinyin = pinyin

    def __call__(self, text: str) -> tuple[Any, ...]:
        if text.isascii():
            letters = text.translate(_ASCII_LETTERS)
            return (_numbers(letters) if self._numeric else letters, (), text.translate(self._cases), text)[: self._level]
        primary: list[str] = []
        accents: list[str] = []
        cases: list[str] = []
        for letter in unicodedata.normalize("NFC", text):
            own = self._letters.get(letter.lower())
            for base in (own,) if own else unicodedata.normalize("NFKD", letter).casefold():
                if unicodedata.combining(base[0]):
                    accents[-1:] = [(accents[-1] if accents else "") + base]
                    continue
                primary.append(self._primary(base, own is not None))
                accents.append(letter.lower() if own is not None else "")
                cases.append(self._upper[letter != letter.lower()])
        while accents and not accents[-1]:
            accents.pop()  # so that a text of plain letters has none, as in the short way above
        joined = "".join(primary)
        return (_numbers(joined) if self._numeric else joined, tuple(accents), "".join(cases), text)[: self._level]

    def _primary(self, base: str, tailored: bool) -> str:
        if tailored:
            return "".join(f"5{letter}" if letter.isalpha() or letter in _AFTER_Z else letter for letter in base)
        if self._pinyin and unicodedata.category(base) == "Lo":
            try:
                return f"5{chr(0xF0000 + int.from_bytes(base.encode('gb2312')))}"
            except UnicodeEncodeError:
                return f"5{chr(0x100000 + ord(base) % 0xFFFE)}"
        return _weight(base)


def _numbers(primary: str) -> str:
    """Runs of digits begin with how long they are, so that 9 comes before 10."""
    return re.sub(r"(?:4\d)+", lambda run: _number(run[0][1::2]), primary)


def _number(digits: str) -> str:
    value = digits.lstrip("0") or "0"
    return f"4{chr(0x30 + min(len(value), 0xFFFF))}{value}"
