"""Nothing that reads what comes from outside costs more than in proportion to its length.

Every pattern of the package is found by itself, so that none is forgotten; so is every function of the
rooms that read outside text which takes one value; what takes more is written down.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import pytest

import crossbar_conferences
from crossbar_conferences.api import body, negotiation
from crossbar_conferences.conference import (
    csv,
    dial_in,
    document,
    endpoints,
    filters,
    guests,
    listing,
    presentation,
    selectors,
    validation,
)
from crossbar_conferences.conference.actions import (
    plan_conference_action,
    plan_participant_action,
    plan_participants_action,
)
from crossbar_conferences.conference.actions_dial import plan_dial, read_dial
from crossbar_conferences.conference.actions_plan import (
    ActionContext,
    conference_request,
    participants_request,
)
from crossbar_conferences.conference.actions_table import MediaSide
from crossbar_conferences.conference.endpoints_context import RICH_MODULE, EndpointConfig
from crossbar_conferences.conference.media import media_locator
from crossbar_conferences.conference.rooms import Participant, Room
from crossbar_conferences.kapi.messages import Origin
from crossbar_conferences.sockets import bindings
from tests.support.growth import growth, hard_texts
from tests.support.schema_check import check

ROOT = Path(__file__).parents[2]
ACCOUNT, CONFERENCE = "a" * 32, "c" * 32
#: Values go up to what a body may hold, texts to more than any limit of a text.
MANY = (300, 2_400, 19_200)

# Patterns.

#: Methods that look at every place of a text; one of them stands for all.
_SCANNING = ("search", "sub", "subn", "split", "findall", "finditer")
_ANCHORED = ("match", "fullmatch")


def modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(crossbar_conferences.__path__, "crossbar_conferences."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def patterns() -> dict[str, tuple[re.Pattern[Any], str]]:
    """By a name: every pattern that stands in the package, compiled or not, and how it is used."""
    found: dict[str, tuple[re.Pattern[Any], str]] = {}
    for module in modules():
        source = inspect.getsource(module)
        for name, value in vars(module).items():
            for number, pattern in enumerate(_patterns_in(value)):
                ways = {way for way in (*_SCANNING, *_ANCHORED) if f"{name}.{way}(" in source}
                for way in _ways(ways or {"search"}):
                    found[f"{module.__name__}.{name}[{number}].{way}"] = (pattern, way)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner, way = node.func.value, node.func.attr
                text = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
                is_use = way in (*_SCANNING, *_ANCHORED) and isinstance(text, str)
                if is_use and isinstance(owner, ast.Name) and owner.id == "re":
                    for one in _ways({way}):
                        found[f"{module.__name__}:{node.lineno}.{one}"] = (re.compile(str(text)), one)
    for path in sorted((ROOT / "schemas").glob("*.json")):
        for number, text in enumerate(_in_schema(json.loads(path.read_text(encoding="utf-8")))):
            found[f"{path.name}[{number}]"] = (re.compile(re.sub(r"\$$", r"\\Z", text)), "finditer")
    return found


def _ways(ways: set[str]) -> set[str]:
    return {way if way in _ANCHORED else "finditer" for way in ways}


def _patterns_in(value: Any, depth: int = 4) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif depth and isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from _patterns_in(one, depth - 1)
    elif depth and isinstance(value, dict | MappingProxyType):
        for one in value.values():
            yield from _patterns_in(one, depth - 1)


def _in_schema(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("pattern"), str):
            yield value["pattern"]
        for one in value.values():
            yield from _in_schema(one)
    elif isinstance(value, list):
        for one in value:
            yield from _in_schema(one)


def _use(pattern: re.Pattern[Any], way: str) -> Callable[[Any], object]:
    if way == "finditer":
        return lambda text: sum(1 for _ in pattern.finditer(text))
    use: Callable[[Any], object] = getattr(pattern, way)
    return use


def _faults(pattern: re.Pattern[Any], way: str) -> Iterator[str]:
    for text, make in hard_texts(pattern):
        wrong = growth(make, _use(pattern, way))
        if wrong:
            yield f"{text}: {wrong}"


def test_every_pattern() -> None:
    """No pattern of the package, used as it is used, takes more than in proportion, whatever the text."""
    found = patterns()
    assert len(found) > 60
    distinct = {(pattern, way): name for name, (pattern, way) in found.items()}
    assert [
        f"{name} {fault}" for (pattern, way), name in distinct.items() for fault in _faults(pattern, way)
    ] == []


@pytest.mark.parametrize(
    ("pattern", "way"),
    [
        ("a*a*b", "match"),
        ("(a+)+$", "match"),
        (r"\s+$", "search"),
        (r"eyJ[\w-]+\.[\w-]+", "finditer"),
        (r"\b[\w-]{8,}\.[\w-]{8,}", "finditer"),
        (r"<!--.*?-->", "finditer"),
    ],
)
def test_bad_patterns_are_found(pattern: str, way: str) -> None:
    """The test above sees patterns that are quadratic or worse."""
    assert next(_faults(re.compile(pattern), way), None) is not None


# Functions that take one value.

_ROOMS = ("api.", "auth.", "conference.", "kapi.", "sockets.", "store.names", "logs")
_TEXT = {"str", "object", "Any", "str | None", "str | bytes", "int | str"}
_BYTES = {"bytes"}
_OBJECT = {"Mapping[str, Any]", "JSONObject", "Document", "object", "Any"}

#: Beginnings of texts that get further than others.
_STARTS = ("", "sip:", '"')
_UNITS = ("a", "1", "a.", "a,", "/a", "%41", "&a=b", "[", '"', "\\", " ", "\x00", "é", "-")


def functions() -> dict[str, tuple[Callable[..., Any], str]]:
    """By name: every public function of those rooms that takes one value, and the value's type."""
    found: dict[str, tuple[Callable[..., Any], str]] = {}
    for module in modules():
        room = module.__name__.removeprefix("crossbar_conferences.")
        if not room.startswith(_ROOMS):
            continue
        for name, value in vars(module).items():
            plain = inspect.unwrap(value) if callable(value) else None
            if name.startswith("_") or not inspect.isfunction(plain) or plain.__module__ != module.__name__:
                continue
            if inspect.iscoroutinefunction(plain) or inspect.isgeneratorfunction(plain):
                continue
            needed = [one for one in inspect.signature(plain).parameters.values() if one.default is one.empty]
            if len(needed) == 1 and needed[0].kind in (0, 1):
                found[f"{room}.{name}"] = (value, str(needed[0].annotation))
    return found


