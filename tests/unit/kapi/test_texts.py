"""Types of text for the switch's command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.kapi import texts
from crossbar_conferences.kapi.texts import Text, TextRefused, caller_name, has_control_characters, spoken
from tests.support.hostile import FEW, MANY
from tests.support.hostile_texts import HOSTILE as HOSTILE_TEXTS

TYPES = {name: kind for name, kind in vars(texts).items() if isinstance(kind, Text)}

#: What means something on the line, whatever stands around it (real-switch.md D.3).
ALIVE = set('!<>{}[]|\\^`"\r\n\0\u2028\u2029')
#: Commas and blanks separate where ecallmgr quotes nothing.
UNQUOTED = (
    "HEADER_NAME",
    "HOLD_MEDIA",
    "ROUTE",
    "DIALLED_NUMBER",
    "SIP_HOST",
    "SIP_INTERFACE",
    "CODEC",
    "NUMBER",
)
HOSTILE = [
    "${echo(owned)}",
    "$${hostname}",
    "x>null/zq1",
    "x}null/zq1",
    "x'}{zq1='owned",
    "v!zq1=owned",
    "i]loopback/1005/context_2",
    "x|null/zq1",
    "x:_:null/zq1",
    "a\nb",
    "a\x00b",
    "\ud800",
    "a\\'b",
]


@pytest.mark.parametrize("name", TYPES)
@FEW
@given(text=HOSTILE_TEXTS | st.text())
def test_nothing_that_fits_is_alive(name: str, text: str) -> None:
    """Whatever is of a type has no sign that ends, separates, expands or begins anything."""
    kind = TYPES[name]
    if not kind.fits(text):
        return
    # Spoken text stands between quotes, and no dial is made of it; the quoted path is Kazoo's own.
    assert not set(text) & (ALIVE - set("![]") if name == "SPOKEN" else ALIVE)
    assert "'" not in text or (name == "ROUTE" and ";fs_path='" in text)
    assert "$" not in text or name in ("SPOKEN", "CALLER_NAME")
    assert "$$" not in text
    assert ":_:" not in text
    assert not has_control_characters(text)
    assert len(text) <= kind.maximum
    if name in UNQUOTED:
        assert "," not in text
    if name in UNQUOTED[1:]:
        assert " " not in text


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("text", HOSTILE)
def test_what_took_effect_on_a_real_switch_is_of_no_type(name: str, text: str) -> None:
    """The texts of real-switch.md D.3, at both ends and within."""
    for hostile in (text, f"a{text}", f"{text}a", f"a{text}a"):
        if name == "SPOKEN" and not set(hostile) & (ALIVE - set("![]")) and "$$" not in hostile:
            continue
        assert not TYPES[name].fits(hostile)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (texts.CALLER_NAME, "Smith, John (50% off) & co"),
        (texts.CALLER_NAME, "नमस्ते दुनिया"),
        (texts.CALLER_NAME, "O\u2019Neil \u2013 Söhne"),
        (texts.CALL_ID, "4a5b~c.d_e-1@10.0.0.1:5060;x=y"),
        (texts.CODEC, "G7221@16000h"),
        (texts.DIALLED_NUMBER, "*72#1"),
        (texts.HEADER_VALUE, "info=alert-internal; x=http://h/a?b=c"),
        (texts.HOLD_MEDIA, "prompt://system_media/hold/en-us"),
        (texts.HOLD_MEDIA, "system_media/hold"),
        (texts.MEDIA, "https://h/a.mp3?x=1&y=2"),
        (texts.MEDIA, "tone_stream://%(500,0,440);loops=2"),
        (texts.NUMBER, "+14155551212"),
        (texts.RING_TONE, "Bellcore-dr2"),
        (texts.ROUTE, "2600hz.local:7000"),
        (texts.ROUTE, "sip:bob:pw@h:5070;transport=tcp?x=y"),
        (texts.ROUTE, "sip:bob@h;fs_path='sip:proxy.example.com:5060'"),
        (texts.SHOWN_NUMBER, "(415) 555-1212"),
        (texts.SIP_HOST, "sip:10.1.1.1:5060;lr"),
        (texts.SIP_INTERFACE, "sofia/sipinterface_2/"),
        (texts.SPOKEN, "Hello, world! It costs $5 & more; 100%?"),
        (texts.SPOKEN, "1 + 1 = 2 (two) [sic]"),
        (texts.SPOKEN, "Grüße an alle: 5 €"),
        (texts.VARIABLE_VALUE, "Doe, Jane; room=4/b?"),
    ],
)
def test_ordinary_texts_fit(kind: Text, text: str) -> None:
    """Punctuation is no attack, and other scripts are none."""
    assert kind.fits(text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (texts.ROUTE, "loopback/1005/context_2"),
        (texts.ROUTE, "sip:loopback/1005"),
        (texts.ROUTE, "sofia/gateway/carrier/1900"),
        (texts.ROUTE, "sip:sofia/gateway/carrier/1900@h"),
        (texts.ROUTE, "sips:sofia/a/b"),
        (texts.ROUTE, "sip:bob@h?a=b&x-Ecallmgr_Account-ID=c"),
        (texts.ROUTE, "sip:bob@h?%78-ecallmgr_Account-ID=c"),
        (texts.ROUTE, "sip:b@h;fs_path='a';x='b'"),
        (texts.SIP_USER, "loopback/1005"),
        (texts.SIP_USER, "1@10.1.1.1?X-ecallmgr_Account-ID=b&x="),
        (texts.SIP_USER, "1@10.1.1.1?a=b&x-Ecallmgr_Account-ID=c"),
        (texts.SIP_USER, "1@10.1.1.1?%78-ecallmgr_Account-ID=c"),
        (texts.HOLD_MEDIA, "local_stream://other_conf.mp3"),
        (texts.HOLD_MEDIA, "shell_stream:///a/x"),
        (texts.HOLD_MEDIA, "file:/etc/passwd"),
        (texts.HOLD_MEDIA, "http_cache://http://x/"),
        (texts.HOLD_MEDIA, "tone_stream://path=/a"),
        (texts.MEDIA, "tone_stream://PATH=/a"),
        (texts.MEDIA, "/etc/freeswitch/vars.xml"),
        (texts.MEDIA, "sound.wav"),
        (texts.SIP_HOST, "sofia/external/x@h"),
        (texts.SIP_HOST, "_:x"),
        (texts.SIP_INTERFACE, "gateway/carrier"),
        (texts.SIP_INTERFACE, "sofia/gateway"),
        (texts.SIP_INTERFACE, "sofia/Gateway/"),
        (texts.DIALLED_NUMBER, "1005/context_1"),
        (texts.CODEC, "_"),
        (texts.HEADER_NAME, "X-ecallmgr_Account-ID"),
        (texts.HEADER_NAME, "x-ECALLMGR_Account-ID"),
        (texts.HEADER_NAME, ""),
        (texts.VARIABLE_NAME, ""),
        (texts.SPOKEN, "   "),
        (texts.SPOKEN, "a $$ b"),
        (texts.FIGURE, "7 all"),
        (texts.WORD, "a b"),
    ],
)
def test_what_would_be_read_as_something_else(kind: Text, text: str) -> None:
    """Another kind of endpoint, a gateway, a variable of Kazoo's own, a separator made of harmless signs."""
    assert not kind.fits(text)


