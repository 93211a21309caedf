"""Requests that may come twice: the Idempotency-Key header around a PUT.

Source: draft-ietf-httpapi-idempotency-key-header-06.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from ..commands.idempotency import MAX_KEY_LENGTH, IdempotencyKeys, KeyReused
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
        digest = hashlib.sha256(exchange.raw).hexdigest()
        fingerprint = f"{exchange.verb} {exchange.path}?{query} {digest}"
        try:
            answer, repeated = await self.keys.run(account_id, key, fingerprint, first)
        except KeyReused:
            message = "this Idempotency-Key was used with another request"
            raise ApiError("idempotency_mismatch", {"message": message}) from None
        if repeated:
            exchange.answer = replace(answer, headers={**answer.headers, "idempotency-replayed": "true"})
