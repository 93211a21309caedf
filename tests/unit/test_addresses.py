"""Whose request it is, whatever clients write into their headers."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.addresses import (
    MAX_HOPS,
    NetworkInvalid,
    TrustedProxies,
    limited_as,
    read_address,
)

PROXY, OTHER_PROXY, CLIENT = "127.0.0.1", "10.1.2.3", "192.0.2.7"
PROXIES = TrustedProxies([PROXY, "10.1.0.0/16", "2001:db8:aa::/48", "::ffff:172.16.0.0/108"])

_addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
#: What a client may write: anything that a header can hold, commas included, and much that looks right.
_anything = st.one_of(
    st.text(st.characters(codec="latin-1", exclude_categories=("Cc",)), max_size=60),
    st.lists(
        st.one_of(
            _addresses.map(str),
            st.sampled_from(["", " ", "unknown", "_hidden", PROXY, OTHER_PROXY, "1.2.3.4:5", "[::1]:7", '"']),
        ),
        max_size=6,
    ).map(",".join),
)


def _forms(address: str) -> list[str]:
    """How proxies write it."""
    if ":" in address:
        return [address, f"[{address}]", f"[{address}]:443", f'"[{address}]:443"', address.upper()]
    return [address, f"{address}:443", f" {address}\t", f"::ffff:{address}", f"[::ffff:{address}]:1"]


@given(st.lists(_anything, max_size=5), _addresses, st.integers(0, 4), st.booleans())
def test_what_clients_write_changes_nothing(
    lies: list[str], address: ipaddress.IPv4Address | ipaddress.IPv6Address, form: int, same_line: bool
) -> None:
    """Behind a trusted proxy the client is who was connected to it, whatever stood in the header before."""
    expected = TrustedProxies([]).client(str(address))
    written = _forms(str(address))[form]
    lines = [",".join([*lies, written])] if same_line else [*lies, written]
    client = PROXIES.client(PROXY, lines)
    if PROXIES.client(expected) == expected and not PROXIES._trusts(ipaddress.ip_address(expected)):
        assert client == expected
        # And through one more of our proxies.
        assert PROXIES.client(PROXY, [*lines, OTHER_PROXY]) == expected
    # From nobody that is trusted, nothing is believed.
    assert PROXIES.client(CLIENT, lines) == CLIENT


@given(st.lists(_anything, max_size=5), st.one_of(st.none(), st.text(max_size=20), _addresses.map(str)))
def test_anything_has_an_address(lines: list[str], peer: str | None) -> None:
    """Nothing raises, and a client is an address wherever its peer is one."""
    client = PROXIES.client(peer, lines)
    assert len(client) <= 100
    if peer is not None and read_address(peer) is not None:
        assert read_address(client) is not None
        assert limited_as(limited_as(client).partition("/")[0]) == limited_as(client)


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        ([], PROXY),
        ([""], PROXY),
        ([" , ,"], PROXY),
        ([CLIENT], CLIENT),
        ([f"1.1.1.1, {CLIENT}"], CLIENT),
        (["1.1.1.1", CLIENT], CLIENT),
        (["1.1.1.1", f"{CLIENT}, {OTHER_PROXY}"], CLIENT),
        ([CLIENT, OTHER_PROXY, PROXY], CLIENT),
        ([CLIENT, "", " , "], CLIENT),
        ([CLIENT, "2001:db8:aa::9"], CLIENT),
        ([CLIENT, "[2001:db8:aa::9]:80", "::ffff:172.16.5.5", "10.1.9.9:1234"], CLIENT),
        # The proxy did not know, or wrote what is no address: it answers for it itself.
        ([f"{CLIENT}, unknown"], PROXY),
        ([CLIENT, "_obfuscated"], PROXY),
        ([f"{CLIENT}, unknown, {OTHER_PROXY}"], OTHER_PROXY),
        ([CLIENT, "192.0.2.999"], PROXY),
        ([CLIENT, "0300.0.2.7"], PROXY),
        ([CLIENT, "192.0.2.7/24"], PROXY),
        ([CLIENT, "for=192.0.2.9"], PROXY),
        ([CLIENT, "[::1"], PROXY),
        ([CLIENT, "9" * 1000], PROXY),
        # Nobody but proxies.
        ([OTHER_PROXY], OTHER_PROXY),
        ([PROXY], PROXY),
        (["::FFFF:192.0.2.7"], CLIENT),
        (["2001:DB8:0::1%eth0"], "2001:db8::1"),
    ],
)
def test_forms(lines: list[str], client: str) -> None:
    """Lines are one list in their order; the last element that no trusted proxy is counts."""
    assert PROXIES.client(PROXY, lines) == client
    assert PROXIES.client("::ffff:127.0.0.1", lines) == client


def test_thousands_of_elements() -> None:
    """A long header is gone through from its end, and no further than a few proxies."""
    assert PROXIES.client(PROXY, ["1.1.1.1," * 100_000 + CLIENT]) == CLIENT
    assert PROXIES.client(PROXY, ["1.1.1.1"] * 10_000 + [CLIENT, OTHER_PROXY]) == CLIENT
    assert PROXIES.client(PROXY, [CLIENT, *[PROXY] * (MAX_HOPS - 2)]) == CLIENT
    assert PROXIES.client(PROXY, [CLIENT, *[PROXY] * 5_000]) == PROXY
    assert PROXIES.client(PROXY, [CLIENT + "," * 9_000]) == PROXY


def test_networks() -> None:
    """Networks of both kinds, of IPv4 inside IPv6, and of everybody; host bits do not matter."""
    assert TrustedProxies(["10.0.0.99/8"]).client("10.9.9.9", [CLIENT]) == CLIENT
    assert TrustedProxies(["::ffff:0:0/96"]).client("10.9.9.9", [CLIENT]) == CLIENT
    assert TrustedProxies(["0.0.0.0/0"]).client("10.9.9.9", ["fe80::1", CLIENT]) == "fe80::1"
    assert TrustedProxies(["::1"]).client("0:0:0:0:0:0:0:1", [CLIENT]) == CLIENT
    assert TrustedProxies([]).client(PROXY, [CLIENT]) == PROXY


@pytest.mark.parametrize("text", ["", "proxy.example.com", "10.0.0.0/33", "10.0.0", "*", "10.0.0.1:80"])
def test_what_is_no_network(text: str) -> None:
    """A name or half an address is told, not passed over."""
    with pytest.raises(NetworkInvalid):
        TrustedProxies([text])
    # From the database, where nobody can be asked, the others count.
    proxies, unreadable = TrustedProxies.of_readable([text, PROXY])
    assert proxies.client(PROXY, [CLIENT]) == CLIENT and unreadable == [text]


def test_ipv6_clients_are_limited_by_network() -> None:
    """Whoever has one IPv6 address has as many as they like of the same network."""
    assert limited_as("2001:db8:1:2:3:4:5:6") == limited_as("2001:db8:1:2::") == "2001:db8:1:2::/64"
    assert limited_as("2001:db8:1:3::1") != limited_as("2001:db8:1:2::1")
    assert limited_as(CLIENT) == CLIENT
    assert limited_as("unknown") == "unknown"
