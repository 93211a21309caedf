"""What one account or address keeps, holds open or waits for, never takes what others need."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import orjson
import pytest

from crossbar_conferences.dataset import mint_tokens
from tests.support.brokers import eventually
from tests.support.raw import Raw, raw
from tests.support.sidecar import Answer, Sidecar, sidecar_in_memory

LIMITS = {
    "concurrent_requests": "8",
    "concurrent_requests_per_account": "5",
    "waiting_requests": "30",
    "waiting_requests_per_account": "20",
    "idempotency_bytes": "200000",
    "idempotency_entries": "200",
    "body_limit_bytes": "100000",
    "body_memory_bytes": "400000",
}


@asynccontextmanager
async def two(**settings: str) -> AsyncIterator[tuple[Sidecar, Sidecar]]:
    """A sidecar as its main account sees it, and as another one does."""
    async with sidecar_in_memory(**{**LIMITS, **settings}) as main:
        tokens = await mint_tokens(main.service.store, main.data)
        other = replace(main, token=tokens["other"], data=replace(main.data, main=main.data.other))
        yield main, other


@pytest.fixture
async def accounts() -> AsyncIterator[tuple[Sidecar, Sidecar]]:
    """The same, with low limits."""
    async with two() as accounts:
        yield accounts


async def wait(sidecar: Sidecar, conference_id: str, **headers: str) -> Answer:
    """A command whose effect nobody will see, waited for."""
    path = sidecar.path(conference_id) + "?wait=4000"
    return await sidecar.call("PUT", path, {"data": {"action": "lock"}}, **headers)


async def dial(sidecar: Sidecar, conference_id: str, **headers: str) -> Answer:
    """A dial that nobody answers."""
    data = {"endpoints": ["2600123456"], "timeout": 4}
    body = {"action": "dial", "data": {"data": data}}
    return await sidecar.call("PUT", sidecar.path(conference_id), body, **headers)


@pytest.mark.parametrize("ask", [wait, dial])
async def test_who_waits_takes_no_place_from_others(accounts: tuple[Sidecar, Sidecar], ask: object) -> None:
    """Sixty waits of one account, where eight requests are served at once: twenty wait, the others are told
    to come back before anything is published, and both accounts are served meanwhile."""
    assert callable(ask)
    main, other = accounts
    conference_id = await main.created()
    theirs = await other.created()
    await main.run_room(conference_id)
    await main.get(conference_id)
    await main.cluster.perform(["fault", "all", "silent", "on"])
    load = main.service.load
    waits: list[asyncio.Task[Answer]] = []
    for number in range(60):
        # One after another: a dial reads documents first, and has a place until it is published.
        waits.append(asyncio.create_task(ask(main, conference_id)))
        await eventually(lambda number=number: load.waiting.held() == min(number + 1, 20))
    assert load.waiting.held() == 20
    await eventually(lambda: sum(task.done() for task in waits) >= 40)
    assert load.running == 0
    for _ in range(3):
        assert (await other.get(theirs)).status == 200
        assert (await other.rename(theirs, secrets.token_hex(4))).status == 200
        assert (await main.get(conference_id)).status == 200
    published = main.service.executor.counters.published
    answers = await asyncio.gather(*waits)
    refused = [answer for answer in answers if answer.status != 202]
    assert len(refused) == 40
    assert {(answer.status, answer.message) for answer in refused} == {(429, "overloaded")}
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
    assert main.service.executor.counters.published == published <= 20
    assert (load.running, load.waiting.held()) == (0, 0)


async def test_repetitions_of_what_is_in_hand_wait_in_their_own_place(
    accounts: tuple[Sidecar, Sidecar],
) -> None:
    """Under one key too: whoever waits for the first one's answer counts as waiting."""
    main, other = accounts
    conference_id = await main.created()
    await main.run_room(conference_id)
    await main.get(conference_id)
    await main.cluster.perform(["fault", "all", "silent", "on"])
    key = {"Idempotency-Key": "once"}
    waits = [asyncio.create_task(wait(main, conference_id, **key)) for _ in range(40)]
    await eventually(lambda: main.service.load.waiting.held() == 20)
    assert (await other.get()).status == 200
    answers = await asyncio.gather(*waits)
    assert {answer.status for answer in answers} == {202, 429}
    assert main.service.executor.counters.published == 1


