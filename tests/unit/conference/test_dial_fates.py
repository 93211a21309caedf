"""What becomes of the legs of a dial: their own calls decide, ecallmgr's word tells the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.conference.dial_fates import DialLeg, Fates

ANN, BOB = DialLeg("call-ann", "1001"), DialLeg("call-bob", "1002")
USER = DialLeg("call-user", "u" * 32, forks=True)
LOOP = DialLeg("call-loop", "1003", loops=True)


def success(endpoint_id: str, call_id: str) -> dict[str, Any]:
    """What ecallmgr says of a leg that it counts as joined."""
    return {
        "Message": "dialing endpoints",
        "Status": "success",
        "Endpoint-ID": endpoint_id,
        "Call-ID": call_id,
    }


def error(endpoint_id: str, message: str) -> dict[str, Any]:
    """What ecallmgr says of one that failed."""
    return {"Status": "error", "Message": message, "Endpoint-ID": endpoint_id}


def told(fates: Fates) -> list[Mapping[str, Any]]:
    """The answer's objects."""
    responses: list[Mapping[str, Any]] = fates.answer()["endpoint_responses"]
    return responses


def test_a_leg_of_an_endpoint() -> None:
    """Its name in the answer is ecallmgr's choice: route, endpoint, authorizing id."""
    leg = DialLeg.of(
        {"Outbound-Call-ID": "c", "Route": "1001", "Endpoint-ID": "d", "Invite-Format": "loopback"}
    )
    assert leg == DialLeg("c", "1001", forks=False, loops=True)
    assert DialLeg.of({"Outbound-Call-ID": "c", "Endpoint-ID": "d", "Invite-Format": "endpoint"}).forks
    authorized = {"Outbound-Call-ID": "c", "Custom-Channel-Vars": {"Authorizing-ID": "a"}}
    assert DialLeg.of(authorized).endpoint_id == "a"


def test_legs_that_join() -> None:
    """A leg whose call has joined is in, before ecallmgr says so; strangers' calls prove nothing."""
    fates = Fates([ANN, BOB])
    fates.joined("call-of-somebody-else")
    assert not fates.is_any_known
    fates.joined("call-ann")
    assert fates.is_any_known and not fates.are_settled
    fates.joined("call-bob")
    assert fates.are_settled
    assert told(fates) == [
        {"endpoint_id": "1001", "status": "success", "message": "dialing endpoints", "call_id": "call-ann"},
        {"endpoint_id": "1002", "status": "success", "message": "dialing endpoints", "call_id": "call-bob"},
    ]


def test_anybodys_joining_is_no_success() -> None:
    """Kazoo 5 tells of success for every leg that rings when anybody joins: each leg waits for its own."""
    fates = Fates([ANN, BOB])
    fates.joined("call-ann")
    fates.told([success("1002", "call-bob"), success("1001", "call-ann")])
    assert not fates.are_settled
    fates.ended("call-bob", "USER_BUSY", answered=False)
    assert [one["message"] for one in told(fates)] == ["dialing endpoints", "USER_BUSY"]
    assert "call_id" not in told(fates)[1]


def test_the_open_core_counts_a_legs_own_joining() -> None:
    """Its word is enough, also for a call that took the place of the leg's."""
    fates = Fates([ANN, BOB], trusts=True)
    fates.told([error("1001", "NO_ANSWER"), success("1002", "call-that-replaced-bobs")])
    assert fates.are_settled
    assert [one.get("call_id") for one in told(fates)] == [None, "call-that-replaced-bobs"]


def test_a_leg_that_was_dropped() -> None:
    """Answered and hung up before it was in: that is said, with the cause, whatever comes later."""
    fates = Fates([ANN])
    fates.ended("call-ann", "NORMAL_CLEARING", answered=True)
    assert fates.are_settled
    fates.told([error("1001", "timeout")])
    (leg,) = told(fates)
    assert (leg["status"], leg["message"], leg["answered"]) == ("error", "NORMAL_CLEARING", True)
    assert "hung up before it was in the conference" in leg["reason"]


