from __future__ import annotations

from typing import Any

import pytest

from crossbar_conferences.kapi import call, configuration, nodes, notifications
from crossbar_conferences.kapi.messages import MessageInvalid, Origin
from crossbar_conferences.kapi.origins import CROSSBAR, ECALLMGR, TELETYPE

NODE = "conf_api@apps1.example.com"
ORIGIN = Origin(*CROSSBAR, NODE)
DATABASE = "account%2F01%2F23%2F456789abcdef0123456789abcdef"
DOCUMENT = {
    "_id": "8f3a.1",
    "_rev": "4-9ab1",
    "name": "Weekly",
    "pvt_type": "conference",
    "pvt_account_id": "0123456789abcdef0123456789abcdef",
    "pvt_created": 63_900_000_000,
    "pvt_modified": 63_962_552_909,
}


@pytest.mark.parametrize("category", call.CATEGORIES)
def test_query_channels(category: str) -> None:
    """The question for a channel has the category asked for, both generations' answers are accepted."""
    outgoing = call.query_channels("abc@10.0.0.9", ORIGIN, "m", category)
    assert (outgoing.exchange, outgoing.routing_key) == ("callevt", "call.status_req.channels")
    assert outgoing.body == {
        "Event-Category": category,
        "Event-Name": "query_channels_req",
        "Call-ID": "abc@10.0.0.9",
        "Fields": "all",
        "Active-Only": True,
        "App-Name": "crossbar",
        "App-Version": "4.0.0",
        "Node": NODE,
        "Msg-ID": "m",
    }
    call.check_query_channels(outgoing.body)
    call.check_query_channels({**outgoing.body, "Active-Only": "true"})
    with pytest.raises(MessageInvalid):
        call.check_query_channels({**outgoing.body, "Active-Only": 1})
    body = call.query_channels_response({"abc": {}}, Origin(*ECALLMGR, "ecallmgr@e1"), "m")
    assert call.is_query_channels_response(body)
    assert call.is_query_channels_response({**body, "Event-Category": "call_event"})
    assert not call.is_query_channels_response({**body, "Event-Category": "conference"})
    assert not call.is_query_channels_response({**body, "Channels": []})


@pytest.mark.parametrize(
    ("action", "deleted"), [("created", None), ("edited", False), ("deleted", True), ("doc_deleted", True)]
)
def test_document_change(action: str, deleted: bool | None) -> None:
    """A writer's notice is datamgr's, with the two dates swapped as Kazoo has them."""
    outgoing = configuration.document_change(action, DATABASE, {**DOCUMENT, "pvt_deleted": deleted}, ORIGIN)
    event = "doc_" + action.removeprefix("doc_")
    assert outgoing.exchange == "configuration"
    assert outgoing.routing_key == f"{event}.{DATABASE}.conference.8f3a%2E1"
    body = dict(outgoing.body)
    assert len(body.pop("Msg-ID")) == 16
    assert body == {
        "Event-Category": "configuration",
        "Event-Name": event,
        "ID": "8f3a.1",
        "Type": "conference",
        "Database": DATABASE,
        "Rev": "4-9ab1",
        "Account-ID": "0123456789abcdef0123456789abcdef",
        "Date-Modified": 63_900_000_000,
        "Date-Created": 63_962_552_909,
        "Is-Soft-Deleted": bool(deleted),
        "Origin-Cache": "kazoo_data_cache",
        "App-Name": "datamgr",
        "App-Version": "4.0.0",
        "Node": NODE,
    }
    change = configuration.change_of(outgoing.body)
    assert change == configuration.Change(
        event=event,
        database=DATABASE,
        id="8f3a.1",
        type="conference",
        revision="4-9ab1",
        account_id="0123456789abcdef0123456789abcdef",
        soft_deleted=bool(deleted),
        node=NODE,
    )


def test_a_change_names_its_account_in_any_case() -> None:
    """A document without an account is its database's; another database has none."""
    orphan = {key: value for key, value in DOCUMENT.items() if key != "pvt_account_id"}
    body = configuration.document_change("edited", "account%2F01%2F23%2F4567", orphan, ORIGIN).body
    assert body["Account-ID"] == "01234567"
    assert "Account-ID" not in configuration.document_change("edited", "system_config", orphan, ORIGIN).body


def test_document_change_refused() -> None:
    """No other action, and no document without an id."""
    with pytest.raises(MessageInvalid):
        configuration.document_change("renamed", DATABASE, DOCUMENT, ORIGIN)
    with pytest.raises(MessageInvalid):
        configuration.document_change("edited", DATABASE, {"pvt_type": "conference"}, ORIGIN)
    with pytest.raises(MessageInvalid):
        configuration.change_of({"Event-Category": "configuration"})


