"""A request that names another verb than its method: a GET or HEAD never writes, whatever it names.

Links are followed by prefetchers, checkers and whoever is sent one; with ``auth_token`` in the query
one of them would delete. Source: beside-kazoo.md 1, http.md 1.6.
"""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from tests.support.house import House

pytestmark = pytest.mark.asyncio(loop_scope="module")

VERBS = ("DELETE", "delete", "PUT", "POST", "PATCH")


def _bodies() -> list[dict[str, Any]]:
    """What would be done, if it were: an action, a document, a participant's action, an invitation."""
    return [
        {"data": {}},
        {"action": "lock", "data": {}},
        {"data": {"name": f"Other {secrets.token_hex(4)}"}},
        {"data": {"action": "kick"}},
        {"data": {"guests": ["a@example.com"], "invite_message": "hi"}},
    ]


def _writes(house: House) -> list[str]:
    return [one for one in house.store.operations if one in ("put", "delete", "put_attachment", "put_many")]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_reading_method_writes_nothing(house: House, method: str) -> None:
    """Whatever verb a GET or a HEAD names, and wherever it does, nothing is stored and nothing published."""
    made = await house.create(allow_shareable_link=True, member={"pins": ["1234"]})
    await house.run_room(made, 1)
    below = [(), ("participants",), ("participants", "1"), ("email_invite",), ("invite.ics",)]
    paths = [house.path(), *(house.path(made, *parts) for parts in below)]
    paths.append(f"/v2/accounts/{house.account}/conference_auth/{made}")
    before = await house.stored(made)
    await house.quiet()
    for path in paths:
        for verb in VERBS:
            query = f"?verb={verb}&should_soft_delete=false&auth_token={house.tokens['boss']}"
            answers = [await house.call(method, path + query, who=None)]
            answers += [await house.call(method, path + query, body) for body in _bodies()]
            answers += [await house.call(method, path, {**body, "verb": verb}) for body in _bodies()]
            in_data = [{**body, "data": {**body["data"], "verb": verb}} for body in _bodies()]
            answers += [await house.call(method, path, body) for body in in_data]
            statuses = {answer.status for answer in answers}
            assert statuses <= ({405} if method == "HEAD" else {200, 400, 404, 405}), (path, verb)
            assert _writes(house) == [], (path, verb)
            assert house.spoken == [], (path, verb)
    assert await house.stored(made) == before


async def test_a_get_shows_what_it_would_be_about(house: House) -> None:
    """As crossbar: 200 with the document, marked as one that would be deleted; the document stays."""
    made = await house.create()
    answer = await house.get(house.path(made) + "?verb=DELETE")
    assert (answer.status, answer.data["id"], answer.metadata["deleted"]) == (200, made, True)
    assert answer.body["revision"] == (await house.stored(made))["_rev"]
    name = f"Would be {secrets.token_hex(4)}"
    for verb in ("POST", "PATCH"):
        shown = await house.call("GET", house.path(made) + f"?verb={verb}", {"data": {"name": name}})
        assert (shown.status, shown.data["name"]) == (200, name)
    listed = await house.call("GET", house.path() + "?verb=PUT", {"data": {"name": name}})
    assert (listed.status, listed.data["name"]) == (200, name)
    assert listed.headers.get("location") is None
    assert (await house.get(house.path(made))).data["name"] != name
    assert "deleted" not in (await house.get(house.path(made))).metadata
    unknown = await house.get(house.path(secrets.token_hex(16)) + "?verb=DELETE")
    assert (unknown.status, unknown.body["message"]) == (404, "bad_identifier")


async def test_no_header_names_another_verb(house: House) -> None:
    """``X-HTTP-Method-Override`` is announced to browsers, as by Kazoo, and read nowhere."""
    made = await house.create()
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        answer = await house.get(house.path(made), headers={name: "DELETE"})
        assert (answer.status, "deleted" in answer.metadata) == (200, False)
    assert not (await house.stored(made)).get("pvt_deleted")


async def test_a_writing_method_may_name_another(house: House) -> None:
    """What the tunnel is for: a POST that means DELETE deletes, and one that means GET only reads."""
    made = await house.create()
    read = await house.call("POST", house.path(made) + "?verb=GET", {"data": {}})
    assert (read.status, read.data["id"]) == (200, made)
    gone = await house.call("POST", house.path(made) + "?verb=DELETE", {"data": {}})
    assert (gone.status, gone.metadata["deleted"]) == (200, True)
    assert (await house.stored(made))["pvt_deleted"] is True
