"""Requests that may come twice: the Idempotency-Key header around a PUT.

Source: draft-ietf-httpapi-idempotency-key-header-06.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from .. import jsontext
from ..commands.idempotency import MAX_KEY_LENGTH, AnswerUnknown, IdempotencyKeys, KeyReused, Packing
from . import envelope
from .errors import ApiError, validation_error
from .exchange import Answer, Exchange

Work = Callable[[Exchange], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Repeats:
    """Runs work once for each key of an account."""

    keys: IdempotencyKeys[Answer]

    async def once(self, exchange: Exchange, work: Work) -> None:
        """Do the work, or answer what it answered before under the request's key."""
        key = exchange.headers.get("Idempotency-Key")
        if key is None:
            await work(exchange)
            return
        if not key or len(key) > MAX_KEY_LENGTH or not key.isprintable():
            message = f"must be 1 to {MAX_KEY_LENGTH} printable characters"
            raise validation_error({"Idempotency-Key": {"wrong_format": {"message": message, "value": key}}})

        async def first() -> Answer:
            await work(exchange)
            return exchange.answer

        account_id = exchange.account_id
        # The query counts: ?dry_run=true is another request than the real one.
        query = "&".join(sorted(f"{name}={value}" for name, value in exchange.query.items()))
        asked = f"{exchange.verb} {exchange.path}?{query}\n".encode("utf-8", "surrogatepass")
        fingerprint = hashlib.sha256(asked + exchange.raw).hexdigest()
        exchange.raw = b""
        try:
            answer, repeated = await self.keys.run(account_id, key, fingerprint, first, exchange.waits)
        except KeyReused:
            message = "this Idempotency-Key was used with another request"
            raise ApiError("idempotency_mismatch", {"message": message}) from None
        except AnswerUnknown:
            message = "the request under this Idempotency-Key is in hand or done; its answer is not known"
            raise ApiError("idempotency_unknown", {"message": message}) from None
        if repeated:
            exchange.answer = replace(answer, headers={**answer.headers, "idempotency-replayed": "true"})


#: What of an answer the response is made of; of its document only what the metadata shows.
_KEPT = ("status", "data", "metadata", "revision", "location", "explicit", "headers")
_SHOWN = ("_id", "_rev", "pvt_created", "pvt_modified")


def pack(answer: Answer) -> bytes:
    """An answer for another process."""
    fields = {name: getattr(answer, name) for name in _KEPT}
    if answer.document is not None:
        fields["document"] = {name: answer.document[name] for name in _SHOWN if name in answer.document}
    return envelope.dumps(fields)


def unpack(packed: bytes) -> Answer:
    """What `pack` was given, as far as the response goes."""
    return Answer(**jsontext.decode_stored(packed))


#: How answers are told to the other processes of a host.
ANSWERS = Packing(pack, unpack)
