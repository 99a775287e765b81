"""The door for gateways' receipts: whether a message has reached the telephone.

It is open to everybody who has the gateway's token, since a gateway cannot sign in.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
import orjson

from cityhub.model.errors import InvalidRequest, NotFound, TooLarge, Unauthenticated
from cityhub.model.time import Clock, to_text
from cityhub.notify.notices.channels.sms import SmsChannel
from cityhub.notify.notices.channels.sms_gateway import worked_out
from cityhub.notify.notices.dispatch import Dispatch
from cityhub.notify.notices.ledger import Ledger
from cityhub.notify.notices.message import Message
from cityhub.web.http import Request, Response, Route, json_response

MOST_BYTES: Final = 256 * 1024
MOST: Final = 1_000


class ReceiptApi:
    """The door.

    Args:
        ledger: The messages.
        dispatch: Hears of what did not arrive.
        sms: The channel whose gateway sends receipts; None: there is none.
        environment: Where the token is.
        clock: The present time.
    """

    def __init__(self, ledger: Ledger, dispatch: Dispatch, sms: SmsChannel | None, environment: Mapping[str, str], clock: Clock) -> None:
        self._ledger = ledger
        self._dispatch = dispatch
        self._sms = sms
        self._environment = environment
        self._clock = clock

    def routes(self) -> list[Route]:
        """The door; it asks for the token itself."""
        return [Route("POST", "/api/notices/receipts/{channel}", self._take, "public", "Take Receipts of Messages", tag="notices")]

    async def _take(self, request: Request) -> Response:
        receipts = self._sms.gateway.receipts if self._sms is not None else None
        self._check_token(request, receipts.token if receipts is not None else "")
        if receipts is None or request.parameters["channel"] != "sms":
            raise NotFound("No receipts are taken for this channel")
        body = _body(request)
        found = worked_out(receipts.each, {"body": body}) if receipts.each else [body]
        if not isinstance(found, list) or len(found) > MOST:
            raise InvalidRequest(f"A call must have a list of at most {MOST} receipts")
        taken = 0
        for one in found:
            if isinstance(one, dict):
                state, detail = worked_out(receipts.state, one), worked_out(receipts.detail, one)
                taken += await self._note(str(worked_out(receipts.id, one)), state, str(detail or "")[:200])
        if receipts.answer:
            return Response(200, receipts.answer.encode(), media_type="text/plain; charset=utf-8")
        return json_response({"taken": taken, "unknown": len(found) - taken})

    def _check_token(self, request: Request, variable: str) -> None:
        """Raises Unauthenticated for a wrong token, also where there is nothing to take: a stranger learns nothing."""
        given = request.headers.get("authorization", "").removeprefix("Bearer ") or request.query.get("token", "")
        wanted = self._environment.get(variable, "") if variable else ""
        if not wanted or not hmac.compare_digest(given.encode(), wanted.encode()):
            raise Unauthenticated("A receipt must carry the gateway's token, as 'Authorization: Bearer ...' or as the parameter 'token'")

    async def _note(self, receipt: str, state: Any, detail: str) -> bool:
        """Writes a receipt down; False when its message is not known, or nothing is said of it."""
        id = self._ledger.of_receipt("sms", receipt)
        if id is None or state not in ("delivered", "failed"):
            return False
        if state == "failed":
            await self._dispatch.not_arrived(id, f"the gateway says that it did not arrive: {detail}")
            return True
        at = to_text(self._clock.now())

        def delivered(message: Message, _: str) -> Message | None:
            if message.state not in ("sent", "doubtful", "sending"):
                return None
            return msgspec.structs.replace(message, state="delivered", delivered_at=at)

        await self._ledger.change(id, delivered)
        return True


def _body(request: Request) -> Any:
    if len(request.body) > MOST_BYTES:
        raise TooLarge(f"A call with receipts may have at most {MOST_BYTES} bytes")
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        try:
            return dict(parse_qsl(request.body.decode(), keep_blank_values=True, max_num_fields=200))
        except ValueError:
            raise InvalidRequest("The body must be a form in UTF-8 with at most 200 fields") from None
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The body must be JSON or a form: {error}") from None
