"""What becomes of dialled legs."""

from __future__ import annotations

import pytest

from crossbar_conferences.switch.commands import Join
from crossbar_conferences.switch.dialling import Leg, cause_of, failed, is_mode, join_of, legs, succeeded

NUMBER = {"Route": "5551234", "Custom-Channel-Vars": {"Account-ID": "A", "Authorizing-ID": "C"}}
USER = {"Endpoint-ID": "u1", "Account-ID": "B", "Custom-Channel-Vars": {}}
DEVICE = {"Custom-Channel-Vars": {"Authorizing-ID": "d1"}, "Outbound-Call-ID": "own"}
REQUEST = {"Conference-ID": "C", "Account-ID": "R", "Endpoints": [NUMBER, USER, DEVICE, {}]}


def test_legs() -> None:
    """Endpoint ids, call ids and accounts come from where Kazoo takes them, in its order."""
    assert legs(REQUEST, ["f1", "f2", "f3", "f4"]) == (
        Leg("5551234", "f1", "A"),
        Leg("u1", "f2", "B"),
        Leg("d1", "own", "R"),
        Leg(None, "f4", "R"),
    )
    assert [leg.call_id for leg in legs({**REQUEST, "Outbound-Call-ID": "x"}, ["f"] * 4)] == [
        "x",
        "x",
        "own",
        "x",
    ]


def test_flags() -> None:
    """Participant flags and application variables come with the call."""
    request = {
        **REQUEST,
        "Participant-Flags": ["mute", "deaf", "is_moderator", "ghost", "video_mute", "join_existing", 5],
        "Custom-Application-Vars": {"foo": "bar"},
    }
    assert join_of(Leg("1", "c1", "A"), request, 9) == Join(
        "C",
        "c1",
        9,
        moderator=True,
        speak=False,
        hear=False,
        see=False,
        ghost=True,
        account_id="A",
        application_vars={"foo": "bar"},
        dialled=True,
    )
    plain = join_of(Leg("1", "c1", "A"), {**REQUEST, "Participant-Flags": "mute"}, 9)
    assert plain.speak


def test_responses() -> None:
    """The objects of an answer are as recorded."""
    leg = Leg("5551234", "c1", "A")
    assert succeeded(leg) == {
        "Message": "dialing endpoints",
        "Status": "success",
        "Endpoint-ID": "5551234",
        "Call-ID": "c1",
    }
    assert failed(leg, cause_of("busy")) == {
        "Status": "error",
        "Message": "USER_BUSY",
        "Endpoint-ID": "5551234",
    }
    assert "Endpoint-ID" not in failed(Leg(None, "c1", None), "timeout")


@pytest.mark.parametrize(
    ("mode", "right"),
    [
        ("answer", True),
        ("busy", True),
        ("silent", True),
        ("NO_ANSWER", True),
        ("no answer", False),
        ("", False),
    ],
)
def test_modes(mode: str, right: bool) -> None:
    """A mode is a word or a hangup cause."""
    assert is_mode(mode) is right