async def test_one_account_has_a_share_of_the_places(accounts: tuple[Sidecar, Sidecar]) -> None:
    """Requests that search on the bus for long: the account's sixth is told to come back, another account's
    is served."""
    main, other = accounts
    conference_id = await main.created()
    await main.cluster.perform(["fault", "all", "silent", "on"])
    asked = [asyncio.create_task(main.get(conference_id, query="?fresh=true")) for _ in range(8)]
    await eventually(lambda: main.service.load.running == 5)
    assert (await other.call("GET", "/v2/websockets")).status != 503
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status for answer in answers) == [200] * 5 + [429] * 3


async def test_slow_bodies_take_no_place(accounts: tuple[Sidecar, Sidecar]) -> None:
    """Without a token: two bodies of one address are waited for, where eight requests are served; the others
    are told to come back, and everybody is served."""
    main, other = accounts
    async with AsyncExitStack() as clients:
        slow: list[Raw] = []
        for _ in range(12):
            slow.append(await clients.enter_async_context(raw(main)))
            slow[-1].say(b"PUT /v2/x HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{")
        refused = [await client.status() for client in slow[2:]]
        assert refused == [429] * 10
        assert (await main.get()).status == (await other.get()).status == 200


async def test_bodies_in_hand_are_bounded_in_bytes(accounts: tuple[Sidecar, Sidecar]) -> None:
    """Whoever waits with long bodies is stopped by their bytes, not by their number."""
    main, other = accounts
    conference_id = await main.created()
    await main.run_room(conference_id)
    await main.get(conference_id)
    await main.cluster.perform(["fault", "all", "silent", "on"])
    body = orjson.dumps({"data": {"action": "lock"}, "padding": "x" * 80_000})
    path = main.path(conference_id) + "?wait=1000"
    answers = await asyncio.gather(*(main.call("PUT", path, body) for _ in range(10)))
    assert [answer.status for answer in answers].count(429) == 8
    assert main.service.load.bodies.held() == 0
    assert (await other.get()).status == 200


async def test_answers_under_keys_are_bounded_in_bytes(accounts: tuple[Sidecar, Sidecar]) -> None:
    """Many long answers of one account: its oldest go, another account's stays, and what is repeated
    without its answer is refused rather than done again."""
    main, other = accounts
    theirs = await other.created()
    key = {"Idempotency-Key": "theirs"}
    first = await other.call("PUT", other.path(theirs), {"data": {"action": "lock"}}, **key)
    conference_id = await main.created(note=["x" * 100] * 150)
    await main.run_room(conference_id)
    path, mute = main.path(conference_id, "participants"), {"data": {"action": "mute"}}
    published = main.service.executor.counters
    for number in range(30):
        answer = await main.call("PUT", path, mute, **{"Idempotency-Key": f"k{number}"})
        assert answer.status == 201
    assert main.service.keys.size <= 200_000
    done = published.published
    newest = await main.call("PUT", path, mute, **{"Idempotency-Key": "k29"})
    assert (newest.status, newest.headers["idempotency-replayed"]) == (201, "true")
    oldest = await main.call("PUT", path, mute, **{"Idempotency-Key": "k0"})
    assert (oldest.status, oldest.message) == (409, "idempotency_key_in_use")
    again = await other.call("PUT", other.path(theirs), {"data": {"action": "lock"}}, **key)
    assert (again.status, again.headers["idempotency-replayed"]) == (first.status, "true")
    assert published.published == done


async def test_an_answer_that_is_too_long_is_done_once() -> None:
    """It is given once; its repetition is a 409, and nothing is published."""
    async with two(body_limit_bytes="1000000", body_memory_bytes="4000000") as (main, _):
        conference_id = await main.created(note=["x" * 100] * 3000)
        await main.run_room(conference_id)
        path, mute = main.path(conference_id, "participants"), {"data": {"action": "mute"}}
        key = {"Idempotency-Key": "long"}
        assert (await main.call("PUT", path, mute, **key)).status == 201
        done = main.service.executor.counters.published
        assert (await main.call("PUT", path, mute, **key)).status == 409
        assert main.service.executor.counters.published == done


async def test_documents_of_one_account_push_out_nobody() -> None:
    """An account that reads more documents than are kept leaves another's, and what everybody's tokens are
    checked with, in memory."""
    async with two(document_cache_size="40", document_cache_bytes="200000") as (main, other):
        theirs = await other.created()
        await other.get(theirs)
        store = main.service.store_counters
        ids = [await main.created(note="x" * 2000) for _ in range(60)]
        for conference_id in ids:
            assert (await main.get(conference_id)).status == 200
            await main.get(query=f"?start_key={conference_id}")
        before = store.requests
        assert (await other.get(theirs)).status == 200
        assert store.requests == before
        assert len(main.service.cache) <= 40 and len(main.service.pages) <= 40
