"""Public links: who gets one, what a guest's login costs, and all that a guest may not do."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import jwt
import pytest
import pytest_asyncio

from crossbar_conferences.api.load import Place
from crossbar_conferences.auth import StoreDocuments, mint
from crossbar_conferences.auth.guest_keys import GuestKeys
from crossbar_conferences.store.memory import MemoryStore
from crossbar_conferences.store.names import account_database, encoded
from crossbar_conferences.store.own import DATABASE
from crossbar_conferences.store.port import Document, DocumentMissing, StoreRefused
from tests.support.addresses import elsewhere
from tests.support.world import Answer, World, beside

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
    """The link has a token for this conference, without its PINs, that Kazoo cannot verify."""
    conference_id, _ = await _shareable(domain)
    answer = await _link(domain, conference_id)
    assert answer.status == 201, answer.text
    link, _, token = answer.data["link"].partition("?auth=")
    assert link == DOMAIN
    claims = _claims(token)
    assert {key: claims[key] for key in ("account_id", "conference_id", "scope", "method")} == {
        "account_id": domain.account,
        "conference_id": conference_id,
        "scope": "crossbar:conference_join",
        "method": "cb_conference_auth",
    }
    assert set(claims) == {"iss", "account_id", "conference_id", "scope", "method", "binding", "exp"}
    assert not {"1234", "5678"} & {str(value) for value in claims.values()}
    header = jwt.get_unverified_header(token)
    assert (header["alg"], claims["iss"]) == ("HS256", "crossbar_conferences")
    with pytest.raises(DocumentMissing):
        await domain.store.get("system_auth", header["kid"])
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


async def test_what_is_no_account_above_has_no_domain(domain: World) -> None:
    """A tree with anything but accounts in it, which nobody checks where it is stored, is no error."""
    conference_id, _ = await _shareable(domain)
    database = account_database(domain.account)
    before = await domain.store.get(database, domain.account)
    await domain.write(database, {**before, "pvt_tree": ["", "..", "x" * 33, {}, [], 1, None]})
    try:
        answer = await _link(domain, conference_id)
        assert (answer.status, answer.data["link"].partition("?")[0]) == (201, DOMAIN)
    finally:
        stored = await domain.store.get(database, domain.account)
        await domain.write(database, {**stored, "pvt_tree": before["pvt_tree"]})


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
    assert (claims["conference_id"], claims["iss"]) == (conference_id, "crossbar_conferences")
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

    joe = domain.data.users["joe"].id
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
        await domain.call(
            "GET", f"/v2/accounts/{domain.account}/users/{joe}/conferences/{conference_id}", who=token
        ),
        await domain.call("GET", f"/v2/accounts/{domain.account}/websockets", who=token),
    ]
    assert [answer.status for answer in refused] == [403] * len(refused)
    assert domain.published == []
    assert (await domain.document(conference_id))["name"] == name


async def test_guests_take_no_place_of_the_accounts_own(
    domain: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers with a link may fill their own share of streams and requests, and no other."""
    conference_id, _ = await _shareable(domain)
    token = (await _link(domain, conference_id)).data["link"].partition("?auth=")[2]
    claimed: list[str] = []
    monkeypatch.setattr(Place, "claim", lambda place, whose: claimed.append(whose))
    for who in (token, "boss"):
        assert (await domain.call("GET", domain.path(conference_id), who=who, fresh="true")).status == 200
    assert claimed[1] == domain.account != claimed[0]
    async with beside(domain, websocket_sessions_per_account="2") as other, AsyncExitStack() as open_ones:
        url = other.service.base_url + other.path(conference_id, "events")
        for whose, status in ((token, 200), (token, 200), (token, 429), (domain.tokens["boss"], 200)):
            stream = await open_ones.enter_async_context(other.http.get(url, headers={"X-Auth-Token": whose}))
            assert stream.status == status


async def test_a_guests_token_opens_no_websocket(domain: World) -> None:
    """Guests look over HTTP only; no session of theirs counts among the account's, or is listed there."""
    conference_id, _ = await _shareable(domain)
    token = (await _link(domain, conference_id)).data["link"].partition("?auth=")[2]
    async with domain.http.ws_connect(domain.service.ws_url) as socket:
        data = {"account_id": domain.account, "binding": f"conference.event.{conference_id}.*"}
        await socket.send_json({"action": "subscribe", "auth_token": token, "data": data})
        assert (await socket.receive_json(timeout=10))["status"] == "error"
        assert domain.service.sockets.of_account(domain.account) == []
    with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
        await domain.http.ws_connect(domain.service.ws_url, headers={"Authorization": f"Bearer {token}"})


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


async def _told(world: World, doc_id: str, **fields: Any) -> None:
    """Somebody else changes a document of the account, and tells of it, as every writer does."""
    database = account_database(world.account)
    document = {**await world.store.get(database, doc_id), **fields}
    document["_rev"] = await world.store.put(database, document)
    heard = world.service.cache.heard
    await world.service.announcer.announce("edited", encoded(database), document)
    await world.eventually(lambda: world.service.cache.heard > heard)


