"""The licences that a dataset may name. Ids are those of CKAN's own list where it has them."""

from __future__ import annotations

from typing import Final

import msgspec

from cityhub.catalogue.model import NO_LICENCE, Names


class Licence(msgspec.Struct, frozen=True):
    """A licence: its id, its titles, its address, and whether it is open after the Open Definition."""

    id: str
    title: Names
    url: str = ""
    is_open: bool = True


LICENCES: Final = (
    Licence(NO_LICENCE, {"zh": "未注明许可", "en": "Licence not specified"}, is_open=False),
    Licence("cc-zero", {"zh": "知识共享 零 (CC0 1.0)", "en": "Creative Commons CC Zero"}, "https://creativecommons.org/publicdomain/zero/1.0/"),
    Licence("cc-by-4.0", {"zh": "知识共享 署名 4.0", "en": "Creative Commons Attribution 4.0"}, "https://creativecommons.org/licenses/by/4.0/"),
    Licence(
        "cc-by-sa-4.0", {"zh": "知识共享 署名-相同方式共享 4.0", "en": "Creative Commons Attribution-ShareAlike 4.0"},
        "https://creativecommons.org/licenses/by-sa/4.0/",
    ),
    Licence("odc-by", {"zh": "开放数据共用 署名", "en": "Open Data Commons Attribution"}, "https://opendatacommons.org/licenses/by/1-0/"),
    Licence("odc-odbl", {"zh": "开放数据共用 开放数据库许可", "en": "Open Data Commons Open Database License"}, "https://opendatacommons.org/licenses/odbl/1-0/"),
    Licence("apache-2.0", {"zh": "Apache 许可 2.0", "en": "Apache License 2.0"}, "https://www.apache.org/licenses/LICENSE-2.0"),
    Licence("mit", {"zh": "MIT 许可", "en": "MIT License"}, "https://opensource.org/license/mit"),
    Licence("other-pd", {"zh": "公有领域（事实，不受著作权保护）", "en": "Public domain (facts, not under copyright)"}),
    Licence("other-open", {"zh": "其他开放许可", "en": "Other (open)"}),
    Licence("other-closed", {"zh": "其他非开放许可", "en": "Other (not open)"}, is_open=False),
)  # fmt: skip
_BY_ID: Final = {licence.id: licence for licence in LICENCES}
_NAMES: Final = {"事实": "other-pd", "apache-2.0": "apache-2.0", "mit": "mit", "cc-by-4.0": "cc-by-4.0", "cc0": "cc-zero"}


def licence_of(text: str) -> str:
    """The id of the licence that a text means; the text itself when it means none that is known.

    >>> licence_of("事实"), licence_of("CC-BY-4.0"), licence_of("WTFPL")
    ('other-pd', 'cc-by-4.0', 'WTFPL')
    """
    return _NAMES.get(text.strip().lower(), text)


def find_licence(id: str) -> Licence:
    """The licence with an id; one that is not known is not open."""
    return _BY_ID.get(id) or Licence(id, {"zh": id}, is_open=False)
