"""How much of something limited each account holds: a bound for all together, and one for each.

Whatever is kept, waited for or held open on behalf of accounts is counted here, in pieces or in
bytes, so that no account can take what the others need.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class ShareExceeded(Exception):
    """The account, or all accounts together, would hold more than they may.

    ``of_account``: whether it is the account's own share that is used up.
    """

    def __init__(self, *, of_account: bool) -> None:
        super().__init__("the account's share is used up" if of_account else "the limit of all is reached")
        self.of_account = of_account


class Shares:
    """Amounts held by account, at most ``total`` in all and ``each`` by one.

    The unit is the caller's: pieces, bytes. ``""`` stands for whoever has no account. Holds
    nothing for an account that has given everything back.
    """

    def __init__(self, total: int, each: int) -> None:
        self.total = total
        self.each = each
        self._all = 0
        self._held: dict[str, int] = {}

    def take(self, account_id: str, amount: int = 1) -> None:
        """Hold more; raises `ShareExceeded`, and holds what it held."""
        held = self._held.get(account_id, 0) + amount
        if held > self.each:
            raise ShareExceeded(of_account=True)
        if self._all + amount > self.total:
            raise ShareExceeded(of_account=False)
        self._all += amount
        self._held[account_id] = held

    def give(self, account_id: str, amount: int = 1) -> None:
        """Hold less; never more than is held."""
        held = self._held.get(account_id, 0)
        given = min(amount, held)
        self._all -= given
        if held > given:
            self._held[account_id] = held - given
        else:
            self._held.pop(account_id, None)

    def held(self, account_id: str | None = None) -> int:
        """What an account holds; without one, what all hold together."""
        return self._all if account_id is None else self._held.get(account_id, 0)

    def accounts(self) -> int:
        """How many accounts hold anything."""
        return len(self._held)

    @contextmanager
    def holding(self, account_id: str, amount: int = 1) -> Iterator[None]:
        """Hold more for as long as the ``with`` block lasts; raises `ShareExceeded`."""
        self.take(account_id, amount)
        try:
            yield
        finally:
            self.give(account_id, amount)