ENDS: Mapping[str, Any] = {
    "not shareable any more": {"allow_shareable_link": False},
    "another PIN": {"member": {"pins": ["1234", "5679"]}},
    "one PIN fewer": {"member": {"pins": ["1234"]}},
    "no PINs": {"member": {"pins": []}},
}


@pytest.mark.parametrize("kazoos", [False, True], ids=["ours", "Kazoo's"])
@pytest.mark.parametrize("by_others", [False, True], ids=["by us", "by others"])
@pytest.mark.parametrize("why", ENDS)
async def test_a_guest_is_out_as_soon_as_the_conference_says_so(
    domain: World, why: str, by_others: bool, kazoos: bool
) -> None:
    """The next request, however well known the token was; set back, the token holds again."""
    conference_id, _ = await _shareable(domain)
    token = (await _link(domain, conference_id)).data["link"].partition("?auth=")[2]
    if kazoos:
        token = await mint(
            StoreDocuments(domain.store),
            domain.account,
            method="cb_conference_auth",
            claims={"conference_id": conference_id, "pin_number": "5678"},
        )
    path = domain.path(conference_id)
    for _ in range(3):
        assert (await domain.call("GET", path, who=token)).status == 200
    before = {"allow_shareable_link": True, "member": {"pins": ["1234", "5678"]}}
    for fields, expected in ((ENDS[why], 401), (before, 200)):
        if by_others:
            await _told(domain, conference_id, **fields)
        else:
            changed = await domain.call("PATCH", path, {"data": fields})
            assert changed.status == 200, changed.text
        for place in (path, domain.path(conference_id, "participants")):
            assert (await domain.call("GET", place, who=token)).status == expected
    assert (await domain.call("DELETE", path)).status == 200
    assert (await domain.call("GET", path, who=token)).status == 401


@pytest.mark.parametrize("change", [{"pvt_enabled": False}, {"enabled": False}, {"pvt_deleted": True}])
async def test_a_guest_of_a_closed_account_is_out(domain: World, change: Mapping[str, Any]) -> None:
    """Disabled or deleted, by a message about the account; nothing of a deleted one is there."""
    conference_id, _ = await _shareable(domain)
    token = (await _link(domain, conference_id)).data["link"].partition("?auth=")[2]
    for _ in range(3):
        assert (await domain.call("GET", domain.path(conference_id), who=token)).status == 200
    before = await domain.store.get(account_database(domain.account), domain.account)
    await _told(domain, domain.account, **change)
    try:
        expected = 404 if "pvt_deleted" in change else 401
        assert (await domain.call("GET", domain.path(conference_id), who=token)).status == expected
    finally:
        kept = {name: before.get(name, name != "pvt_deleted") for name in change}
        await _told(domain, domain.account, **kept)
    assert (await domain.call("GET", domain.path(conference_id), who=token)).status == 200


async def test_guests_see_names_and_flags(domain: World) -> None:
    """In every answer, file and event that a guest's token can fetch: nothing that is not for strangers."""
    secret = secrets.token_hex(6)
    conference_id, name = await _shareable(
        domain,
        conference_numbers=[f"88{secrets.randbelow(10**8):08}"],
        bridge_password=secret,
        owner_id=domain.data.users["joe"].id,
        notes=secret,
        language="en-us",
    )
    document = await domain.document(conference_id)
    await domain.start_room(
        conference_id, "moderator=true name=Ann number=+4930111222", "name=+15559998877 number=+15559998877"
    )
    token = (await _link(domain, conference_id)).data["link"].partition("?auth=")[2]
    hidden = (
        secret,
        document["conference_numbers"][0],
        document["owner_id"],
        "4930111222",
        "5559998877",
        "1234",
        "5678",
        "9999",
        "@example.com",
        "channel_vars",
        "call_id",
        "virtual",
        "pvt_",
    )

    def check(text: str) -> None:
        # Their own token and our own ids are theirs; the rest must hold none of these.
        for own in (token, conference_id, domain.account):
            text = text.replace(own, "")
        assert [one for one in hidden if one in text] == []

    others = await domain.call("GET", domain.path(conference_id))
    assert "4930111222" in others.text
    await domain.call("GET", domain.path(conference_id, "participants"))
    for accept in ("application/json", "text/csv", "application/octet-stream"):
        for query in ({}, {"fresh": "true"}, {"pretty_print": "true"}, {"fields": "conference_numbers"}):
            for parts in ((), ("participants",), ("participants", "1"), ("participants", "2")):
                where = domain.path(conference_id, *parts)
                answer = await domain.call("GET", where, who=token, headers={"accept": accept}, **query)
                assert answer.status == 200, answer.text
                if answer.body is None:
                    # A CSV file; its headers say which request it answers.
                    assert "is_moderator" in answer.text or "name" in answer.text
                    check(answer.text)
                    continue
                body = {key: value for key, value in answer.body.items() if key in ("data", "metadata")}
                check(json.dumps(body))
    seen = await domain.call("GET", domain.path(conference_id), who=token)
    assert (seen.data["name"], seen.data["language"]) == (name, "en-us")
    people = seen.body["metadata"]["participants"]
    assert [one.get("caller_id_name") for one in people] == ["Ann", None]
    assert [one["is_moderator"] for one in people] == [True, False]
    assert seen.headers["etag"] != others.headers["etag"]
    again = await domain.call("GET", domain.path(conference_id), who=token, headers={
        "if-none-match": seen.headers["etag"]})  # fmt: skip
    assert again.status == 304
    file = await domain.call(
        "GET", domain.path(conference_id, "invite.ics"), who=token, start="2026-01-01T10:00:00"
    )
    assert name in file.text.replace("\r\n ", "")
    unfolded = file.text.replace("\r\n ", "")
    assert not [one for one in hidden if one in unfolded.replace(conference_id, "")]
    # Whoever holds a link is told nobody's address.
    assert "ORGANIZER" not in unfolded
    gone = await domain.call("GET", domain.path(conference_id, "participants", "77"), who=token)
    assert gone.status == 404
    check(gone.text)


