"""What a worker is told at its start."""

from __future__ import annotations

import pytest

from crossbar_conferences.workers.spec import Spec


def test_there_and_back() -> None:
    """A description comes back as it was."""
    spec = Spec(1, 7, {"api": 8}, "host_1_ab")
    assert Spec.read(spec.text()) == spec


def test_from_a_supervisor_of_an_older_version() -> None:
    """After an upgrade with a reload the supervisor is still the old one: it names no id."""
    assert Spec.read('{"index": 0, "control": 5, "sockets": {}}') == Spec(0, 5, {}, None)
    assert Spec.read('{"index": 0, "control": 5, "sockets": {}, "sidecar_id": 7}').sidecar_id is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"index": "x", "control": 1, "sockets": {}}'])
def test_what_is_none(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError):
        Spec.read(text)