def _repeated(start: str, unit: str, as_bytes: bool) -> Callable[[int], Any]:
    def make(length: int) -> Any:
        text = start + unit * (length // len(unit))
        return text.encode() if as_bytes else text

    return make


def _wide(length: int) -> dict[str, Any]:
    return {f"key-{number}": "value" for number in range(length)}


def _long(length: int) -> dict[str, Any]:
    return {"data": ["value"] * length, "numbers": [{"numbers": str(n)} for n in range(length)]}


def test_every_function_of_one_value() -> None:
    """No function that takes one text or object takes more than in proportion, whatever it does with it."""
    found = functions()
    assert {"conference.media_tones.is_tones", "conference.isolation.is_conference_id", "logs.scrub"} <= set(
        found
    )
    wrong = []
    for name, (function, annotation) in found.items():
        kinds = [(annotation in _BYTES, annotation in _TEXT | _BYTES)]
        for as_bytes, is_text in kinds:
            for start in _STARTS if is_text else ():
                for unit in _UNITS:
                    fault = growth(_repeated(start, unit, as_bytes), function)
                    if fault:
                        wrong.append(f"{name} {start!r} + n * {unit!r}: {fault}")
        for make in (_wide, _long) if annotation in _OBJECT else ():
            fault = growth(make, function, MANY)
            if fault:
                wrong.append(f"{name} {make.__name__}: {fault}")
    assert wrong == []


# What takes more than one value.


def _context(room: Room | None = None) -> ActionContext:
    return ActionContext(
        account_id=ACCOUNT,
        conference_id=CONFERENCE,
        document={"_id": CONFERENCE, "name": "x"},
        origin=Origin("crossbar", "4.0.0", "kazoo_apps@host"),
        check=check,
        room=room,
        is_live_known=True,
        media_side=MediaSide(takes_set=True),
    )


def _room(length: int) -> Room:
    return Room(CONFERENCE, ACCOUNT, participants=tuple(Participant(number) for number in range(length)))


_ACTIONS: tuple[tuple[str, Callable[[Any], Mapping[str, Any]]], ...] = (
    ("play", lambda text: {"media_id": text}),
    ("play", lambda text: {"media_id": f"tone_stream://{text}"}),
    ("play", lambda text: {"media_id": f"http://{text}"}),
    ("play", lambda text: {"media_id": f"conf-{text}"}),
    ("play", lambda text: {"media_ids": [text] * 20}),
    ("play", lambda text: {"media_ids": list(text)}),
    ("mute", lambda text: {"announce": text}),
    ("say", lambda text: {"text": text, "voice": text, "language": text}),
    ("record", lambda text: {"action": text}),
    ("set", lambda text: {"max_members": text}),
    ("stop_play", lambda text: {"affects": text}),
    ("vars", lambda text: {"custom_conference_vars": {"a": text, text: "a"}}),
    ("relate", lambda text: {"participant_id": text, "other_participant": text, "relationship": text}),
)


def _act(action: str, data: Mapping[str, Any]) -> None:
    envelope = {"action": action, "data": data}
    for plan in (
        lambda: plan_conference_action(conference_request(data, {}, envelope), _context()),
        lambda: plan_participants_action(participants_request(data, {}, envelope), _context(_room(3))),
        lambda: plan_participant_action(participants_request(data, {}, envelope), _context(_room(3)), "1"),
    ):
        try:
            plan()
        except Exception:  # A refusal costs what it costs.
            continue


def _dial(
    data: Mapping[str, Any], documents: Mapping[str, Any] | None = None, module: str = RICH_MODULE
) -> None:
    request = read_dial(conference_request(data, {}, {"action": "dial", "data": data}), _context())
    config = EndpointConfig(endpoint_module=module)
    found = endpoints.resolve(
        request.elements,
        documents or {ACCOUNT: {"realm": "acme.example"}},
        account_id=ACCOUNT,
        conference_id=CONFERENCE,
        conference=None,
        config=config,
    )
    plan_dial(request, found, _context(), lambda: "c" * 32).message("local")


_DEVICE: Mapping[str, Any] = {"name": "x", "sip": {"username": "x"}}
_DIALS: Mapping[str, Callable[[str], Mapping[str, Any]]] = {
    "endpoint": lambda text: {"endpoints": [text, f"sip:{text}", f"sip:{text}@{text}"]},
    "name": lambda text: {"endpoints": ["2600"], "caller_id_name": text},
    "number": lambda text: {"endpoints": ["2600"], "caller_id_number": text},
    "call": lambda text: {"endpoints": ["2600"], "target_call_id": text},
    "outbound": lambda text: {"endpoints": ["2600"], "outbound_call_id": text},
    "profile": lambda text: {"endpoints": ["2600"], "profile_name": text},
    "variables": lambda text: {"endpoints": ["2600"], "custom_application_vars": {"a": text, text: "a"}},
    "device": lambda text: {
        "endpoints": [{"name": text, "sip": {"username": text, "realm": text, "route": text}}]
    },
    "header": lambda text: {"endpoints": [{**_DEVICE, "sip": {"custom_sip_headers": {"in": {text: text}}}}]},
    "music": lambda text: {"endpoints": [{**_DEVICE, "music_on_hold": {"media_id": text}}]},
    "formatter": lambda text: {"endpoints": [{**_DEVICE, "formatters": {"to_did": {"regex": text}}}]},
    "forward": lambda text: {"endpoints": [{**_DEVICE, "call_forward": {"enabled": True, "number": text}}]},
}


@pytest.mark.parametrize("unit", ["a", "1", "'", "\x01", "é", ".a", "{1}", "%("])
def test_texts_of_actions(unit: str) -> None:
    """A long text costs in proportion, in each field of each action and of a dial."""
    make = _repeated("", unit, as_bytes=False)
    wrong = {
        f"{action} {number}": growth(make, lambda text, build=build, action=action: _act(action, build(text)))
        for number, (action, build) in enumerate(_ACTIONS)
    }
    wrong |= {
        key: growth(make, lambda text, build=build: _dial(build(text))) for key, build in _DIALS.items()
    }
    assert {key: fault for key, fault in wrong.items() if fault} == {}


def _account(length: int) -> dict[str, Any]:
    many = {f"key-{number}": {"a": "b", "regex": "^x"} for number in range(length)}
    return {ACCOUNT: {"pvt_type": "account", "realm": "acme.example", "formatters": many, "metaflows": many}}


def _devices(length: int) -> tuple[Mapping[str, Any], dict[str, Any]]:
    ids = [f"{number:032}" for number in range(20)]
    device = {"pvt_type": "device", "device_type": "softphone", "sip": {"username": "x"}}
    return {"endpoints": ids}, {**dict.fromkeys(ids, device), **_account(length)}


_FORMS = tuple(form for form in filters._FORMS if form.startswith("filter_"))

_WORK: Mapping[str, tuple[Callable[[int], Any], Callable[[Any], object]]] = {
    "document, wide": (_wide, lambda value: validation.validate("conferences", {"name": "x", **value})),
    "document, many numbers": (
        lambda n: {"name": "x", "conference_numbers": [str(number) for number in range(n)]},
        lambda value: validation.validate("conferences", value),
    ),
    "document, many wrong numbers": (
        lambda n: {"name": "x", "conference_numbers": [[number] for number in range(n)]},
        lambda value: validation.validate("conferences", value),
    ),
    "document, numbers that are one": (
        lambda n: {"name": "x", "conference_numbers": ["1"] * n, "member": {"pins": ["x"] * n}},
        lambda value: validation.validate("conferences", value),
    ),
    "document, numbers twice": (
        lambda n: (
            {key: [str(number) for number in range(n)] for key in ("conference_numbers",)}
            | {"member": {"numbers": [str(number) for number in range(n)]}}
        ),
        document.repeated_numbers,
    ),
    "document, patched": (_wide, lambda value: document.patched_fields(value, value)),
    "document, for guests": (_wide, lambda value: guests.answered("document", value)),
    "profiles": (_wide, lambda value: validation.validate("conferences", {"name": "x", "profile": value})),
    "guests": (
        lambda n: {"guests": [f"a{number}@example.com" for number in range(n)], "invite_message": "x"},
        lambda value: validation.validate("conferences.email_invite", value),
    ),
    "tones": (
        lambda n: {"tones": [{"frequencies": [1] * n, "duration_on": 1, "duration_off": 1}] * 2},
        lambda value: validation.validate("conferences.actions.tones", value),
    ),
    "many endpoints": (lambda n: {"endpoints": [_DEVICE] * n}, _dial),
    "many variables": (lambda n: {"endpoints": ["2600"], "custom_application_vars": _wide(n)}, _dial),
    "a device, wide": (lambda n: {"endpoints": [{**_DEVICE, **_wide(n)}]}, _dial),
    "a device with many headers": (
        lambda n: {"endpoints": [{**_DEVICE, "sip": {"custom_sip_headers": {"in": _wide(n)}}}]},
        _dial,
    ),
    "a device with many rules": (
        lambda n: {"endpoints": [{**_DEVICE, "formatters": {"to_did": [{"regex": "^x"}] * n}}]},
        _dial,
    ),
    "an account, wide, under devices": (_devices, lambda value: _dial(*value)),
    "references, thin": (_devices, lambda value: _dial(*value, module="kz_endpoint_v5")),
    "ids of a selector": (
        lambda n: (selectors.selector_of({"ids": list(range(n)), "except": list(range(0, n, 2))}), _room(n)),
        lambda value: selectors.select(value[0], "mute", value[1]),
    ),
    "everybody": (_room, lambda room: selectors.everybody("mute", room)),
    "a room": (_room, lambda room: (presentation.read_only(room, 0.0), presentation.stable(room))),
    "filters of a list": (
        lambda n: {f"filter_key-{number}": "x" for number in range(n)},
        lambda query: [filters.read(key, value) for key, value in query.items()],
    ),
    **{
        f"{form} on a list": (
            lambda n, form=form: (
                {"a": [str(number) for number in range(n)]},
                json.dumps([f"x{m}" for m in range(n)]),
                form,
            ),
            lambda value: filters.Filter(value[2], ("a",), value[1]).holds(value[0]),
        )
        for form in _FORMS
    },
    "a path of a filter": (
        lambda n: ".".join("a" * n),
        lambda path: filters.read(f"filter_{path}", "x").holds({"a": {}}),  # type: ignore[union-attr]
    ),
    "fields of a list": (
        lambda n: ([f"key-{number}.a.b" for number in range(n)], _wide(n)),
        lambda value: listing.item(value[1], listing.ListQuery(10, fields=tuple(value[0])), {}, {}),
    ),
    "rows of a list as CSV": (lambda n: [{"id": str(number)} for number in range(n)], csv.to_csv),
    "numbers of callflows": (
        lambda n: [{"numbers": [str(number)]} for number in range(n)],
        dial_in.call_in_numbers,
    ),
    "a body, wide": (
        lambda n: json.dumps({"data": _wide(n)}).encode(),
        lambda raw: body.read_body(raw, "application/json"),
    ),
    "a form, wide": (
        lambda n: "&".join(f"k{number}=%41" for number in range(n)).encode(),
        lambda raw: body.read_body(raw, "application/x-www-form-urlencoded"),
    ),
}


@pytest.mark.parametrize("name", _WORK)
def test_wide_values(name: str) -> None:
    """Many keys, entries, endpoints, filters or people cost in proportion to their number."""
    make, run = _WORK[name]
    assert growth(make, run, MANY) == ""


_HEADERS: Mapping[str, Callable[[str], object]] = {
    "accept": lambda text: negotiation.choose(text, None),
    "override": lambda text: negotiation.choose(None, text),
    "language": negotiation.language,
    "if-match": lambda text: negotiation.check_preconditions("GET", {"If-Match": text}, '"1-a"'),
    "if-none-match": lambda text: negotiation.check_preconditions("GET", {"If-None-Match": text}, '"1-a"'),
    "query": lambda text: (body.read_query(text), body.check_query(text)),
    "binding": lambda text: bindings.parse(f"conference.event.{text}", ACCOUNT),
    "media": lambda text: media_locator(text, ACCOUNT),
    "fields": lambda text: listing.parse(
        {"fields": text, "start_key": text, "page_size": text, "created_from": text},
        {"start_key": text}.get,
        default_page_size=10,
        max_page_size=10,
        full_docs_allowed=True,
        now_gregorian=0,
    ),
}


@pytest.mark.parametrize("name", _HEADERS)
def test_long_headers(name: str) -> None:
    """A long header, query string, binding or name costs in proportion to its length."""
    wrong = {
        unit: growth(_repeated("", unit, as_bytes=False), _HEADERS[name])
        for unit in (*_UNITS, "text/html;q=0.1,", '"a",', "a-a", "en-us,", "*", "\t,", "a=b&", "%zz&")
    }
    assert {unit: fault for unit, fault in wrong.items() if fault} == {}
