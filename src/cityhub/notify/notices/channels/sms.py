"""Text messages (SMS) through a gateway that the operator describes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from cityhub.model.ports import Answer, Outbound, Person
from cityhub.notify.notices.channels.channel import Outcome, Parcel
from cityhub.notify.notices.channels.sms_gateway import Gateway, filled, worked_out
from cityhub.notify.notices.contacts import without_addresses

_NUMBER: Final = re.compile(r"\+?[0-9]{5,20}")


class SmsChannel:
    """The channel "sms".

    Implements `cityhub.notify.notices.channels.channel.Channel`.

    Args:
        gateway: How it is called.
        outbound: The door to other hosts.
        environment: Where the secrets are that the gateway names.
    """

    name = "sms"

    def __init__(self, gateway: Gateway, outbound: Outbound, environment: Mapping[str, str]) -> None:
        self.gateway = gateway
        self._outbound = outbound
        self._secrets = {name: environment[name] for name in gateway.secrets}
        self.repeatable = gateway.idempotent

    def address(self, person: Person) -> str:
        """The telephone number, if it looks like one."""
        number = person.contacts.get("sms", "").replace(" ", "").replace("-", "")
        return number if _NUMBER.fullmatch(number) else ""

    async def send(self, parcel: Parcel) -> Outcome:
        """Hands the message to the gateway."""
        gateway = self.gateway
        values = {
            "to": parcel.address, "text": parcel.text, "subject": parcel.subject, "id": parcel.id, "at": parcel.at,
            "urgent": parcel.urgent, "env": self._secrets,
        }  # fmt: skip
        url = gateway.url
        if gateway.query:
            url += ("&" if "?" in url else "?") + urlencode(filled(gateway.query, values, "query"))
        body, headers = self._body(values)
        answer = await self._outbound.request(gateway.method, url, headers, body, gateway.timeout_s)
        return self._judged(answer, parcel)

    def _body(self, values: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
        gateway = self.gateway
        headers: dict[str, str] = filled(gateway.headers, values, "headers")
        if gateway.json is not None:
            return orjson.dumps(filled(gateway.json, values, "json")), {"Content-Type": "application/json", **headers}
        if gateway.form:
            form = urlencode(filled(gateway.form, values, "form"))
            return form.encode(), {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return b"", headers

    def _judged(self, answer: Answer, parcel: Parcel) -> Outcome:
        """What an answer means. What the gateway may have taken without saying so is unknown, not failed."""
        if answer.status == 0:
            reason = without_addresses(answer.reason, parcel.address)[:300]
            return Outcome("unknown", reason, again=True) if answer.left else Outcome("failed", reason, again=True)
        text = answer.body[:100_000].decode("utf-8", "replace")
        said = {"status": answer.status, "body": _json(text), "text": text}
        if worked_out(self.gateway.success, said) is True:
            id = worked_out(self.gateway.receipt, said)
            return Outcome("sent", receipt=str(id)[:200] if id is not None else "")
        reason = f"the gateway answered {answer.status} {without_addresses(text, parcel.address)[:200]}"
        if worked_out(self.gateway.again, said) is True:
            return Outcome("failed", reason, again=True)
        return Outcome("unknown" if answer.status >= 500 else "failed", reason)


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
