"""SIP URIs (dial.md 3.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference.endpoints_uri import parse_sip_uri


@pytest.mark.parametrize(
    ("text", "user", "domain"),
    [
        ("sip:bob@h", "bob", "h"),
        ("sip:h", "", "h"),
        ("sip:bob@h:5070;transport=tcp", "bob", "h"),
        ("sip:bob@h?x=y", "bob", "h"),
        ("sip:bob:pw@h", "bob", "h"),
        ("sip:bob%40x@h", "bob%40x", "h"),
        ("sip:+14155551212@gw.example.com", "+14155551212", "gw.example.com"),
    ],
)
def test_valid(text: str, user: str, domain: str) -> None:
    """User and domain are read, the route stays as it was."""
    uri = parse_sip_uri(text)
    assert uri is not None
    assert (uri.user, uri.domain, uri.route) == (user, domain, text)


def test_blank_after_the_scheme() -> None:
    """A blank there is accepted and dropped: on a command line it would separate."""
    uri = parse_sip_uri("sip: bob@x")
    assert uri is not None
    assert uri.route == "sip:bob@x"


@pytest.mark.parametrize(
    "text",
    [
        "sip:",
        "sip:bob@",
        "sip:a@b@c",
        "sip:b ob@h",
        "sip:a@b,sip:c@d",
        "sip:bob@h:0",
        "sip:bob@h:99999",
        "SIPX:bob@h",
        "sips:bob@h?x=y",
        "sips:bob@h;transport=udp",
        "sips:bob@h;Transport=tcp",
        "sips:bob@h;transport=tlsx",
        "sips",
        "bob@h",
        "sip:bob@h\n",
        "sip:bob@h'",
        "sip:bob@h;fs_path='x'",
        "sip:bob@h;x={y}",
        "sip:b${ob}@h",
        "sip:bob@h|lua",
        "sip:bob@h ;x",
        "sip:<bob@h>",
        "sip:bob@[::1",
        "sip:[::1]",
        "sip:bob@[2001:db8::1]:5060",
        "sip:loopback/1005@h",
        "sip:sofia/gateway/carrier/1900@h",
        "sip:b!ob@h",
        "sip:bob@h;x=!y",
        "sip:bob@h?x=!y",
        "sip:" + "a" * 600 + "@h",
    ],
)
def test_invalid(text: str) -> None:
    """More than one URI, a missing part, or a character that would end or split a dial string."""
    assert parse_sip_uri(text) is None


@given(st.text().map(lambda rest: f"sip:{rest}"))
def test_what_is_valid_is_harmless(text: str) -> None:
    """No accepted URI has a blank, a quote, a comma, a brace or a control character."""
    uri = parse_sip_uri(text)
    if uri is not None:
        assert not set(uri.route) & set(" \t\r\n'\",{}[]<>|\\`$^!")
        assert uri.route.isprintable()


@pytest.mark.parametrize("scheme", ["SIP:", "Sip:", "sIPs:", "SIPS: "])
def test_schemes_in_any_case(scheme: str) -> None:
    """A scheme is one in any case; what is dialled has it in small letters, and ``sips`` is over TLS."""
    uri = parse_sip_uri(f"{scheme}bob@h")
    assert uri is not None
    assert uri.route == f"{scheme.strip().lower()}bob@h"
    assert uri.is_secure is scheme.lower().startswith("sips")
