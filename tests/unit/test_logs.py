"""What is logged, and what never is."""

from __future__ import annotations

import asyncio
import json
import logging
import warnings
from collections.abc import Callable

import pytest
import structlog

from crossbar_conferences import logs

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJhY2NvdW50X2lkIjoiYSJ9.c2lnbmF0dXJl"
SECRETS = (JWT, "hunter2")


@pytest.fixture
def stderr(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """What was written to stderr so far."""
    return lambda: capsys.readouterr().err


@pytest.mark.parametrize("style", ["json", "console"])
def test_no_secret_is_written(stderr: Callable[[], str], style: str) -> None:
    """Not in a value, not in an exception's text, not from a library, not from a local variable."""
    logs.configure("info", style)
    log = structlog.get_logger("test")
    log.info("one", password="hunter2", url="amqp://guest:hunter2@host/", header=f"Bearer {JWT}")
    local = f"https://x:{'hunter2'}@host/"
    try:
        raise ValueError(f"cannot read {JWT} {local[:4]}")
    except ValueError:
        log.exception("two")
        logging.getLogger("library").exception("three %s", JWT)
    text = stderr()
    assert all(word in text for word in ("one", "two", "three", "ValueError"))
    assert not [secret for secret in SECRETS if secret in text]


def test_a_line_is_one_json_object(stderr: Callable[[], str]) -> None:
    """Log collectors read a line as an object, with the level and the time."""
    logs.configure("info", "json")
    structlog.get_logger("test").warning("said", number=1)
    line = json.loads(stderr())
    assert (line["event"], line["level"], line["number"]) == ("said", "warning", 1)
    assert line["timestamp"].endswith("Z")


def test_levels(stderr: Callable[[], str]) -> None:
    """Below the level nothing is written; brokers' libraries are silent."""
    logs.configure("warning", "json")
    structlog.get_logger("test").info("unsaid")
    logging.getLogger("aiormq.connection").error("unsaid")
    assert stderr() == ""


@pytest.mark.parametrize(
    "text",
    [
        "BASIC YWJjOmRlZg==",
        "bEaReR abc.def",
        "amqp://u:hunter2@h",
        f"x{JWT}",
        "-----BEGIN RSA PRIVATE KEY-----x",
        "/v2/x?auth_token=opaque&y=1",
        "/v2/x%3FAUTH_TOKEN%3Dopaque",
        "{'X-Auth-Token': 'opaque'}",
        "('X-Auth-Token', 'opaque')",
        "X-Auth-Token: opaque",
        'b\'{"auth_token":"opaque"}\'',
        "authorization=opaque",
        "password = 'opaque'",
    ],
)
def test_the_short_cut_misses_nothing(text: str) -> None:
    """A text is passed over only when none of the patterns could fit it."""
    assert logs.scrub(text) != text and "opaque" not in logs.scrub(text)


@pytest.mark.parametrize("text", ["/v2/conference_auth", "basically fine", "no auth_token here", "passwords"])
def test_what_is_no_secret_stays(text: str) -> None:
    """A word alone gives nothing away."""
    assert logs.scrub(text) == text


def test_what_an_http_server_says_shows_no_request(stderr: Callable[[], str]) -> None:
    """Its exceptions hold the line or the header that they are about: only their kind is written."""
    logs.configure("info", "json")
    try:
        raise ValueError("GET /x?token=opaque HTTP/1.1")
    except ValueError:
        logging.getLogger("aiohttp.server").exception("Error handling request from %s", "127.0.0.1")
    line = json.loads(stderr())
    assert (line["event"], line["level"]) == ("library", "error")
    assert (line["library"], line["text"]) == ("aiohttp.server", "ERROR aiohttp.server ValueError")


def test_what_python_warns_of_is_a_line_too(stderr: Callable[[], str]) -> None:
    """Whatever reads the log finds one JSON object a line, and nothing else."""
    logs.configure("info", "json")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)
    logging.captureWarnings(False)
    [line] = [json.loads(text) for text in stderr().splitlines()]
    assert (line["event"], line["level"], line["library"]) == ("library", "warning", "py.warnings")
    assert "old ways" in line["text"]


def test_a_line_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Worker processes share one pipe: a line goes out in one piece, so that none lands inside another."""

    class Pieces:
        def __init__(self) -> None:
            self.written: list[str] = []

        def write(self, text: str) -> None:
            self.written.append(text)

        def flush(self) -> None:
            pass

        def isatty(self) -> bool:
            return False

    pieces = Pieces()
    monkeypatch.setattr("sys.stderr", pieces)
    logs.configure("info", "json")
    structlog.get_logger("test").info("one", number=1)
    structlog.reset_defaults()
    assert len(pieces.written) == 1
    assert json.loads(pieces.written[0])["number"] == 1
    assert pieces.written[0].endswith("\n")


@pytest.mark.parametrize("said", ["info", "warning", "error"])
@pytest.mark.parametrize(("level", "style"), [("info", "json"), ("debug", "json"), ("info", "console")])
async def test_the_line_of_a_request_is_like_any_other(
    stderr: Callable[[], str], level: str, style: str, said: str
) -> None:
    """The short way to a line writes what structlog's way writes: context, scrubbed secrets and all."""
    logs.configure(level, style)
    logs.bind(request_id="r1")
    fields = {"path": f"/x?auth_token={JWT}", "status": 200, "account": None, "user": "hunter2"}
    getattr(structlog.get_logger("test"), said)("request", **fields)
    expected = stderr()
    logs.say("request", fields, said)
    await asyncio.sleep(0)
    found = stderr()
    if style == "json":
        one, other = json.loads(expected), json.loads(found)
        assert one.pop("timestamp") <= other.pop("timestamp")
        assert one == other
        assert other["request_id"] == "r1"
        assert list(json.loads(expected)) == list(json.loads(found))
    assert JWT not in found
    assert "/x?auth_token=[token]" in found


async def test_the_line_of_a_request_has_a_level(stderr: Callable[[], str]) -> None:
    """It is of level info: an operator who wants less gets none."""
    logs.configure("warning", "json")
    logs.say("request", {"status": 200})
    await asyncio.sleep(0)
    assert stderr() == ""
    logs.say("request", {"status": 503}, "warning")
    await asyncio.sleep(0)
    assert json.loads(stderr())["level"] == "warning"


async def test_lines_stay_in_order_and_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many lines go out in few pieces, none longer than a pipe takes at once; a warning waits for none."""
    pieces: list[str] = []
    monkeypatch.setattr("sys.stderr.write", pieces.append)
    logs.configure("info", "json")
    for number in range(100):
        logs.say("request", {"number": number})
    structlog.get_logger("test").warning("now", number=100)
    monkeypatch.undo()
    assert max(map(len, pieces)) <= 4096
    assert len(pieces) < 10
    assert [json.loads(line)["number"] for line in "".join(pieces).splitlines()] == list(range(101))


def test_time_is_iso_8601_with_microseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also just before and just after a full second."""
    for nanoseconds, expected in (
        (1_800_000_000_000_000_999, "2027-01-15T08:00:00.000000Z"),
        (1_799_999_999_999_999_000, "2027-01-15T07:59:59.999999Z"),
    ):
        monkeypatch.setattr(logs.time, "time_ns", lambda found=nanoseconds: found)
        assert logs.add_timestamp(None, "info", {})["timestamp"] == expected
