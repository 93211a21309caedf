from __future__ import annotations

from pathlib import Path

import pytest

from crossbar_conferences.settings import SettingsError, kazoo
from crossbar_conferences.settings.ini import Ini, parse

HOSTS = frozenset({"apps1.example.com", "apps1"})

ZONES = """
[amqp]
uri = "amqp://fallback:5672"
[zone]
name = "east"
amqp_uri = "amqp://rabbit1.east:5672"
amqp_uri = "amqp://rabbit2.east:5672"
[zone]
name = west
amqp_uri = amqp://rabbit1.west:5672
[zone]
amqp_uri = amqp://nameless:5672
[kazoo_apps]
zone = "east"
"""


def ini(text: str) -> Ini:
    return parse(text.encode(), "c.ini")


def values(found: tuple[kazoo.Found, ...]) -> list[str]:
    return [one.value for one in found]


def test_brokers_of_the_own_zone_come_apart_from_the_others() -> None:
    """Every amqp_uri of the own zone in order; the others by zone; a section without name is ignored."""
    found = kazoo.brokers(ini(ZONES), "east")
    assert values(found.own) == ["amqp://rabbit1.east:5672", "amqp://rabbit2.east:5672"]
    assert [(zone, url.value) for zone, url in found.others] == [("west", "amqp://rabbit1.west:5672")]


def test_an_unlisted_zone_takes_the_amqp_section() -> None:
    """When nothing belongs to the own zone, all [amqp] uris do."""
    found = kazoo.brokers(ini(ZONES), "north")
    assert values(found.own) == ["amqp://fallback:5672"]
    assert [zone for zone, _ in found.others] == ["east", "east", "west"]


def test_zones_in_amqp_sections() -> None:
    """Without [zone] sections, named [amqp] sections are the zones."""
    text = "[amqp]\nzone = a\nuri = amqp://a\n[amqp]\nname = b\nuri = amqp://b\namqp_uri = amqp://b2"
    found = kazoo.brokers(ini(text), "b")
    assert values(found.own) == ["amqp://b", "amqp://b2"]
    assert [(zone, url.value) for zone, url in found.others] == [("a", "amqp://a")]


def test_no_broker_at_all_is_the_default() -> None:
    """An empty file means Kazoo's default broker."""
    assert kazoo.brokers(Ini(), "local").own == (kazoo.Found(kazoo.DEFAULT_BROKER, "default"),)


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        ("", {}, ("local", "default")),
        (ZONES, {}, ("east", "c.ini:14")),
        (ZONES, {"KAZOO_ZONE": "z9"}, ("z9", "KAZOO_ZONE")),
        (ZONES + "[crossbar_conferences]\nzone = own", {}, ("own", "c.ini:16")),
        (ZONES + "[node7]\nzone = seven\n[crossbar_conferences]\nzone = own", {}, ("seven", "c.ini:16")),
        (
            "[kazoo_apps]\nzone = a\n[kazoo_apps]\nhost = apps1\nzone = b\n[kazoo_apps]\nhost = x\nzone = c",
            {},
            ("b", "c.ini:5"),
        ),
        ("[kazoo_apps]\nhost = x\nzone = c", {}, ("local", "default")),
    ],
)
def test_zone_choice(text: str, environ: dict[str, str], expected: tuple[str, str]) -> None:
    """Environment, the node's own section, our section, [kazoo_apps], else local; other hosts don't count."""
    found = kazoo.choose_zone(ini(text), environ, "node7", HOSTS)
    assert (found.value, found.origin) == expected


def test_sections_of_this_host_win_alone() -> None:
    """Host before zone before generic."""
    parsed = ini(
        "[x]\nn = 1\n[x]\nzone = z\nn = 2\n"
        "[x]\nhost = apps1.example.com\nn = 3\n[x]\nhost = other\nzone = z\nn = 4"
    )
    assert [s.get("n") for s in kazoo.local_sections(parsed, "x", HOSTS, "z")] == ["3"]
    assert [s.get("n") for s in kazoo.local_sections(parsed, "x", frozenset({"h"}), "z")] == ["2"]
    assert [s.get("n") for s in kazoo.local_sections(parsed, "x", frozenset({"h"}), "y")] == ["1"]


def test_couch_by_indirection() -> None:
    """[data] config names the section that holds the CouchDB settings."""
    found = kazoo.couch(
        ini(
            "[bigcouch]\nip = wrong\n[data]\nconfig = couch3\n[couch3]\n"
            'ip = "10.0.0.9"\nport = 15984\nusername = "u"\npassword = "p w"'
        ),
        "z",
        HOSTS,
    )
    assert found.url == kazoo.Found("http://10.0.0.9:15984", "c.ini:6")
    assert found.user == kazoo.Found("u", "c.ini:8")
    assert found.password == kazoo.Found("p w", "c.ini:9")


def test_couch_uses_the_generic_group_only() -> None:
    """Sections bound to a host or zone give nothing; the last generic one wins."""
    text = "[bigcouch]\nhost = apps1\nip = hosted\n[bigcouch]\nzone = z\nip = zoned"
    assert kazoo.couch(ini(text), "z", HOSTS).url.value == "http://localhost:5984"
    text += "\n[bigcouch]\nip = one\n[bigcouch]\nip = two"
    assert kazoo.couch(ini(text), "z", HOSTS).url.value == "http://two:5984"


def test_couch_on_an_ipv6_address() -> None:
    """An IPv6 address gets its brackets."""
    assert kazoo.couch(ini("[bigcouch]\nip = ::1"), "z", HOSTS).url.value == "http://[::1]:5984"


@pytest.mark.parametrize("port", ["x", "0", "65536", "-1", "٣", "5984.0", "1" * 5000])
def test_a_bad_couch_port(port: str) -> None:
    """A port that is none names file and line."""
    with pytest.raises(SettingsError, match=r"^c.ini:2: port must be"):
        kazoo.couch(ini(f"[bigcouch]\nport = {port}"), "z", HOSTS)


def test_file_lookup(tmp_path: Path) -> None:
    """KAZOO_CONFIG alone when set, else the first candidate that is there."""
    first, second = tmp_path / "a.ini", tmp_path / "b.ini"
    second.write_text("")
    assert kazoo.locate({}, (first, second)) == second
    assert kazoo.locate({"KAZOO_CONFIG": str(first)}, (second,)) == first
    assert kazoo.locate({}, (first,)) is None
