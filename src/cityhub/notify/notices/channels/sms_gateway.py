"""How a gateway for text messages is called: a file of the operator, since every gateway has an HTTP interface of its own.

Texts have FEEL expressions in {braces}; they see `to`, `text`, `subject`, `id`, `at`, `urgent` and `env` with the secrets that the file
names. Answers are judged by FEEL over `status`, `body` (JSON; null where it is none) and `text`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from cityhub.model.errors import BadRequestData
from cityhub.model.feel import FeelSyntaxError, compile_expression, to_json
from cityhub.notify.notices.template import phrases
from cityhub.registers.reading import decoded

MOST_BYTES: Final = 64 * 1024


class Receipts(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How the gateway's receipts are read.

    Attributes:
        token: Name of the environment variable with the token that a receipt must carry.
        each: FEEL over `body`: the receipts of a call, a list; empty: the body is one.
        id: FEEL over one receipt: the gateway's id of the message, or the hub's.
        state: FEEL over one receipt: "delivered", "failed", or null for what is not known yet.
        detail: FEEL over one receipt: why.
        answer: What the gateway wants to be answered, as it is; empty: the hub's own answer.
    """

    token: str
    id: str
    state: str
    each: str = ""
    detail: str = ""
    answer: str = ""


class Gateway(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A gateway.

    Attributes:
        url: Where it is called.
        method: How.
        headers: By name.
        json: Body as JSON whose texts are filled in; null: none.
        form: Body as a form.
        query: Parameters of the address.
        secrets: Names of environment variables that texts see as `env.NAME`.
        success: FEEL: whether an answer says that the message was taken.
        again: FEEL: whether an answer says that it was surely not taken, and may be later.
        receipt: FEEL: the gateway's id of the message; empty: the hub's id is the one that receipts name.
        idempotent: Whether the gateway knows a repeated message by its id, so that one may be sent again.
        timeout_s: How long an answer may take.
        receipts: How its receipts are read; null: it sends none.
    """

    url: str
    method: Literal["POST", "GET", "PUT"] = "POST"
    headers: dict[str, str] = {}
    json: Any = None
    form: dict[str, str] = {}
    query: dict[str, str] = {}
    secrets: list[str] = []
    success: str = "status >= 200 and status < 300"
    again: str = "status = 429 or status = 503"
    receipt: str = ""
    idempotent: bool = False
    timeout_s: float = 15.0
    receipts: Receipts | None = None


def read_gateway(content: bytes, environment: Mapping[str, str]) -> Gateway:
    """A gateway from YAML that has been checked. Raises BadRequestData naming the member that is wrong."""
    gateway = decoded(content, Gateway, "gateway for text messages", MOST_BYTES)
    if not gateway.url.startswith(("https://", "http://")):
        raise BadRequestData("'url' must be an http or https address")
    if not 1 <= gateway.timeout_s <= 60:
        raise BadRequestData("'timeout_s' must be a number from 1 to 60")
    for where, texts in (("headers", gateway.headers), ("form", gateway.form), ("query", gateway.query), ("json", gateway.json)):
        filled(texts, {}, where)
    expressions = {"success": gateway.success, "again": gateway.again, "receipt": gateway.receipt}
    if gateway.receipts is not None:
        expressions |= {f"receipts.{name}": getattr(gateway.receipts, name) for name in ("each", "id", "state", "detail")}
    for where, text in expressions.items():
        _check(text, where)
    for name in (*gateway.secrets, *([gateway.receipts.token] if gateway.receipts else [])):
        if not environment.get(name):
            raise BadRequestData(f"The environment must have the secret '{name}' that the gateway for text messages needs")
    return gateway


def _check(text: str, where: str) -> None:
    try:
        compile_expression(text) if text else None
    except FeelSyntaxError as error:
        raise BadRequestData(f"'{where}': {error.detail}") from None


def filled(value: Any, values: Mapping[str, Any], where: str) -> Any:
    """A value whose texts are filled in."""
    if isinstance(value, str):
        return "".join(part if isinstance(part, str) else _text(part(values)) for part in phrases(value, where))
    if isinstance(value, dict):
        return {name: filled(one, values, f"{where}.{name}") for name, one in value.items()}
    return [filled(one, values, where) for one in value] if isinstance(value, list) else value


def _text(value: Any) -> str:
    plain = to_json(value)
    return "" if plain is None else str(plain).lower() if isinstance(plain, bool) else str(plain)


def worked_out(expression: str, values: Mapping[str, Any]) -> Any:
    """The value of an expression as JSON; None for an empty one."""
    return to_json(compile_expression(expression)(values)) if expression else None