def test_quotes_are_made_harmless() -> None:
    """An apostrophe is spoken and shown, not refused."""
    assert spoken(' It\'s "on" ') == "It\u2019s \u2019on\u2019"
    assert caller_name("O'Neil") == "O\u2019Neil"


@MANY
@given(HOSTILE_TEXTS | st.text())
def test_names_are_put_right(text: str) -> None:
    """Whatever the name, what is left of it is of its type."""
    assert texts.CALLER_NAME.fits(caller_name(text))


def test_errors_do_not_repeat_the_text() -> None:
    """The message says what is asked for and quotes nothing."""
    with pytest.raises(TextRefused) as error:
        texts.MEDIA.checked("secret' attack")
    assert "secret" not in str(error.value)


def test_overlong() -> None:
    """Every text has an end, and its length is looked at before its signs."""
    for kind in TYPES.values():
        assert not kind.fits("1" * (kind.maximum + 1))
    assert len(caller_name("x" * 5000)) == texts.MAXIMUM_CALLER
    with pytest.raises(TextRefused):
        spoken("x" * 5000)


@pytest.mark.parametrize("text", ["\x1b", "a\u2029", "\ud800", "a\nb"])
def test_control_characters(text: str) -> None:
    """Control characters, line separators and half a pair of surrogates."""
    assert has_control_characters(text)
    assert not has_control_characters("ok é 中")
