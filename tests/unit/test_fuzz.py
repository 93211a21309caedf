"""No input from outside breaks anything: tokens, requests, lists, messages, frames, configuration.

What is allowed is said by each test: an answer, or the one error that the parser raises.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crossbar_conferences.api import negotiation
from crossbar_conferences.api.body import check_query, read_body, read_query
from crossbar_conferences.api.envelope import dumps
from crossbar_conferences.api.errors import ApiError
from crossbar_conferences.auth import jwt
from crossbar_conferences.auth.failures import AuthFailure
from crossbar_conferences.auth.keys import generate
from crossbar_conferences.conference import filters, listing, live, presentation, sightings
from crossbar_conferences.settings import load
from crossbar_conferences.settings.errors import SettingsError
from crossbar_conferences.sockets import bindings
from crossbar_conferences.sockets.bindings import BindingInvalid
from tests.support.hostile import ACCOUNT, DEEP, EVENTS, JSON, KEYS, MANY, OBJECTS, WORDS, encoded, messages

# Tokens.

_KEY = generate()


def _part(raw: bytes) -> str:
    import base64

    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@MANY
@given(
    st.text(max_size=200)
    | st.tuples(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60)).map(
        lambda parts: ".".join(map(_part, parts))
    )
    | st.tuples(JSON, JSON).map(lambda parts: ".".join(_part(encoded(part)) for part in (*parts, "x")))
)
@example(_part(DEEP.encode()) + ".e30.e30")
@example(_part(b'{"alg":"RS256","kid":' + DEEP.encode() + b"}") + ".e30.e30")
@example(_part(b'{"alg":["RS256"],"kid":{}}') + ".e30.e30")
@example(_part(b'{"alg":"RS256","crit":["exp"]}') + ".e30.e30")
@example(_part(b'{"alg":"RS256","b64":false,"crit":["b64"]}') + ".e30.e30")
@example("..")
@example("\ud800.\ud800.\ud800")
def test_token_outsides(text: str) -> None:
    """A text has a key id and claims, or is refused."""
    with suppress(AuthFailure):
        jwt.key_id(text)
        jwt.verified_claims(text, _public())


def _public() -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if "public" not in _CACHE:
        private: Any = load_pem_private_key(_KEY.pem, password=None)
        _CACHE["private"], _CACHE["public"] = private, private.public_key()
    return _CACHE["public"]


_CACHE: dict[str, Any] = {}


# Requests.


@MANY
@given(JSON.map(encoded) | st.binary(max_size=100), st.sampled_from([None, "application/json", "x/y"]))
@example(b'{"data":' + DEEP.encode() + b"}", None)
@example(b'{"data":{"n":' + b"9" * 5000 + b"}}", None)
@example(b'{"data":{"n":1e400,"m":123456789012345678901}}', None)
@example(b'{"data":{"t":"\\ud800","m":123456789012345678901}}', None)
@example(b'{"data":{"a":1,"a":2}}\x00', None)
def test_bodies(raw: bytes, content_type: str | None) -> None:
    """A body is an envelope that can be sent back, or a 400."""
    with suppress(ApiError):
        dumps(read_body(raw, content_type).envelope)


@MANY
@given(st.text(max_size=60))
@example("a=%ed%a0%80")
def test_queries(text: str) -> None:
    """A query string is read, or refused."""
    with suppress(ApiError):
        check_query(text)
    read_query(text)


HEADERS = st.text(alphabet='abc*/;,=q."W/ \t01é\udc80-', max_size=40)


@MANY
@given(HEADERS, HEADERS, st.sampled_from(["GET", "PUT", "POST"]))
def test_negotiation(one: str, other: str, verb: str) -> None:
    """Accept, Accept-Language and the preconditions decide something, or are refused."""
    negotiation.language(one)
    with suppress(ApiError):
        negotiation.choose(one, other or None)
    with suppress(ApiError):
        headers = {"If-Match": one, "If-None-Match": other}
        negotiation.check_preconditions(verb, headers, '"1-a"', ("1-a",))


NAMES = st.sampled_from(
    [
        *("page_size", "start_key", "bookmark", "paginate", "descending", "ascending", "fields", "full_docs"),
        *("chunk_size", "batch_size", "created_from", "created_to", "modified_from", "modified_to"),
        *("has_key", "key_missing", "has_value", "value_missing", "filter_name", "filter_not_a.b"),
        *(f"{form}name" for form in filters._PREFIXES),
    ]
)
VALUES = st.just(True) | st.text(max_size=20) | JSON.map(lambda value: encoded(value).decode())


@MANY
@given(st.dictionaries(NAMES, VALUES, max_size=6), OBJECTS)
@example({"filter_any_name": "[" * 900 + "]" * 900}, {"name": "x"})
@example({"filter_name": "[" * 900 + "]" * 900}, {"name": ["x"]})
@example({"filter_name": "[" * 900 + "1" + "]" * 900}, {"name": "x"})
@example({"start_key": "=" * 9000}, {})
@example({"start_key": "\udc80"}, {})
@example({"fields": "[" * 4000}, {})
@example({"created_from": "9" * 15, "created_to": "-" + "9" * 14}, {})
def test_lists(query: dict[str, Any], document: dict[str, Any]) -> None:
    """A list's parameters make a query that says of any document whether it is meant, or are refused."""
    try:
        parsed = listing.parse(
            query,
            query.get,
            default_page_size=50,
            max_page_size=1000,
            full_docs_allowed=True,
            now_gregorian=63_900_000_000,
        )
    except listing.ListingError:
        return
    listing.matches(document, parsed)
    dumps(listing.item(document, parsed, {"members": 1}, {"members": 1}))


