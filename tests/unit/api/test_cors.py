"""What a page of another origin may send and see, beside what the code reads and writes.

Both are found in the code itself: a header that somebody adds tomorrow fails here until it is in the list.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

from crossbar_conferences.api.negotiation import cors_headers

CODE = Path(__file__).resolve().parents[3] / "crossbar_conferences"
#: Where requests are read and answers are made.
MODULES = sorted([*(CODE / "api").glob("*.py"), *(CODE / "sockets").glob("*.py")])

#: Kazoo's own lists (http.md 1.7).
KAZOOS_ALLOWED = {
    *("content-type", "depth", "user-agent", "x-http-method-override", "x-file-size", "x-requested-with"),
    *("if-modified-since", "x-file-name", "cache-control", "x-auth-token", "x-kazoo-cluster-id", "if-match"),
    "authorization",
}
KAZOOS_EXPOSED = {"content-type", "x-auth-token", "x-request-id", "x-kazoo-cluster-id", "location", "etag"}

#: What browsers send by themselves, and no page may (Fetch, "forbidden request-header").
BROWSERS = {
    *("accept-encoding", "origin", "expect", "sec-websocket-protocol"),
    *("access-control-request-method", "access-control-request-headers"),
}
#: What proxies say of a client; it is nothing for the client itself.
PROXIES = {"x-forwarded-for"}
#: Read back from the answer that is being made.
ANSWERS = {"vary"}

#: What a page sees without being allowed to (Fetch, "CORS-safelisted response-header").
SHOWN_ANYWAY = {"cache-control", "content-language", "content-type", "expires"}
#: What is said to browsers, caches and proxies, and nothing that a page could use.
FOR_OTHERS = {
    *("connection", "content-encoding", "upgrade", "vary", "x-accel-buffering", "x-content-type-options"),
    *(f"access-control-{name}" for name in ("allow-origin", "allow-methods", "allow-headers")),
    *("access-control-expose-headers", "access-control-max-age"),
}


def name_of(node: ast.expr, module: object) -> str | None:
    """The header that an expression names: a text, or a constant of the module."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.lower()
    if isinstance(node, ast.Attribute):
        inside = getattr(module, node.value.id, None) if isinstance(node.value, ast.Name) else None
        return name_of(ast.Constant(getattr(inside, node.attr, None)), module)
    if isinstance(node, ast.Name):
        return name_of(ast.Constant(getattr(module, node.id, None)), module)
    return None


def are_headers(node: ast.expr) -> bool:
    """Whether an expression is somebody's headers."""
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name == "headers"


def read_in(node: ast.AST) -> ast.expr | None:
    """The name of the header that a piece of code reads."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in ("get", "getall", "getone") and are_headers(node.func.value):
            return node.args[0]
    elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
        return node.left if are_headers(node.comparators[0]) else None
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and are_headers(node.value):
        return node.slice
    return None


def written_in(node: ast.AST) -> Iterator[ast.expr]:
    """The names of the headers that a piece of code writes."""
    match node:
        case ast.Subscript(ctx=ast.Store(), value=place, slice=name) if are_headers(place):
            yield name
        case ast.Assign(targets=[place], value=value) | ast.AnnAssign(target=place, value=value):
            yield from keys_in(value) if are_headers(place) and value is not None else ()
        case ast.keyword(arg="headers", value=value):
            yield from keys_in(value)
        case ast.FunctionDef(name=name) if name.endswith("headers"):
            yield from keys_in(node)
        case ast.Dict(keys=[None, *_], values=[ast.Call(func=ast.Attribute(attr=name)), *_]):
            # ``{**responses.plain_headers(exchange), "x": "y"}``
            yield from keys_in(node) if name.endswith("headers") else ()


def keys_in(node: ast.AST) -> Iterator[ast.expr]:
    """The keys of the objects in a piece of code."""
    for inside in ast.walk(node):
        if isinstance(inside, ast.Dict):
            yield from (key for key in inside.keys if key is not None)


def found() -> tuple[set[str], set[str]]:
    """All headers that are read, and all that are written."""
    read: set[str] = set()
    written: set[str] = set()
    for file in MODULES:
        module = importlib.import_module(".".join(file.relative_to(CODE.parent).with_suffix("").parts))
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            looked_at = read_in(node)
            for seen, into in (
                (() if looked_at is None else (looked_at,), read),
                (written_in(node), written),
            ):
                into |= {name for one in seen if (name := name_of(one, module)) is not None}
    return read, {name for name in written if "_" not in name}


def listed(name: str) -> set[str]:
    """The names in one of the lists."""
    return set(cors_headers(())[f"access-control-{name}-headers"].split(", "))


def test_the_search_finds_what_there_is() -> None:
    """Headers that are known to be read and written, in every way that the code does it."""
    read, written = found()
    assert read >= {"idempotency-key", "last-event-id", "x-pretty-print", "content-encoding", "if-none-match"}
    assert read >= {"x-auth-account-id", "x-file-name", "x-request-id", "accept", "authorization"}
    assert written >= {"idempotency-replayed", "retry-after", "content-disposition", "location", "etag"}
    assert written >= {"x-request-id", "x-content-type-options", "cache-control", "accept-encoding"}


def test_every_header_that_is_read_may_be_sent() -> None:
    """And no other one beyond Kazoo's list."""
    read, _ = found()
    assert listed("allow") == KAZOOS_ALLOWED | (read - BROWSERS - PROXIES - ANSWERS)


def test_every_header_that_is_answered_is_seen() -> None:
    """And no other one beyond Kazoo's list; what only browsers and proxies need is left out."""
    _, written = found()
    assert listed("expose") == KAZOOS_EXPOSED | (written - SHOWN_ANYWAY - FOR_OTHERS)


def test_kazoos_lists_stand_as_they_were() -> None:
    """Ours are added behind them."""
    for name, kazoos in (("allow", KAZOOS_ALLOWED), ("expose", KAZOOS_EXPOSED)):
        names = cors_headers(())[f"access-control-{name}-headers"].split(", ")
        assert set(names[: len(kazoos)]) == kazoos
        assert len(names) == len(set(names))