async def test_guests_hear_of_names_and_flags(domain: World) -> None:
    """The stream of events begins with the room as guests see it, and goes on like that."""
    conference_id, _ = await _shareable(domain)
    await domain.start_room(conference_id, "name=Ann number=+4930111222")
    token = (await _link(domain, conference_id)).data["link"].partition("?auth=")[2]
    url = domain.service.base_url + domain.path(conference_id, "events")
    heard = ""
    async with asyncio.timeout(10), domain.http.get(url, headers={"X-Auth-Token": token}) as stream:
        assert stream.status == 200
        while "Ann" not in heard:
            heard += (await stream.content.readline()).decode()
        await domain.cluster.perform(
            ["join", conference_id, f"{conference_id}-9@example.com", "name=Bob", "number=+4930333444"]
        )
        while "Bob" not in heard:
            heard += (await stream.content.readline()).decode()
    assert "event: snapshot" in heard
    assert "event: add-member" in heard
    for hidden in ("4930111222", "4930333444", "@example.com", "channel_vars", "call_id", "instance", "app_"):
        assert hidden not in heard


async def test_a_conference_token_of_kazoos_makes_a_guest(domain: World) -> None:
    """One that crossbar made is taken for a guest and nothing more, whatever else it claims."""
    conference_id, _ = await _shareable(domain)
    token = await mint(
        StoreDocuments(domain.store),
        domain.account,
        domain.data.users["boss"].id,
        claims={"conference_id": conference_id, "pin_number": "1234"},
    )
    shown = await domain.call("GET", domain.path(conference_id), who=token)
    assert shown.status == 200
    assert "pins" not in shown.data["member"]
    for refused in (
        await domain.call("GET", f"/v2/accounts/{domain.account}/conferences", who=token),
        await domain.act(conference_id, "lock", who=token),
        await _link(domain, conference_id, who=token),
    ):
        assert refused.status == 403


async def test_every_host_takes_every_hosts_guests(domain: World) -> None:
    """The key is made once and kept in our own database; another sidecar finds it there."""
    conference_id, _ = await _shareable(domain)
    async with beside(domain) as other:
        one, two = await asyncio.gather(_link(domain, conference_id), _link(other, conference_id))
        tokens = [answer.data["link"].partition("?auth=")[2] for answer in (one, two)]
        for world in (domain, other):
            for token in tokens:
                assert (await world.call("GET", world.path(conference_id), who=token)).status == 200
        stored = await domain.store.get(DATABASE, "guest_key")
        assert stored["secret"] not in one.text + two.text


class _Refusing(MemoryStore):
    """Our own database may be neither written nor made."""

    async def put(self, database: str, document: Document) -> str:
        """See `Store`."""
        raise StoreRefused("no right")

    async def create_database(self, database: str) -> None:
        """See `Store`."""
        raise StoreRefused("no right")


async def test_without_our_own_database_there_are_no_guests(
    domain: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clear 503 for link and login, whatever the PIN; nothing is signed with Kazoo's key instead."""
    conference_id, name = await _shareable(domain)
    account_name = await _account_name(domain)
    monkeypatch.setattr(domain.service.auth.guests, "_keys", GuestKeys(_Refusing()))
    given = {"account_name": account_name, "conference_name": name}
    for answer in (
        await _link(domain, conference_id),
        await _login(domain, **given, conference_pin="1234"),
        await _login(domain, **given, conference_pin="0000"),
    ):
        assert (answer.status, answer.body["message"]) == (503, "guest_links_unavailable")
        assert answer.data == {"message": "guest links are not available"}
    assert (await domain.call("GET", domain.path(conference_id))).status == 200
