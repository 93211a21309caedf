"""Whom and where invitations may name (``conference/addresses.py``)."""

from __future__ import annotations

from email.headerregistry import Address
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crossbar_conferences.conference.addresses import is_link, is_mail_address

GUESTS = [
    *(
        "a@example.com",
        "ann.lee+board@mail.example.co.uk",
        "o'brien@example.com",
        "A_B-c@xn--bcher-kva.example",
    ),
    *("bounce=ann=example.org@lists.example.com", "x@localhost", "1@1a.example", f"{'x' * 64}@example.com"),
]
NO_GUESTS = [
    *("", "@", "a@", "@b.example", "a", "a@b@c.example", "mailto:a@example.com", "MAILTO:a@example.com"),
    *(
        "a%0d%0aBcc:b@example.com",
        "a%40evil.example@example.com",
        "a@example.com%0D%0ABcc%3Ax",
        "a%b@example.com",
    ),
    *("a?bcc=b@example.com", "a@example.com?bcc=b@example.com", "a&cc=b@example.com", "a#b@example.com"),
    *(
        "Ann <a@example.com>",
        "<a@example.com>",
        '"a b"@example.com',
        "a@example.com,b@example.com",
        "a;b@x.example",
    ),
    *("a@example.com\n", "a@example.com\r\nBcc: b@example.com", "a\u2028@example.com", "a\x85@example.com"),
    *(
        "a @example.com",
        " a@example.com",
        "a@example.com\u00a0",
        "a\u200b@example.com",
        "\ufeffa@example.com",
    ),
    *(
        ".a@example.com",
        "a.@example.com",
        "a..b@example.com",
        "-oQ@example.com",
        "a!b@example.com",
        "a|b@example.com",
    ),
    *(
        "a@-x.example",
        "a@x-.example",
        "a@x..example",
        "a@.example",
        "a@example.",
        "a@127.0.0.1",
        "a@[127.0.0.1]",
    ),
    *(
        "a@exa_mple.com",
        "j\u00fcrgen@example.com",
        "a@b\u00fccher.example",
        "a\uff20example.com",
        "a(b)@example.com",
    ),
    *(
        f"{'x' * 65}@example.com",
        f"a@{'x' * 64}.example",
        f"a@{'x.' * 130}example",
        "a:b@example.com",
        "${a}@x.example",
    ),
]
LINKS = [
    *(
        "https://x.example/?a=b",
        "http://x",
        "HTTPS://Meet.Example:8443/a/b;c?d=%20&e=[1]#f",
        "https://10.0.0.1/x",
    ),
    *(
        "http://[2001:db8::1]:80/",
        "https://x.example?a",
        "https://x.example#a",
        "https://xn--bcher-kva.example/%C3%BC",
    ),
]
NO_LINKS = [
    *(
        "",
        "x.example",
        "//x.example",
        "https:",
        "https://",
        "https:///a",
        "https:/x.example",
        "https:x",
        "http://?a",
    ),
    *(
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://x.example",
        "file:///etc/passwd",
        "mailto:a@example.com",
    ),
    *("JaVaScRiPt:alert(1)//https://x", " https://x.example", "https://x.example ", "https://x.example\n"),
    *(
        "https://x\r\nATTENDEE:mailto:e@example.com",
        "https://x.example/%0d%0aX:y",
        "https://x/%00",
        "https://x/%7f",
    ),
    *(
        "https://a@x.example/",
        "https://a:b@x.example/",
        "https://good.example@evil.example",
        "https://x.example\\@y",
    ),
    *(
        "https://x.example/<b>",
        'https://x.example/"',
        "https://x.example/a b",
        "https://x.example/{a}",
        "https://x/%zz",
    ),
    *(
        "https://x.example:0/",
        "https://x.example:65536/",
        "https://x.example:/",
        "https://x.example:a/",
        "https://-x",
    ),
    *(
        "https://b\u00fccher.example/",
        "https://x.example/\u00fc",
        "https://x\u2028.example",
        "https://x%2eexample/",
    ),
    *(
        "https://[::1",
        "https://[zz]/",
        "https://1.2.3/",
        "https://256.1.1.1/",
        "https://.",
        f"https://x/{'a' * 2_048}",
    ),
]


@pytest.mark.parametrize("text", GUESTS)
def test_addresses_of_mail(text: str) -> None:
    """What people have is taken, internationalised hosts in their ASCII form."""
    assert is_mail_address(text)


@pytest.mark.parametrize("text", NO_GUESTS)
def test_what_is_no_address_of_mail(text: str) -> None:
    """No scheme, no header however it is written, no second recipient, no name beside it."""
    assert not is_mail_address(text)


@pytest.mark.parametrize("text", LINKS)
def test_links(text: str) -> None:
    """A page in the web, wherever it is."""
    assert is_link(text)


@pytest.mark.parametrize("text", NO_LINKS)
def test_what_is_no_link(text: str) -> None:
    """No other scheme, no host that is none, nobody's name before it, no line break however it is written."""
    assert not is_link(text)


_PIECES = st.sampled_from(
    [
        *"a.@:/?#&=%<>,;\"'\\ \r\n\t\u2028\x85-_+![]()$",
        "0d",
        "0a",
        "mailto:",
        "http://",
        "https://",
        "x.example",
    ]
)
_TEXTS = st.lists(_PIECES | st.characters(), max_size=12).map("".join)


@given(_TEXTS | _TEXTS.map("https://".__add__))
def test_what_is_a_link_is_one_to_others(text: str) -> None:
    """Another reader of it finds the scheme, a host and nobody's name, before and after it is decoded."""
    if is_link(text):
        for found in (urlsplit(text), urlsplit(unquote(text))):
            assert found.scheme in ("http", "https") and found.hostname and found.username is None
        assert not set(unquote(text)) & set("\r\n\v\f\0\x7f")


@given(_TEXTS | _TEXTS.map(lambda text: f"{text}@x.example"))
@example("//@x.example")
def test_what_is_an_address_is_one_to_others(text: str) -> None:
    """Another reader of it finds the same two parts, and nothing that an encoding hides."""
    if is_mail_address(text):
        address = Address(addr_spec=text)
        assert (f"{address.username}@{address.domain}", unquote(text)) == (text, text)
        parts = urlsplit(f"mailto:{text}")
        assert (parts.path, parts.query, parts.fragment) == (text, "", "")