def test_advertise() -> None:
    """A heartbeat has 32 hex digits as Msg-ID, the lower-case md5 and no globals."""
    app = nodes.App(startup=63_962_552_909)
    outgoing = nodes.advertise(
        NODE, zone="east", expires_ms=11_250, apps={"crossbar": app}, extra={"Processes": 42, "Expires": 1}
    )
    assert (outgoing.exchange, outgoing.routing_key) == ("nodes", "")
    body = dict(outgoing.body)
    assert len(body.pop("Msg-ID")) == 32
    assert body == {
        "Event-Category": "nodes",
        "Event-Name": "advertise",
        "App-Name": "kz_nodes",
        "App-Version": "4.0.0",
        "Node": NODE,
        "Expires": 11_250,
        "Zone": "east",
        "md5": nodes.node_encoded(NODE),
        "WhApps": {"crossbar": {"Startup": 63_962_552_909, "Roles": []}},
        "Used-Memory": 0,
        "Processes": 42,
        "Ports": 0,
        "Channels": 0,
        "Conferences": 0,
        "Registrations": 0,
        "Globals": {},
        "Node-Info": {},
    }
    advertisement = nodes.advertisement_of(outgoing.body)
    assert advertisement == nodes.Advertisement(
        node=NODE, expires_ms=11_250, zone="east", apps={"crossbar": app}, version="4.0.0"
    )
    ours = nodes.advertise(NODE, zone="east", expires_ms=1, apps={}, sidecar_id="h_1_a")
    assert nodes.advertisement_of(ours.body).sidecar_id == ours.body["Sidecar-ID"] == "h_1_a"


def test_node_encoded() -> None:
    """URL-safe base64 of the name's md5, without padding."""
    assert nodes.node_encoded("kazoo_apps@apps1") == "vJKudn7ZCBpv7r73eS8-3w"


@pytest.mark.parametrize("node", ["", "apps1", "@host", "name@", "a@b@c"])
def test_advertise_refuses_names(node: str) -> None:
    """A node that is not name@host would break the status command of the whole cluster."""
    with pytest.raises(MessageInvalid):
        nodes.advertise(node, zone="local", expires_ms=1, apps={})


@pytest.mark.parametrize(
    ("whapps", "apps"),
    [
        (["ecallmgr", 3], {"ecallmgr"}),
        ({"ecallmgr": None, "crossbar": {"Startup": True, "Roles": ["x", 2]}}, {"ecallmgr", "crossbar"}),
        ("ecallmgr", set()),
        (None, set()),
    ],
)
def test_advertisement_shapes(whapps: Any, apps: set[str]) -> None:
    """Apps come as an object or as a list; nonsense is no app."""
    body = nodes.advertise(NODE, zone="east", expires_ms=1, apps={}).body
    assert set(nodes.advertisement_of({**body, "WhApps": whapps}).apps) == apps


@pytest.mark.parametrize("expires", ["soon", None, -1, True, 10**12, "9" * 10, ""])
def test_advertisement_refused(expires: Any) -> None:
    """A life that is no sane number of milliseconds is not believed."""
    body = nodes.advertise(NODE, zone="east", expires_ms=1, apps={}).body
    with pytest.raises(MessageInvalid):
        nodes.advertisement_of({**body, "Expires": expires})


def test_a_life_is_also_read_from_text() -> None:
    """Nodes that are no Erlang ones write the number of milliseconds as text; Kazoo takes that."""
    body = nodes.advertise(NODE, zone="east", expires_ms=1, apps={}).body
    assert nodes.advertisement_of({**body, "Expires": "5000"}).expires_ms == 5000


@pytest.mark.parametrize(("deleted", "meant"), [("true", True), ("false", False), (None, False)])
def test_a_change_is_read_as_kazoo_reads_it(deleted: str | None, meant: bool) -> None:
    """Booleans may be texts and headers null, as Kazoo's own check allows: a cache must be flushed."""
    body = {
        **configuration.document_change("edited", DATABASE, DOCUMENT, ORIGIN).body,
        "Is-Soft-Deleted": deleted,
        "Type": None,
        "Rev": None,
    }
    change = configuration.change_of(body)
    assert (change.soft_deleted, change.type, change.revision) == (meant, None, None)
    with pytest.raises(MessageInvalid):
        configuration.change_of({**body, "Is-Soft-Deleted": "perhaps"})


def test_email_invite() -> None:
    """An invitation names its account; empty lists stay lists."""
    fields = {
        "Account-ID": "acct",
        "Conference-ID": "room",
        "Conference-Name": "Weekly",
        "Conference-Numbers": [],
        "Conference-Call-In-Numbers": ["+15555550100"],
        "Conference-Participant-Pins": [],
        "Guests": ["a@example.com"],
        "Conference-Link": None,
    }
    outgoing = notifications.email_invite(fields, ORIGIN, "m")
    assert outgoing.exchange == "notifications"
    assert outgoing.routing_key == "notifications.conference.email_invite"
    assert outgoing.body["Conference-Numbers"] == []
    assert outgoing.body["Account-ID"] == "acct"
    assert "Conference-Link" not in outgoing.body
    assert outgoing.body["Event-Category"] == "notification"
    with pytest.raises(MessageInvalid):
        notifications.email_invite({**fields, "Conference-Numbers": "7001"}, ORIGIN)


@pytest.mark.parametrize(
    ("status", "final"),
    [("completed", True), ("disabled", True), ("failed", True), ("ignored", True), ("pending", False)],
)
def test_notify_update(status: str, final: bool) -> None:
    """A notification is over with every status but pending."""
    body = notifications.notify_update({"Status": status}, Origin(*TELETYPE, "t@h"), "m")
    assert notifications.is_final_update(body) is final
    assert not notifications.is_final_update({**body, "Status": "lost"})
