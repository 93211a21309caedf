from __future__ import annotations

from typing import Any

import pytest

from crossbar_conferences.broker import nodes
from crossbar_conferences.broker.advertiser import new_sidecar_id
from crossbar_conferences.broker.nodes import NodesTable
from crossbar_conferences.kapi.messages import MessageInvalid
from crossbar_conferences.kapi.nodes import (
    MAX_APPS,
    MAX_MEDIA_SERVERS,
    MAX_ROLES,
    App,
    advertise,
    sidecar_host,
)
from tests.support.clocks import Clock


@pytest.fixture
def clock() -> Clock:
    """The table's clock."""
    return Clock(1_000.0)


@pytest.fixture
def table(clock: Clock) -> NodesTable:
    """The table of a node in the east."""
    return NodesTable("own@h", "east", clock=clock)


def heartbeat(node: str, *apps: str, zone: str | None = "east", expires: int = 10_000) -> dict[str, Any]:
    """A heartbeat's body; without zone, as a node that does not say it."""
    body = dict(advertise(node, zone=zone or "x", expires_ms=expires, apps={app: App() for app in apps}).body)
    if zone is None:
        del body["Zone"]
    return body


def test_counts_by_app_and_zone(table: NodesTable) -> None:
    """Each node counts once for each of its apps, in its zone and in all."""
    table.hear(heartbeat("a@h", "ecallmgr", "crossbar"))
    table.hear(heartbeat("a@h", "ecallmgr", "crossbar"))
    table.hear(heartbeat("b@h", "ecallmgr", zone="west"))
    assert table.count("ecallmgr") == 2
    assert table.count("ecallmgr", "east") == 1
    assert table.count("crossbar") == 1
    assert table.count("callflow") == 0
    assert table.has("ecallmgr")
    assert not table.has("callflow")
    assert [node.name for node in table.all("ecallmgr")] == ["a@h", "b@h"]
    assert [node.name for node in table.all(zone="west")] == ["b@h"]
    assert len(table) == 2


def test_losses_of_media_servers(table: NodesTable, clock: Clock) -> None:
    """One is lost when the last node that has it says so or falls silent; what lasted a moment counts."""

    def hear(node: str, *servers: str) -> int:
        table.hear(heartbeat(node, "ecallmgr") | {"Media-Servers": {server: {} for server in servers}})
        return table.losses

    assert [hear("a@h", "f1", "f2"), hear("b@h", "f1"), hear("a@h", "f2")] == [0, 0, 0]
    assert [hear("b@h"), hear("b@h"), hear("b@h", "f1"), hear("b@h")] == [1, 1, 1, 2]
    clock.now += 100
    assert (len(table), table.losses) == (0, 3)


def test_expiry(table: NodesTable, clock: Clock) -> None:
    """A node lives 1.25 times as long as its last heartbeat said."""
    table.hear(heartbeat("a@h", "ecallmgr", expires=8_000))
    clock.now += 9.9
    assert table.count("ecallmgr") == 1
    table.hear(heartbeat("a@h", "ecallmgr", expires=4_000))
    clock.now += 4.9
    assert table.get("a@h") is not None
    clock.now += 0.1
    assert table.get("a@h") is None
    assert table.count("ecallmgr") == 0
    assert table.zone_of("a@h") is None


def test_who_was_heard_since(table: NodesTable, clock: Clock) -> None:
    """A node counts from its last heartbeat on, so that one from before a cut is told from one after it."""
    table.hear(heartbeat("a@h", "ecallmgr"))
    clock.now += 1
    assert table.has("ecallmgr") and not table.has("ecallmgr", clock.now)
    table.hear(heartbeat("a@h", "ecallmgr"))
    assert table.has("ecallmgr", clock.now)


def test_zone(table: NodesTable) -> None:
    """A node's zone is what it says, else that of the broker it was read from, else ours."""
    table.hear(heartbeat("says@h", zone="north"), broker_zone="west")
    table.hear(heartbeat("read@h", zone=None), broker_zone="west")
    table.hear(heartbeat("here@h", zone=None))
    assert table.zone_of("says@h") == "north"
    assert table.zone_of("read@h") == "west"
    assert table.zone_of("here@h") == "east"
    assert table.zone_of("own@h") == "east"
    assert table.zone_of("unknown@h") is None


