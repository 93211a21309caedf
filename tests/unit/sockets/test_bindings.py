"""Websocket bindings (``sockets/bindings.py``)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.sockets.bindings import BindingInvalid, catalogue, parse

ACCOUNT = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
KEY = f"conference.event.add-member.{ACCOUNT}.room.call-1%2E2%4010%2E0%2E0%2E1"


@pytest.mark.parametrize(
    ("binding", "key"),
    [
        ("conference.event.room.*", f"conference.event.*.{ACCOUNT}.room.*"),
        ("conference.event.*.room.*", f"conference.event.*.{ACCOUNT}.room.*"),
        ("conference.event.add-member.room.*", f"conference.event.add-member.{ACCOUNT}.room.*"),
        ("conference.event.room.*.add-member", f"conference.event.add-member.{ACCOUNT}.room.*"),
        (
            "conference.event.room.call-1%2E2%4010%2E0%2E0%2E1",
            f"conference.event.*.{ACCOUNT}.room.call-1%2E2%4010%2E0%2E0%2E1",
        ),
        ("conference.event.room.call-1.2@10.0.0.1", f"conference.event.*.{ACCOUNT}.room.call-1.2@10.0.0.1"),
        (
            "conference.event.add-member.room.call-1.2@10.0.0.1",
            f"conference.event.add-member.{ACCOUNT}.room.call-1.2@10.0.0.1",
        ),
    ],
)
def test_every_generation_and_both_spellings_of_a_call_match(binding: str, key: str) -> None:
    """Each shape of binding hears the event, keeps the client's text and shows Kazoo's key."""
    subscription = parse(binding, ACCOUNT)
    assert subscription.text == binding
    assert subscription.key == key
    assert subscription.matches(KEY)
    assert not subscription.matches(KEY.replace("room", "other"))
    assert not subscription.matches(KEY.replace(ACCOUNT, "f" * 32))


def test_commands_and_documents_can_be_followed() -> None:
    """Commands by conference, document changes by action, in the subscriber's own database."""
    assert parse("conference.command.room", ACCOUNT).matches("conference.command.room")
    changed = parse("object.doc_edited.conference", ACCOUNT)
    database = "account%2Fa1%2Fb2%2Fc3d4e5f60718293a4b5c6d7e8f90"
    assert changed.matches(f"doc_edited.{database}.conference.x1")
    assert not changed.matches(f"doc_edited.{database}.user.x1")
    assert parse("object.*.conference", ACCOUNT).matches(f"doc_deleted.{database}.conference.x1")


@pytest.mark.parametrize(
    ("binding", "words"),
    [
        ("", "empty subscription"),
        (5, "empty subscription"),
        ("foo.bar", "no available subscriptions to requested binding"),
        ("conference", "invalid format for conference subscription : "),
        ("conference.event.a", "invalid format for conference subscription : event, a"),
        ("conference.event.dance.a.b", "Unsupported conference event dance"),
        ("conference.command.*", "unauthorized wildcard for conference id"),
        ("conference.command.#", "invalid conference id"),
        ("conference.event.#.a", "invalid conference id"),
        ("object.doc_edited.user", "event doc_edited.user not supported"),
        ("object.doc_edited", "invalid format for object subscription : doc_edited"),
    ],
)
def test_what_cannot_be_subscribed_to_says_why(binding: object, words: str) -> None:
    """Each refusal has its words."""
    with pytest.raises(BindingInvalid) as caught:
        parse(binding, ACCOUNT)
    assert str(caught.value) == words


@given(
    st.one_of(
        st.text(max_size=80),
        st.from_regex(r"conference\.(event|command)(\.[*#a-z@.%-]{0,8}){0,5}", fullmatch=True),
    )
)
def test_no_text_binds_outside_the_account(text: str) -> None:
    """Whatever is sent is refused or bound with the subscriber's account and no open wildcard."""
    try:
        subscription = parse(text, ACCOUNT)
    except BindingInvalid:
        return
    for binding in subscription.bindings:
        words = binding.routing_key.split(".")
        assert "#" not in words
        assert subscription.kind == "command" or ACCOUNT in words or ACCOUNT[4:] in binding.routing_key


def test_everything_in_the_catalogue_can_be_subscribed_to() -> None:
    """With ids in the places of its placeholders."""
    families = catalogue()
    assert families.keys() == {"conference", "object"}
    for text in (text for texts in families.values() for text in texts):
        parse(text.replace("{CONFERENCE_ID}", "room").replace("{CALL_ID}", "*"), ACCOUNT)
