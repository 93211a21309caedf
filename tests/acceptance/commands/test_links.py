"""Public links: who gets one, what a guest's login costs, and all that a guest may not do."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any

import jwt
import pytest
import pytest_asyncio

from crossbar_conferences.store.names import account_database
from tests.support.addresses import elsewhere
from tests.support.world import Answer, World

DOMAIN = "https://join.example/room"
CONFIG = "crossbar.conference_auth"


@pytest_asyncio.fixture(loop_scope="session")
async def domain(world: World) -> AsyncIterator[World]:
    """A world whose links lead somewhere."""
    document = {"_id": CONFIG, "default": {"conference_public_domain": DOMAIN}}
    await world.write("system_config", document)
    yield world
    await world.erase("system_config", CONFIG)


async def _shareable(world: World, **more: Any) -> tuple[str, str]:
    """The id and name of a conference that guests may join with 1234."""
    name = f"Public {secrets.token_hex(6)}"
    fields = {"allow_shareable_link": True, "member": {"pins": ["1234", "5678"]}, **more}
    return await world.create(name=name, moderator={"pins": ["9999"]}, **fields), name


async def _link(world: World, conference_id: str, **options: Any) -> Answer:
    path = f"/v2/accounts/{world.account}/conference_auth/{conference_id}"
    return await world.put(path, {"data": {}}, **options)


async def _login(world: World, ip: str | None = None, **data: Any) -> Answer:
    forwarded = {"x-forwarded-for": ip or elsewhere()}
    return await world.put("/v2/conference_auth", {"data": data}, who=None, headers=forwarded)


async def _account_name(world: World) -> str:
    """A name that no other account has."""
    name = f"Acme {secrets.token_hex(6)}"
    for database in ("accounts", account_database(world.account)):
        await world.write(database, {**await world.store.get(database, world.account), "name": name})
    return name


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


async def test_a_link(domain: World) -> None:
    """The link has a token for this conference, with the first PIN of its members."""
    conference_id, _ = await _shareable(domain)
    answer = await _link(domain, conference_id)
    assert answer.status == 201, answer.text
    link, _, token = answer.data["link"].partition("?auth=")
    assert link == DOMAIN
    claims = _claims(token)
    assert {key: claims[key] for key in ("account_id", "conference_id", "pin_number", "scope", "method")} == {
        "account_id": domain.account,
        "conference_id": conference_id,
        "pin_number": "1234",
        "scope": "crossbar:conference_join",
        "method": "cb_conference_auth",
    }
    shown = await domain.call("GET", domain.path(conference_id), who=token)
    assert shown.status == 200
    assert domain.published == []


async def test_an_accounts_own_domain_comes_first(domain: World) -> None:
    """The whitelabel document of the account, then its ancestors', then the system's."""
    conference_id, _ = await _shareable(domain)
    parent, own = "https://parent.example", "https://own.example"
    written = []
    for account, place in ((domain.data.parent.id, parent), (domain.account, own)):
        document = {"_id": "whitelabel", "pvt_type": "whitelabel", "conference_public_domain": place}
        await domain.write(account_database(account), document)
        written.append(account)
        answer = await _link(domain, conference_id)
        assert answer.data["link"].startswith(f"{place}?auth=")
    for account in written:
        await domain.erase(account_database(account), "whitelabel")


@pytest.mark.parametrize(
    ("fields", "key", "message"),
    [
        (
            {"allow_shareable_link": False},
            "allow_shareable_link",
            "Public link is disabled for the conference",
        ),
        (
            {"member": {"pins": []}},
            "member.pins",
            "There is no participant PIN number defined for the conference",
        ),
    ],
)
async def test_links_that_are_refused(domain: World, fields: Any, key: str, message: str) -> None:
    """A conference must be shareable and have a PIN."""
    conference_id, _ = await _shareable(domain, **fields)
    (rule,) = (await _link(domain, conference_id)).errors[key].values()
    assert rule["message"] == message


async def test_without_a_domain_there_is_no_link(world: World) -> None:
    """Nobody said where links lead to."""
    conference_id, _ = await _shareable(world)
    (rule,) = (await _link(world, conference_id)).errors["conference_public_domain"].values()
    assert rule["message"] == "no public conference domain is configured"


async def test_links_of_nothing(domain: World) -> None:
    """An unknown conference is a 404; so is an ad-hoc one; other verbs are a 405."""
    for unknown in (secrets.token_hex(16), "room"):
        answer = await _link(domain, unknown)
        assert (answer.status, answer.body["message"]) == (404, "bad_identifier")
    conference_id, _ = await _shareable(domain)
    path = f"/v2/accounts/{domain.account}/conference_auth/{conference_id}"
    for verb in ("GET", "POST", "DELETE", "PATCH"):
        assert (await domain.call(verb, path, {"data": {}} if verb != "GET" else None)).status == 405


async def test_a_guest_logs_in(domain: World) -> None:
    """Names and a PIN give a token, answered like a login; any PIN of the members will do."""
    conference_id, name = await _shareable(domain)
    account_name = await _account_name(domain)
    for written in (account_name, account_name.upper(), account_name.replace(" ", "-")):
        answer = await _login(domain, account_name=written, conference_name=name, conference_pin="5678")
        assert answer.status == 201, answer.text
    assert answer.data == {
        "account_id": domain.account,
        "conference_id": conference_id,
        "conference_name": name,
    }
    claims = _claims(answer.body["auth_token"])
    assert (claims["conference_id"], claims["pin_number"]) == (conference_id, "5678")
    assert answer.body["tokens"]["consumed"] == 35
    shown = await domain.call("GET", domain.path(conference_id), who=answer.body["auth_token"])
    assert (shown.status, shown.data["name"]) == (200, name)


REFUSED: Mapping[str, Any] = {
    "unknown account": {"account_name": "Nobody"},
    "account name of signs": {"account_name": "***"},
    "unknown conference": {"conference_name": "No such room"},
    "name in another case": {"conference_name": str.upper},
    "wrong PIN": {"conference_pin": "0000"},
    "moderator's PIN": {"conference_pin": "9999"},
}


@pytest.mark.parametrize("why", REFUSED)
async def test_a_guest_is_refused(domain: World, why: str) -> None:
    """Every refusal looks the same: nothing tells which part was wrong."""
    _, name = await _shareable(domain)
    given = {
        "account_name": await _account_name(domain),
        "conference_name": name,
        "conference_pin": "1234",
    }
    change = {key: value(given[key]) if callable(value) else value for key, value in REFUSED[why].items()}
    await _is_refused(domain, {**given, **change})


async def _is_refused(world: World, data: Mapping[str, Any]) -> None:
    answer = await _login(world, **data)
    assert (answer.status, answer.body["message"]) == (401, "invalid_credentials")
    assert answer.data == {"message": "invalid conference"}
    assert "auth_token" not in answer.body


@pytest.mark.parametrize(
    "fields",
    [{"allow_shareable_link": False}, {"member": {"pins": []}}, {"member": {}}],
    ids=["not shareable", "no PINs", "no list of PINs"],
)
async def test_conferences_that_take_no_guests(domain: World, fields: Any) -> None:
    """What gives no link gives no login either."""
    _, name = await _shareable(domain, **fields)
    account_name = await _account_name(domain)
    await _is_refused(
        domain, {"account_name": account_name, "conference_name": name, "conference_pin": "1234"}
    )


@pytest.mark.parametrize(
    "change",
    [{"enabled": False, "pvt_enabled": False}, {"pvt_trial_expires": 1}],
    ids=["disabled", "expired"],
)
async def test_accounts_that_take_no_guests(domain: World, change: Mapping[str, Any]) -> None:
    """A disabled or expired account lets nobody in."""
    _, name = await _shareable(domain)
    account_name = await _account_name(domain)
    given = {"account_name": account_name, "conference_name": name, "conference_pin": "1234"}
    assert (await _login(domain, **given)).status == 201
    database = account_database(domain.account)
    before = dict(await domain.store.get(database, domain.account))
    await domain.write(database, {**before, **change})
    try:
        await _is_refused(domain, given)
    finally:
        await domain.write(database, before)


async def test_two_accounts_of_one_name(domain: World) -> None:
    """Which one is meant cannot be told: refused."""
    _, name = await _shareable(domain)
    account_name = await _account_name(domain)
    given = {"account_name": account_name, "conference_name": name, "conference_pin": "1234"}
    document = dict(await domain.store.get("accounts", domain.other))
    await domain.write("accounts", {**document, "name": account_name.replace(" ", "")})
    await _is_refused(domain, given)
    await domain.write("accounts", document)
    assert (await _login(domain, **given)).status == 201


async def test_without_a_domain_there_is_no_login(world: World) -> None:
    """Links lead nowhere, so guests come from nowhere."""
    _, name = await _shareable(world)
    account_name = await _account_name(world)
    await _is_refused(
        world, {"account_name": account_name, "conference_name": name, "conference_pin": "1234"}
    )


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({}, "account_name"),
        ({"account_name": "", "conference_name": "x", "conference_pin": "1"}, "account_name"),
        ({"account_name": "x" * 129, "conference_name": "x", "conference_pin": "1"}, "account_name"),
        ({"account_name": "x", "conference_name": 7, "conference_pin": "1"}, "conference_name"),
        ({"account_name": "x", "conference_name": "x", "conference_pin": "12a"}, "conference_pin"),
        ({"account_name": "x", "conference_name": "x", "conference_pin": "1\n"}, "conference_pin"),
    ],
)
async def test_what_is_no_login(domain: World, data: Mapping[str, Any], key: str) -> None:
    """The form is checked first."""
    assert key in (await _login(domain, **data)).errors


async def test_guessing_is_dear(domain: World) -> None:
    """Each try costs 35 tokens, good or bad: the third of one address is a 429, of another not."""
    _, name = await _shareable(domain)
    account_name = await _account_name(domain)
    given = {"account_name": account_name, "conference_name": name, "conference_pin": "0000"}
    ip = elsewhere()
    statuses = [(await _login(domain, ip, **given)).status for _ in range(4)]
    assert statuses[:2] == [401, 401]
    assert statuses[-1] == 429
    right = await _login(domain, ip, **{**given, "conference_pin": "1234"})
    assert (right.status, right.body["message"]) == (429, "too_many_requests")
    assert (await _login(domain, **{**given, "conference_pin": "1234"})).status == 201


async def test_what_a_guest_may_do(domain: World) -> None:
    """Look at one conference, its people and its meeting; everything else is a 403."""
    conference_id, name = await _shareable(domain)
    other_id, _ = await _shareable(domain)
    await domain.start_room(conference_id, "moderator=true name=Ann", "name=Bob")
    token = (await _link(domain, conference_id)).data["link"].partition("?auth=")[2]
    domain.sent.clear()

    seen = await domain.call("GET", domain.path(conference_id), who=token)
    assert (seen.status, seen.data["name"], seen.body["metadata"]["members"]) == (200, name, 1)
    # With a moderator's PIN a guest could come back as one.
    assert "9999" not in seen.text
    assert "pins" not in seen.data["member"]
    people = await domain.call("GET", domain.path(conference_id, "participants"), who=token)
    assert [one["caller_id_name"] for one in people.data] == ["Ann", "Bob"]
    one = await domain.call("GET", domain.path(conference_id, "participants", "2"), who=token)
    assert one.status == 200
    file = domain.path(conference_id, "invite.ics")
    assert (await domain.call("GET", file, who=token, start="2026-01-01T10:00:00")).status == 200

    conferences = f"/v2/accounts/{domain.account}/conferences"
    body = {"data": {"name": "x"}}
    refused = [
        await domain.call("GET", conferences, who=token),
        await domain.call("PUT", conferences, body, who=token),
        await domain.call("GET", domain.path(other_id), who=token),
        await domain.call("GET", domain.path(other_id, "participants"), who=token),
        await domain.call("POST", domain.path(conference_id), body, who=token),
        await domain.call("PATCH", domain.path(conference_id), body, who=token),
        await domain.call("DELETE", domain.path(conference_id), who=token),
        await domain.call("GET", domain.path(conference_id, account=domain.other), who=token),
        await domain.call("GET", domain.path(conference_id, account=domain.data.parent.id), who=token),
        await domain.act(conference_id, "lock", who=token),
        await domain.act(conference_id, "kick", None, "participants", who=token),
        await domain.act(conference_id, "mute", None, "participants", "1", who=token),
        await domain.put(
            domain.path(conference_id, "email_invite"),
            {"data": {"guests": [], "invite_message": "x"}},
            who=token,
        ),
        await _link(domain, conference_id, who=token),
        await domain.call("POST", domain.path(conference_id), {**body, "verb": "DELETE"}, who=token),
        await domain.call("GET", f"{domain.path(conference_id)}?verb=delete", who=token),
    ]
    assert [answer.status for answer in refused] == [403] * len(refused)
    assert domain.published == []
    assert (await domain.document(conference_id))["name"] == name


async def test_a_guests_token_opens_no_websocket(domain: World) -> None:
    """Guests look over HTTP only."""
    conference_id, _ = await _shareable(domain)
    token = (await _link(domain, conference_id)).data["link"].partition("?auth=")[2]
    async with domain.http.ws_connect(domain.service.ws_url) as socket:
        data = {"account_id": domain.account, "binding": f"conference.event.{conference_id}.*"}
        await socket.send_json({"action": "subscribe", "auth_token": token, "data": data})
        assert (await socket.receive_json(timeout=10))["status"] == "error"


async def test_a_guest_of_a_parent_is_no_guest_of_a_child(domain: World) -> None:
    """A token for a conference of the parent does not open the child's conference of the same id."""
    conference_id = await domain.create()
    await domain.add(
        {
            "_id": conference_id,
            "pvt_type": "conference",
            "name": f"Parent's {secrets.token_hex(4)}",
            "allow_shareable_link": True,
            "member": {"pins": ["1"]},
        },
        account=domain.data.parent.id,
    )
    path = f"/v2/accounts/{domain.data.parent.id}/conference_auth/{conference_id}"
    token = (await domain.put(path, {"data": {}}, who="master")).data["link"].partition("?auth=")[2]
    assert (await domain.call("GET", domain.path(conference_id), who=token)).status == 403