# What the media side says.


@MANY
@given(messages())
@example({"Event": "add-member", "Conference-ID": "room", "Participant-ID": "²"})
@example({"Participants": [{"Participant-ID": 1, "Conference-Channel-Vars": {"Floor": []}}]})
def test_rooms(body: dict[str, Any]) -> None:
    """A message's rooms, members and event are values that can be shown."""
    rooms = [sightings.room_from_search(body), *sightings.rooms_from_account_search(body, ACCOUNT)]
    state: live.MutableRooms = {room.conference_id: room for room in rooms}
    event = live.event_from(body, 1.0)
    if event is not None:
        found = list(state.values())
        live.enter(state, event)
        state = live.reconcile(found, [event, event], state)
    for room in state.values():
        dumps(presentation.metadata(room, 1_800_000_000.0))


@MANY
@given(st.text(max_size=40) | st.lists(WORDS | EVENTS, max_size=6).map(".".join), KEYS)
def test_bindings(text: str, routing_key: str) -> None:
    """A binding's text is a subscription that says of any routing key whether it is meant, or refused."""
    for asked in (text, f"conference.{text}", f"conference.event.{text}", f"object.{text}"):
        with suppress(BindingInvalid):
            bindings.parse(asked, ACCOUNT).matches(routing_key)


# Configuration.

_LINES = st.sampled_from(
    [
        *(
            "[zone]",
            "[amqp]",
            "[bigcouch]",
            "[data]",
            "[kazoo_apps]",
            "[crossbar_conferences]",
            'name = "east"',
        ),
        *(
            "[crossbar_conferences]",
            'amqp_uri = "amqp://a:b@host:5672"',
            'uri = "amqp://host"',
            "zone = east",
            "host = other",
        ),
        *("ip = 127.0.0.1", "port = 5984", 'config = "bigcouch"', "http_port = 8001", "password = a;b"),
    ]
) | st.tuples(
    st.sampled_from(["name", "uri", "amqp_uri", "zone", "host", "ip", "port", "config", "http_port", "x"]),
    st.text(max_size=15),
).map(" = ".join)


@MANY
@given(st.lists(_LINES | st.text(max_size=20), max_size=12).map("\n".join))
def test_configurations(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Kazoo's config.ini gives settings, or an error that names the place."""
    path = _CACHE.setdefault("path", tmp_path_factory.mktemp("fuzz") / "config.ini")
    assert isinstance(path, Path)
    path.write_text(text, encoding="utf-8", errors="replace")
    with suppress(SettingsError):
        load({}, environ={"KAZOO_CONFIG": str(path)}, candidates=())


def test_time_is_bounded() -> None:
    """Nothing that a parser is given within the limits keeps the loop from others for long."""
    cases: list[tuple[Callable[[], Any], str]] = [
        (lambda: read_body(b'{"data":{"a":"' + b"\\\\" * 3_000_000 + b'"}}', None), "escapes"),
        (lambda: read_body(b'"' * 7_000_000, None), "quotes"),
        (lambda: read_body(b"[" * 7_000_000, None), "brackets"),
        (lambda: read_body(b'{"data":{"a":' + b"1" * 7_000_000 + b"}}", None), "digits"),
        (lambda: read_body(b"a" * 7_000_000, "application/x-www-form-urlencoded"), "form"),
        (lambda: read_body(b"%41" * 2_000_000 + b"=1", "application/x-www-form-urlencoded"), "escaped form"),
        (lambda: negotiation.choose(";q=" * 2700, None), "accept"),
        (lambda: negotiation.choose("a/b," * 2000, None), "accept ranges"),
        (lambda: filters.read("filter_" + "a." * 4000, "x"), "path"),
        (lambda: jwt.key_id("a." + "b" * 16_000 + ".c"), "token"),
    ]
    for run, name in cases:
        begun = time.process_time()
        with suppress(ApiError, AuthFailure):
            run()
        assert time.process_time() - begun < 1.0, name
