"""Media paths (data.md 10)."""

from __future__ import annotations

import pytest

from crossbar_conferences.conference.media import is_reachable_media, media_path, recording_name

A = "a" * 32


@pytest.mark.parametrize(
    "media_id",
    [
        "/system_media/x",
        "system_media_x",
        "local_stream://default",
        "silence_stream://100",
        "https://h/x.mp3",
        "prompt://x/y/z",
        "en-us/foo",
        "/account/id",
    ],
)
def test_addresses_stay(media_id: str) -> None:
    """Whatever has a slash, or is a system's, is left alone."""
    assert media_path(media_id, A) == media_id


@pytest.mark.parametrize("media_id", ["b" * 32, "silence", "say:hello", "%(500,0,440)"])
def test_ids_are_the_account_s(media_id: str) -> None:
    """Anything else is an id of the account's."""
    assert media_path(media_id, A) == f"/{A}/{media_id}"


def test_recordings_have_one_name() -> None:
    """The name depends on account and conference alone."""
    assert recording_name(A, "c") == f"{A}_c.mp3"


@pytest.mark.parametrize(
    ("path", "is_reachable"),
    [
        (f"/{A}/x", True),
        ("/system_media/x", True),
        ("/tmp/x.mp3", False),
        ("/" + "b" * 32 + "/x", False),
        (f"/{A}/../x", False),
        ("FILE:///etc/passwd", False),
        (f"file_string:///{A}/x!/tmp/y", False),
        ("http_cache://https://h/x", True),
    ],
)
def test_reach(path: str, is_reachable: bool) -> None:
    """Own and system media, and addresses; no files of the switch, nothing of other accounts."""
    assert is_reachable_media(path, A) is is_reachable