def test_own_node_is_ignored(table: NodesTable) -> None:
    """A heartbeat under our own name, whoever sent it, changes nothing."""
    assert table.hear(heartbeat("own@h", "ecallmgr")) is None
    assert len(table) == 0


def test_nonsense_is_refused(table: NodesTable) -> None:
    """What is no heartbeat raises, and the table stays as it is."""
    bodies: list[Any] = [[], {}]
    for body in (*bodies, {**heartbeat("a@h"), "Expires": "soon"}, {**heartbeat("a@h"), "Node": 7}):
        with pytest.raises(MessageInvalid):
            table.hear(body)
    assert len(table) == 0


def test_bounded(table: NodesTable, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of names is not taken in, nodes that are known stay, and room comes back."""
    monkeypatch.setattr(nodes, "MAX_NODES", 3)
    for number in range(5):
        table.hear(heartbeat(f"n{number}@h"))
    assert len(table) == 3
    assert table.hear(heartbeat("n0@h", "ecallmgr")) is not None
    clock.now += 60
    assert table.hear(heartbeat("n4@h")) is not None


def test_what_a_heartbeat_names_is_bounded(table: NodesTable) -> None:
    """Of apps, roles and media servers no more is kept than a node has, and no name longer than a name."""
    many, long = [f"n{number}" for number in range(100_000)], "x" * 1_000_000
    body = {**heartbeat("a@h"), "Media-Servers": {key: {} for key in [long, *many]}, "Zone": long}
    node = table.hear({**body, "WhApps": {long: {}, **{key: {"Roles": many} for key in many}}})
    assert node is not None and node.zone != long
    assert len(node.media_servers) == MAX_MEDIA_SERVERS and len(node.apps) == MAX_APPS
    assert long not in node.apps and {len(app.roles) for app in node.apps.values()} == {MAX_ROLES}
    with pytest.raises(MessageInvalid):
        table.hear(heartbeat(f"{long}@h"))


def test_a_namesake(clock: Clock) -> None:
    """Another process under our name is noticed until it falls silent; our own heartbeat, which every worker
    of a host hears, is not, and neither is anything while we don't know our own id."""
    table = NodesTable("own@h", "east", sidecar_id="h1_1_aa", clock=clock)
    assert table.hear(heartbeat("own@h") | {"Sidecar-ID": "h1_1_aa"}) is None
    assert table.namesake is None
    table.hear(heartbeat("other@h") | {"Sidecar-ID": "h2_1_bb"})
    assert table.namesake is None
    table.hear(heartbeat("own@h", expires=10_000) | {"Sidecar-ID": "h2_1_bb"})
    assert table.namesake is not None and sidecar_host(table.namesake.sidecar_id) == "h2"
    table.hear(heartbeat("own@h") | {"Sidecar-ID": "h1_1_aa"})
    assert table.namesake is not None
    clock.now += 13
    assert table.namesake is None
    # One of Kazoo's own nodes, or an older sidecar.
    table.hear(heartbeat("own@h"))
    assert table.namesake is not None and table.namesake.sidecar_id is None
    unmarked = NodesTable("own@h", "east", clock=clock)
    unmarked.hear(heartbeat("own@h") | {"Sidecar-ID": "h2_1_bb"})
    assert unmarked.namesake is None
    assert len(unmarked) == 0


@pytest.mark.parametrize("sidecar_id", ["", "a b", "x" * 200, 7, ["h_1_a"], None])
def test_a_sidecar_id_that_is_none(table: NodesTable, sidecar_id: Any) -> None:
    """What a stranger writes there goes into no log and no answer."""
    node = table.hear(heartbeat("a@h") | {"Sidecar-ID": sidecar_id})
    assert node is not None and node.sidecar_id is None


def test_hosts_of_sidecar_ids() -> None:
    """A new id tells the host that it was made on, whatever the host is called."""
    assert sidecar_host(new_sidecar_id()) is not None
    assert new_sidecar_id() != new_sidecar_id()
    assert sidecar_host("my_host.example_12_ab") == "my_host.example"
    assert [sidecar_host(one) for one in (None, "x", "a_b")] == [None, None, None]
