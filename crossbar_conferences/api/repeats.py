"""Requests that may come twice: the Idempotency-Key header around a PUT.

Source: draft-ietf-httpapi-idempotency-key-header-06.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from .. import jsontext
from ..commands.idempotency import MAX_KEY_LENGTH, AnswerUnknown, IdempotencyKeys, KeyReused, Packing
from ..sockets.reviews import Unauthorized
from . import envelope
from .errors import ApiError, invalid_credentials, validation_error
from .exchange import Answer, Exchange
from .standing import Standing, error_of

Work = Callable[[Exchange], Awaitable[None]]


@dataclass(slots=True)
class _Turn:
    """Whether a request does the work itself, and whether its right to it is over."""

    began: bool = False
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Repeats:
    """Runs work once for each key of an account. ``standing``: whoever waits for another's work is told
    of it only while its own right lasts."""

    keys: IdempotencyKeys[Answer]
    standing: Standing

    async def once(self, exchange: Exchange, work: Work) -> None:
        """Do the work, or answer what it answered before under the request's key."""
        key = exchange.headers.get("Idempotency-Key")
        if key is None:
            await work(exchange)
            return
        if not key or len(key) > MAX_KEY_LENGTH or not key.isprintable():
            message = f"must be 1 to {MAX_KEY_LENGTH} printable characters"
            raise validation_error({"Idempotency-Key": {"wrong_format": {"message": message, "value": key}}})

        turn = _Turn()

        async def first() -> Answer:
            if turn.ended:
                # It waited for another process, which did not do it after all; others may.
                raise AnswerUnknown
            turn.began = True
            await work(exchange)
            return exchange.answer

        account_id = exchange.account_id
        # The query counts: ?dry_run=true is another request than the real one.
        query = "&".join(sorted(f"{name}={value}" for name, value in exchange.query.items()))
        asked = f"{exchange.verb} {exchange.path}?{query}\n".encode("utf-8", "surrogatepass")
        fingerprint = hashlib.sha256(asked + exchange.raw).hexdigest()
        exchange.raw = b""
        try:
            answer, repeated = await self.keys.run(
                account_id, key, fingerprint, first, partial(self._waiting, exchange, turn)
            )
        except KeyReused:
            message = "this Idempotency-Key was used with another request"
            raise ApiError("idempotency_mismatch", {"message": message}) from None
        except AnswerUnknown:
            message = "the request under this Idempotency-Key is in hand or done; its answer is not known"
            raise ApiError("idempotency_unknown", {"message": message}) from None
        if repeated:
            exchange.answer = replace(answer, headers={**answer.headers, "idempotency-replayed": "true"})

    @asynccontextmanager
    async def _waiting(self, exchange: Exchange, turn: _Turn) -> AsyncIterator[None]:
        """While a request waits for another one. Raises `ApiError` when it may not, or no longer."""
        exchange.waits()
        try:
            async with asyncio.timeout(None) as until:

                def end(reason: str) -> None:
                    turn.ended = True
                    if not turn.began:
                        # What it does itself, it follows to the end in its own way.
                        until.reschedule(0.0)

                async with self.standing.command(exchange)(end):
                    yield
        except Unauthorized as refusal:
            raise error_of(refusal) from None
        except TimeoutError:
            if not until.expired():
                raise
            raise invalid_credentials() from None


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
