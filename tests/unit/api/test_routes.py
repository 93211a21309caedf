"""The route table (``api/routes.py``)."""

from __future__ import annotations

import pytest

from crossbar_conferences.api.routes import ROUTES, match, version_of


def test_every_template_matches_itself() -> None:
    """Each route is found by a path made from its own template, with its parameters."""
    for route in ROUTES:
        tokens = ["x" if part.startswith("{") else part for part in route.segments]
        found = match(tuple(tokens))
        assert found is not None
        assert found.route == route
        assert set(found.parameters.values()) <= {"x"}


@pytest.mark.parametrize(
    "path",
    [
        "",
        "accounts",
        "accounts/A",
        "accounts/A/conferences/C/foo",
        "accounts/A/conferences/C/participants/1/2",
        "x",
    ],
)
def test_other_paths_match_nothing(path: str) -> None:
    """Sub-paths that do not exist are in no route."""
    assert match(tuple(path.split("/")) if path else ()) is None


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("accounts/conferences/conferences/conferences", "conferences"),
        ("accounts/A/users/conferences/conferences/C", "conferences"),
        ("accounts/A/websockets/conferences", "websockets"),
        ("accounts/A/conference_auth/C", "conference_auth"),
        ("websockets", "websockets"),
    ],
)
def test_the_endpoint_is_known_by_its_place(path: str, endpoint: str) -> None:
    """Whatever the ids in a path are, restrictions of tokens look at the resource's own name."""
    tokens = path.split("/")
    found = match(tuple(tokens))
    assert found is not None
    assert found.endpoint == endpoint


def test_versions_are_v_and_a_number() -> None:
    """Any ``v`` with digits is a version; nothing else is."""
    assert version_of("v2") == 2
    assert version_of("v99") == 99
    assert version_of("v1") == 1
    assert version_of("foo") is None
    assert version_of("v" + "9" * 50) is None
