from __future__ import annotations

from typing import Any

from crossbar_conferences.broker import requests
from crossbar_conferences.broker.requests import (
    Collected,
    PendingCall,
    PendingCollect,
    addressed,
    reply_id,
    system_log_id,
)
from crossbar_conferences.kapi.messages import Outgoing


def outgoing(**fields: Any) -> Outgoing:
    """A request with these headers; ``_`` in a name stands for ``-``."""
    return Outgoing("e", "k", {name.replace("_", "-"): value for name, value in fields.items()})


def test_addressed() -> None:
    """A request's own body is left as it is; what is sent says where to answer."""
    request = outgoing(Msg_ID="m")
    sent = addressed(request, "queue", lambda _: False)
    assert sent.body == {"Msg-ID": "m", "System-Log-ID": "m", "Server-ID": "queue"}
    assert request.body == {"Msg-ID": "m"}


def test_addressed_anew() -> None:
    """A Msg-ID that is missing or in use is replaced; the log id tells what it was about."""
    again = addressed(outgoing(Msg_ID="m", System_Log_ID="request"), "queue", {"m"}.__contains__)
    assert again.body["Msg-ID"] != "m"
    assert again.body["System-Log-ID"] == "request"
    assert len(addressed(outgoing(), "queue", lambda _: False).body["Msg-ID"]) == 16


def test_ids() -> None:
    """Replies carry the Msg-Reply-ID if there is one; log lines the first id there is."""
    assert reply_id({"Msg-ID": "m"}) == "m"
    assert reply_id({"Msg-ID": "m", "Msg-Reply-ID": "r"}) == "r"
    assert system_log_id({"Msg-ID": "m", "Call-ID": "c", "System-Log-ID": "s"}) == "s"
    assert system_log_id({"Msg-ID": "m", "Call-ID": "c"}) == "c"


async def test_call() -> None:
    """The first accepted reply ends a call; a deferred one does not."""
    pending = PendingCall(lambda body: "ok" in body)
    pending.take({"no": 1})
    pending.take({"ok": 1, "Defer-Response": True})
    assert not pending.done.is_set()
    assert pending.deferred is not None
    pending.take({"ok": 2})
    pending.take({"ok": 3})
    assert pending.reply == {"ok": 2}
    assert pending.complete


async def test_collect_counts_nodes() -> None:
    """A collect ends when as many nodes answered as there are, the newest reply first."""
    pending = PendingCollect(lambda: 2, None)
    for number, node in enumerate(["a@h", "a@h", "b@h", "c@h"]):
        pending.take({"Node": node, "n": number})
    assert pending.collected() == Collected(
        replies=({"Node": "b@h", "n": 2}, {"Node": "a@h", "n": 1}, {"Node": "a@h", "n": 0}),
        expected=2,
        heard=("b@h", "a@h"),
        complete=True,
    )


async def test_collect_anonymous() -> None:
    """Replies that don't say who gave them count one each."""
    pending = PendingCollect(lambda: 2, None)
    pending.take({"Node": 7})
    assert not pending.done.is_set()
    pending.take({})
    assert pending.done.is_set()


async def test_collect_of_nobody() -> None:
    """With nobody expected only the validator ends a collect."""
    pending = PendingCollect(lambda: 0, lambda body: "ok" in body)
    pending.take({"no": 1})
    assert not pending.done.is_set()
    pending.take({"ok": 1})
    assert pending.complete


async def test_collect_is_bounded(monkeypatch: Any) -> None:
    """A flood of replies is not kept."""
    monkeypatch.setattr(requests, "MAX_REPLIES", 3)
    pending = PendingCollect(lambda: 10, None)
    for _ in range(9):
        pending.take({"Node": "a@h"})
    assert len(pending.collected().replies) == 3


async def test_interrupt() -> None:
    """When the broker goes, what has come is still there."""
    pending = PendingCollect(lambda: 2, None)
    pending.take({"Node": "a@h"})
    pending.interrupt()
    collected = pending.collected()
    assert pending.done.is_set()
    assert (collected.interrupted, collected.complete, len(collected.replies)) == (True, False, 1)