def test_who_joins_and_leaves_at_once() -> None:
    """Joins and ends come on ways of their own: a leg that joined has joined, whichever is heard first."""
    fates = Fates([ANN])
    fates.ended("call-ann", "NORMAL_CLEARING", answered=True)
    fates.joined("call-ann")
    assert told(fates)[0]["status"] == "success"
    fates.ended("call-ann", "NORMAL_CLEARING", answered=True)
    assert told(fates)[0]["status"] == "success"


@pytest.mark.parametrize("cause", ["LOSE_RACE", "NORMAL_UNSPECIFIED"])
def test_a_call_that_another_replaces(cause: str) -> None:
    """Its end is not the leg's: what ecallmgr names then is."""
    fates = Fates([LOOP])
    fates.ended("call-loop", cause, answered=True)
    assert not fates.are_settled
    fates.told([success("1003", "call-b-leg")])
    assert not fates.are_settled
    fates.joined("call-b-leg")
    assert told(fates)[0]["call_id"] == "call-b-leg"


def test_a_user_with_several_phones() -> None:
    """The phone that is busy is not the user's answer; the one that joins is the one that ecallmgr names.
    That a call of his joins says nothing: he may have called in."""
    fates = Fates([USER, ANN])
    fates.ended("call-user", "USER_BUSY", answered=False)
    fates.joined("call-of-his-that-came-in")
    fates.joined("call-second-phone")
    assert not fates.is_any_known
    fates.told([success("u" * 32, "call-second-phone")])
    assert told(fates)[0]["call_id"] == "call-second-phone"


def test_a_leg_of_one_phone_is_its_own_call() -> None:
    """Whatever call an answer names for it."""
    fates = Fates([ANN])
    fates.joined("call-of-a-stranger")
    fates.told([success("1001", "call-of-a-stranger")])
    fates.seen({"call-of-a-stranger"})
    assert told(fates)[0]["message"] == "timeout"


def test_one_number_twice() -> None:
    """Two legs to one number: the one that joined is not the one whose error names the number only."""
    fates = Fates([DialLeg("call-1", "1005"), DialLeg("call-2", "1005")])
    fates.joined("call-1")
    fates.told([error("1005", "NO_ANSWER"), success("1005", "call-1")])
    assert fates.are_settled
    assert [one["status"] for one in told(fates)] == ["success", "error"]


def test_a_search_that_shows_them() -> None:
    """Where joins are not published, whom ecallmgr names is looked for in the conference."""
    fates = Fates([LOOP, BOB])
    fates.told([success("1003", "call-x"), success("1002", "call-bob")])
    fates.seen({"call-x", "call-of-somebody-else"})
    assert [one["status"] for one in told(fates)] == ["success", "error"]
    assert told(fates)[1]["message"] == "timeout"


_CALLS = st.sampled_from(["call-ann", "call-loop", "call-user", "call-x", "call-y"])
_ENTRY = st.one_of(
    st.builds(success, st.sampled_from(["1001", "1003", "odd"]), _CALLS),
    st.builds(error, st.sampled_from(["1001", "1003", "odd"]), st.sampled_from(["NO_ANSWER", ""])),
    st.dictionaries(
        st.sampled_from(["Status", "Message", "Endpoint-ID", "Call-ID"]), st.none() | st.integers()
    ),
    st.just("no object"),
)
_STEP = st.one_of(
    st.tuples(st.just("joined"), _CALLS),
    st.tuples(st.just("ended"), _CALLS),
    st.tuples(st.just("told"), st.lists(_ENTRY, max_size=4)),
)


@given(st.lists(_STEP, max_size=12))
def test_no_success_without_a_joining(steps: list[tuple[str, Any]]) -> None:
    """Whatever is said in whatever order: a leg has success only with a call that joined, each leg is told of
    once, and no two name one call."""
    fates, joined = Fates([ANN, LOOP, USER]), set()
    for kind, what in steps:
        if kind == "joined":
            fates.joined(what)
            joined.add(what)
        elif kind == "ended":
            fates.ended(what, "NORMAL_CLEARING", answered=False)
        else:
            fates.told(what)
    responses = told(fates)
    assert len(responses) == 3
    named = [one["call_id"] for one in responses if one["status"] == "success"]
    assert joined.issuperset(named)
    assert len(named) == len(set(named))
    assert all(one["message"] and "call_id" not in one for one in responses if one["status"] != "success")
