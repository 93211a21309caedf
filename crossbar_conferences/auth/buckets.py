"""Rate tokens: each caller has a bucket that requests take from and time refills.

A bucket starts full and gets its tokens in blocks, once per unit of time. Buckets belong to a node,
as Kazoo's do: to this process, or to all worker processes of this host together (``charging.py``).
Source: data.md 8, http.md 8.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..addresses import limited_as
from ..clock import Clock
from .system_config import Category, SystemConfig, integer, within

APPLICATION: Final = "crossbar"

_UNITS: Final[Mapping[str, float]] = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0}
_MAX_NAME = 200
#: How the names of buckets begin that count guesses (``guesses.py``); no address does.
GUESSES: Final = "guesses/"


@dataclass(frozen=True, slots=True)
class Limits:
    """The shape of a new bucket; times in seconds."""

    size: int = 100
    fill_rate: int = 10
    fill_seconds: float = 1.0
    idle_seconds: float = 600.0


@dataclass(slots=True)
class _Bucket:
    tokens: int
    limits: Limits
    #: When the last block came in; always a whole number of fill times after the start.
    filled_at: float
    used_at: float

    def fill(self, now: float) -> None:
        blocks = int((now - self.filled_at) // self.limits.fill_seconds)
        if blocks > 0:
            self.tokens = min(self.limits.size, self.tokens + blocks * self.limits.fill_rate)
            self.filled_at += blocks * self.limits.fill_seconds


class TokenBuckets:
    """All buckets of a node: at most ``limit``; those unused for long, or for longest, go first.

    Buckets that count guesses are apart, at most ``limit`` of them too: who asks for many paths from many
    addresses pushes none of them out. ``clock`` counts seconds and never goes back.
    """

    def __init__(self, *, limit: int = 100_000, clock: Clock = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._guesses: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets) + len(self._guesses)

    def consume(self, name: str, cost: int, limits: Limits) -> bool:
        """Take ``cost`` tokens, or nothing when there are fewer; whether they were taken.

        A negative cost gives back what was taken."""
        bucket = self._use(name, limits)
        if bucket.tokens < cost:
            return False
        bucket.tokens = min(bucket.tokens - cost, bucket.limits.size)
        return True

    def consume_until(self, name: str, cost: int, limits: Limits) -> bool:
        """Like `consume`, but empties the bucket when it holds too little: for logins."""
        bucket = self._use(name, limits)
        enough = bucket.tokens >= cost
        bucket.tokens = bucket.tokens - cost if enough else 0
        return enough

    def remaining(self, name: str, limits: Limits) -> int:
        """What a bucket holds; an unknown one is full, and is not made."""
        name = _short(name)
        bucket = self._table(name).get(name)
        if bucket is None:
            return limits.size
        now = self._clock()
        if now - bucket.used_at > bucket.limits.idle_seconds:
            return limits.size
        bucket.fill(now)
        return bucket.tokens

    def note(self, name: str, tokens: int, limits: Limits) -> None:
        """Somebody else took from a bucket: this is what it holds now."""
        bucket = self._use(name, limits)
        bucket.tokens, bucket.filled_at = tokens, bucket.used_at

    def _use(self, name: str, limits: Limits) -> _Bucket:
        name, now = _short(name), self._clock()
        table = self._table(name)
        _evict(table, now)
        bucket = table.get(name)
        if bucket is None:
            bucket = table[name] = _Bucket(limits.size, limits, now, now)
            if len(table) > self._limit:
                table.popitem(last=False)
        bucket.fill(now)
        bucket.used_at = now
        table.move_to_end(name)
        return bucket

    def _table(self, name: str) -> OrderedDict[str, _Bucket]:
        return self._guesses if name.startswith(GUESSES) else self._buckets


def _evict(table: OrderedDict[str, _Bucket], now: float) -> None:
    while table:
        oldest = next(iter(table.values()))
        if now - oldest.used_at <= oldest.limits.idle_seconds:
            return
        table.popitem(last=False)


def bucket_name(client_ip: str | None, account_id: str | None) -> str:
    """The bucket of a caller: address, of IPv6 its network, and the account of the path."""
    return f"{limited_as(client_ip) if client_ip else 'no_ip'}/{account_id or 'no_account'}"


def cost(token_costs: Any, account_id: str | None, endpoint: str, verb: str) -> int:
    """What a request costs, by ``system_config/crossbar`` ``token_costs``: 0 is free, else at least 1.

    The setting is a number, or an object by account, endpoint and verb; the most special entry wins.
    """
    if not isinstance(token_costs, Mapping):
        return _price(token_costs)
    paths: list[tuple[str, ...]] = [(endpoint, verb), (endpoint,)]
    if account_id:
        paths[:0] = [(account_id, endpoint, verb), (account_id, endpoint), (account_id,)]
    for path in paths:
        found = within(token_costs, path)
        if found is not None and not isinstance(found, Mapping):
            return _price(found)
    return 1


def _price(value: Any) -> int:
    price = integer(value, 1)
    return 0 if price == 0 else max(price, 1)


async def limits(system: SystemConfig) -> Limits:
    """The sizes of ``system_config/token_buckets``, with Kazoo's defaults; one read."""
    return await system.made("token_buckets", _limits)


def _limits(category: Category) -> Limits:
    def first(*paths: tuple[str, ...]) -> Any:
        return next((found for path in paths if (found := category.value(path)) is not None), None)

    plain = Limits()
    size = first((APPLICATION, "max_bucket_tokens"), ("default", "max_bucket_tokens"))
    rate = first((APPLICATION, "tokens_fill_rate"), ("tokens_fill_rate",))
    idle = first((APPLICATION, "inactivity_timeout_s"), ("inactivity_timeout_s",))
    unit = first((APPLICATION, "tokens_fill_time"), ("tokens_fill_time",))
    return Limits(
        max(integer(size, plain.size), 0),
        max(integer(rate, plain.fill_rate), 0),
        _UNITS.get(unit, plain.fill_seconds) if isinstance(unit, str) else plain.fill_seconds,
        float(max(integer(idle, int(plain.idle_seconds)), 1)),
    )


def _short(name: str) -> str:
    # What stands for the account in a path may be any text; a bucket's name takes bounded memory.
    if len(name) <= _MAX_NAME:
        return name
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
