"""Compares what a step brought with what it should have brought, by the rules. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import rules
from .matching import Difference, Leniency, Path, compare, pair
from .model import ExpectedMessage, ExpectedResponse, HttpStep
from .placeholders import MISSING, Bindings, has_placeholder
from .rules import Pattern


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer as it came; ``body`` is `MISSING` when the text is no JSON. ``status`` 0
    means that the connection was closed without an answer."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    body: Any = MISSING


@dataclass(frozen=True, slots=True)
class Published:
    """A message as it was seen on the bus."""

    exchange: str
    routing_key: str
    body: Any


def compare_response(
    expected: ExpectedResponse, answer: Answer, step: HttpStep, bindings: Bindings, *, running: bool = False
) -> list[Difference]:
    """The differences of an HTTP answer: status, headers, body or text.

    ``running``: a conference of this case is known to run, whatever the answer shows of it."""
    marks = step.expected.untrusted
    if expected.status is not None and expected.status != answer.status:
        # With another status everything else differs too: the body alone tells why.
        return [Difference(("status",), expected.status, answer.status, note=_brief(answer))]
    differences: list[Difference] = []
    differences += compare_headers(expected, answer, bindings, live=running or _is_live(answer.body))
    if expected.body is not MISSING:
        differences += _compare_body(expected, answer, step, bindings, marks)
    elif expected.text is not None and not rules.UNTRUSTED_TEXT.intersection(marks):
        differences += compare(expected.text, answer.text, bindings, path=("text",))
    if expected.indented and "\n" not in answer.text.strip():
        differences.append(Difference(("text",), "indented JSON", "JSON in one line"))
    if expected.order_of_ids:
        differences += _compare_order(expected.order_of_ids, answer.body)
    return differences


def compare_headers(
    expected: ExpectedResponse, answer: Answer, bindings: Bindings, *, live: bool
) -> list[Difference]:
    """Expected headers must be there and match; some others must not be there."""
    differences: list[Difference] = []
    actual = answer.headers
    for name, value in expected.headers.items():
        path: Path = ("headers", name)
        got = actual.get(name)
        if value is None:
            if got is not None:
                differences.append(Difference(path, MISSING, got))
        elif got is None:
            differences.append(Difference(path, bindings.fill(value), MISSING))
        else:
            differences += _compare_header(name, value, got, bindings, live=live)
    for name in sorted(rules.NEVER_UNASKED - set(expected.headers)) if expected.all_headers else ():
        if name in actual:
            differences.append(Difference(("headers", name), MISSING, actual[name]))
    return differences


def compare_messages(
    expected: Iterable[ExpectedMessage],
    actual: Iterable[Published],
    bindings: Bindings,
    origin: str = "api",
) -> list[Difference]:
    """The differences of the messages that one side (``api`` or ``switch``) published, in any order.

    Messages of the other side, and messages that are free (searches), are left out; so are answers
    to private queues, which nobody can overhear."""
    wanted = [
        message
        for message in expected
        if message.origin == origin and message.exchange != "targeted" and not rules.is_free(message.body)
    ]
    got = [
        message
        for message in actual
        if rules.is_from_switch(message.body) == (origin == "switch") and not rules.is_free(message.body)
    ]

    def differ(message: ExpectedMessage, seen: Published, attempt: Bindings) -> list[Difference]:
        found = compare(message.exchange, seen.exchange, attempt, path=("exchange",))
        if found:
            return found * 16
        leniency = Leniency(
            extra=_extras(((("body",), message.extra), *rules.MESSAGE_EXTRA)),
            ignored=lambda path: origin == "switch" and _is_switch_own(path),
        )
        return compare(message.routing_key, seen.routing_key, attempt, path=("routing_key",)) + compare(
            rules.soften(message.body), seen.body, attempt, leniency, ("body",)
        )

    pairs, left, extra = pair(wanted, got, bindings, differ)
    differences = [
        Difference(("published", index, *difference.path), difference.expected, difference.actual)
        for index, _, found in pairs
        for difference in found
    ]
    for index in left:
        message = wanted[index]
        differences.append(
            Difference(("published", index), bindings.fill(_describe_expected(message)), MISSING)
        )
    for index in extra:
        differences.append(Difference(("published",), MISSING, _describe_published(got[index])))
    return differences


def compare_frames(expected: Iterable[Any], actual: Iterable[Any], bindings: Bindings) -> list[Difference]:
    """The differences of the frames that came over a websocket, in any order."""
    wanted = [rules.soften(frame) for frame in expected]
    got = list(actual)
    leniency = Leniency(extra=_extras(rules.FRAME_EXTRA), ignored=_is_switch_own)

    def differ(frame: Any, seen: Any, attempt: Bindings) -> list[Difference]:
        return compare(frame, seen, attempt, leniency)

    pairs, left, extra = pair(wanted, got, bindings, differ)
    differences = [
        Difference(("frames", index, *difference.path), difference.expected, difference.actual)
        for index, _, found in pairs
        for difference in found
    ]
    differences += [Difference(("frames", index), bindings.fill(wanted[index]), MISSING) for index in left]
    differences += [Difference(("frames",), MISSING, got[index]) for index in extra]
    return differences


def response_leniency(step: HttpStep) -> Leniency:
    """What the answer to a step may show besides, and which of its parts are no model."""
    patterns = tuple(
        pattern for mark in step.expected.untrusted for pattern in rules.UNTRUSTED_BODY.get(mark, ())
    )

    on_participants = _route(step.path) == "participants"

    def ignored(path: Path) -> bool:
        # A stored document has keys of the same names (``video``), which do count.
        live = bool(path) and (path[0] == "metadata" or "_read_only" in path or on_participants)
        return (live and _is_switch_own(path)) or any(rules.matches(pattern, path) for pattern in patterns)

    def unordered(path: Path) -> str | None:
        if path == ("data",) and step.unordered:
            return step.unordered
        if path == ("data",) and on_participants:
            return "participant_id"
        return next((key for pattern, key in rules.UNORDERED if rules.matches(pattern, path)), None)

    whole = step.expected.response.extra if step.expected.response else frozenset()
    table = (((), whole), *_route_extras(step), *rules.RESPONSE_EXTRA)
    return Leniency(_extras(table), ignored, unordered)


def _compare_body(
    expected: ExpectedResponse, answer: Answer, step: HttpStep, bindings: Bindings, marks: tuple[str, ...]
) -> list[Difference]:
    if answer.body is MISSING:
        return [Difference(("body",), "JSON", answer.text[:200])]
    if expected.text is not None and "…body…" in expected.text:
        before, _, after = expected.text.partition("…body…")
        if not (answer.text.startswith(before) and answer.text.endswith(after)):
            return [Difference(("text",), expected.text, answer.text[:200])]
    return compare(rules.soften(expected.body), answer.body, bindings, response_leniency(step))


def _compare_header(name: str, value: str, got: str, bindings: Bindings, *, live: bool) -> list[Difference]:
    path: Path = ("headers", name)
    if name in rules.LIST_HEADERS and not has_placeholder(listed := bindings.fill(value)):
        wanted, found = _members(listed), _members(got)
        same = wanted <= found if name in rules.WIDER_HEADERS else wanted == found
    elif name == "content-type":
        same = _content_type(value) == _content_type(got)
    elif name == "etag" and live and not value.startswith("W/"):
        # The tag of a live answer covers its real-time data (docs/compatibility.md, live-etag).
        same = got.startswith('"') and got.endswith('"')
    else:
        return compare(value, got, bindings, path=path)
    return [] if same else [Difference(path, bindings.fill(value), got)]


def _compare_order(order: str, body: Any) -> list[Difference]:
    ids = [item.get("id") for item in body.get("data", [])] if isinstance(body, dict) else []
    if ids == sorted(ids, reverse=order == "descending"):
        return []
    return [Difference(("data",), f"ids {order}", ids)]


def _extras(
    table: tuple[tuple[Pattern, frozenset[str] | None], ...],
) -> Callable[[Path], frozenset[str] | None]:
    def extra(path: Path) -> frozenset[str] | None:
        for pattern, names in table:
            if rules.matches(pattern, path):
                return names
        return frozenset()

    return extra


def _route_extras(step: HttpStep) -> tuple[tuple[Pattern, frozenset[str] | None], ...]:
    route = _route(step.path)
    if route == "participants":
        return rules.PARTICIPANTS_EXTRA
    if route == "collection" and step.method == "GET":
        # A list of chosen fields has these and no others.
        return () if "fields=" in step.path else rules.COLLECTION_EXTRA
    return rules.DOCUMENT_EXTRA


def _route(path: str) -> str:
    rest = path.split("?")[0].rstrip("/").rpartition("/conferences")[2]
    if "/participants" in rest:
        return "participants"
    return "document" if rest else "collection"


def _is_switch_own(path: Path) -> bool:
    """Whether the media server says this of itself; messages write the names in their own way."""
    return bool(path) and str(path[-1]).lower().replace("-", "_") in rules.SWITCH_OWN_KEYS


def _is_live(body: Any) -> bool:
    """Whether an answer shows a running conference, be it an empty one."""
    if not isinstance(body, dict):
        return False
    metadata = body.get("metadata")
    if isinstance(metadata, dict) and any(metadata.get(key) for key in ("participants", "uuid", "members")):
        return True
    data = body.get("data")
    first = data[0] if isinstance(data, list) and data else data
    return isinstance(first, dict) and "participant_id" in first


def _members(value: str) -> set[str]:
    return {member.strip().lower() for member in value.split(",") if member.strip()}


def _content_type(value: str) -> str:
    return value.replace(" ", "").lower()


def _describe_expected(message: ExpectedMessage) -> dict[str, Any]:
    return {"exchange": message.exchange, "routing_key": message.routing_key, "body": message.body}


def _describe_published(message: Published) -> dict[str, Any]:
    return {"exchange": message.exchange, "routing_key": message.routing_key, "body": message.body}


def _brief(answer: Answer) -> str:
    """Why an answer is another than expected, as it says itself."""
    body = answer.body
    if isinstance(body, dict) and "data" in body:
        said = {key: body[key] for key in ("message", "data") if key in body}
        text = json.dumps(said, ensure_ascii=False)
    else:
        text = answer.text
    return text if len(text) <= 600 else text[:600] + "…"
