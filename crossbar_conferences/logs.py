"""How this program logs: structured lines, secrets scrubbed, one canonical line a request."""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from contextvars import ContextVar
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TextIO, cast

import orjson
import structlog

#: Keys whose values are never written.
_SECRET_KEYS = frozenset(
    {"token", "auth_token", "authorization", "password", "secret", "key", "pem", "cookie"}
)

#: Loggers of libraries that print a traceback for each try to reach a lost broker: broker/ says it in a line.
TALKATIVE = ("aio_pika", "aiormq")

#: Texts that are a token or hold a password, wherever they stand: JWTs, PEM keys, URLs with a password,
#: and whatever is called a token or password in a query, a header, or a value that is shown in a text.
_SECRET_TEXTS = (
    # A run of its letters is begun once, and only where a dot and another run follow.
    (re.compile(r"(?<![\w-])(?=[\w-]+\.[\w-]+\.)([\w-]*?)eyJ[\w-]+\.[\w-]+\.[\w-]*"), r"\1[token]"),
    (re.compile(r"-----BEGIN[^-]*KEY-----.*?(-----END[^-]*KEY-----|$)", re.DOTALL), "[key]"),
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+@"), r"\1***@"),
    (re.compile(r"(?i)((?:bearer|basic)\s+)[\w.+/=-]+"), r"\1[token]"),
    (
        re.compile(
            r"(?i)((?:auth[_-]token|authorization|password)[\"']?\s*(?:[=:,]|%3d)[\s\"']*)"
            r"(?!bearer|basic|\[token\])[^\s&\"',;}\]]+"
        ),
        r"\1[token]",
    ),
)

#: One of these stands in every text that a pattern above fits; all small letters.
_SUSPECT = (
    "eyj",
    "-----begin",
    "://",
    "bearer",
    "basic",
    "auth",
    "password",
)


def scrub(text: str) -> str:
    """A text without anything that looks like a secret."""
    if not _is_suspect(text):
        return text
    for pattern, replacement in _SECRET_TEXTS:
        text = pattern.sub(replacement, text)
    return text


def _is_suspect(text: str) -> bool:
    small = text.casefold()
    for part in _SUSPECT:  # noqa: SIM110 - any() would cost twice as much, for every line
        if part in small:
            return True
    return False


def scrub_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: no secret leaves in a log line."""
    for key, value in event.items():
        if key in _SECRET_KEYS:
            event[key] = "***"
        elif isinstance(value, str):
            event[key] = scrub(value)
    return event


#: What every line of a task says, such as the id of the request that it works for.
_CONTEXT: ContextVar[Mapping[str, Any]] = ContextVar("log_context", default=MappingProxyType({}))


def bind(**fields: Any) -> None:
    """Say this in every line of this task from now on, and of the tasks that it starts.

    structlog's own context variables, one for each field, are searched for in all of a task's at
    every line."""
    _CONTEXT.set({**_CONTEXT.get(), **fields})


def add_context(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: what was bound; what the line itself says wins."""
    return _in_context(event, _CONTEXT.get())


def _in_context(event: MutableMapping[str, Any], context: Mapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in context.items():
        event.setdefault(key, value)
    return event


def add_timestamp(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: when it was, in ISO 8601 with microseconds, UTC."""
    event["timestamp"] = _timestamp(time.time_ns())
    return event


def _timestamp(when: int) -> str:
    micros = when // 1_000
    return f"{_until_seconds(micros // 1_000_000)}.{micros % 1_000_000:06d}Z"


@lru_cache(1)
def _until_seconds(seconds: int) -> str:
    # Many lines are written within one second.
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def render_json(logger: Any, name: str, event: MutableMapping[str, Any]) -> str:
    """The last structlog processor: one JSON object, no secret in it.

    A line in which nothing looks like a secret, as in nearly all of them, is looked at as a whole."""
    text = _json(event, repr)
    if _is_clean((event,), text):
        return text
    return _json(scrub_event(logger, name, event), repr)


def _is_clean(events: Iterable[Mapping[str, Any]], text: str) -> bool:
    """Whether no secret can be in these events, whose JSON is in the text."""
    return all(map(_SECRET_KEYS.isdisjoint, events)) and not _is_suspect(text)


#: An event, what is said of it, the task's context, when it was (nanoseconds since 1970), and its level.
_Said = tuple[str, Mapping[str, Any], Mapping[str, Any], int, str]


def _line(
    event: str, fields: Mapping[str, Any], context: Mapping[str, Any], when: int, level: str
) -> MutableMapping[str, Any]:
    """What the processors of `configure` would make of it."""
    line = _in_context({**fields, "event": event}, context)
    line["level"] = level
    line["timestamp"] = _timestamp(when)
    return line


class _Lines:
    """Where lines go. Those of requests that are answered at the same time are written together, once
    their answers are out.

    What is written at once is no longer than `_PIECE`: worker processes share one pipe, and what is
    longer could be torn apart there."""

    def __init__(self) -> None:
        self._waiting: list[_Said] = []

    def soon(self, said: _Said) -> None:
        """Write what was said as JSON, once the event loop has done what it is about to do."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append(said)

    def write(self, text: str) -> None:
        """Write now, after what waits."""
        self.flush()
        sys.stderr.write(text)

    def flush(self) -> None:
        """Write what waits."""
        waiting, self._waiting = self._waiting, []
        piece: list[str] = []
        length = 0
        for text in _rendered([_line(*said) for said in waiting]):
            if length + len(text) > _PIECE and piece:
                sys.stderr.write("".join(piece))
                piece, length = [], 0
            piece.append(text)
            length += len(text)
        if piece:
            sys.stderr.write("".join(piece))
        sys.stderr.flush()


def _rendered(events: list[MutableMapping[str, Any]]) -> list[str]:
    """Lines of JSON, as `render_json` makes each; where nothing looks like a secret in any of them, as
    is nearly always so, they are looked at together."""
    texts = [_json(event, repr) + "\n" for event in events]
    if _is_clean(events, "".join(texts)):
        return texts
    return [render_json(None, "info", event) + "\n" for event in events]


#: What a pipe takes in one piece, whoever else writes (POSIX promises 512 bytes, Linux has 4096).
_PIECE = 4_096

_LINES = _Lines()
# What the last requests said, when the process ends before the loop comes to it.
atexit.register(_LINES.flush)


def say(event: str, fields: Mapping[str, Any], level: str = "info") -> None:
    """What ``structlog.get_logger().info(event, **fields)`` says, and as `configure` has it said; with
    ``level`` ``warning`` or ``error`` what those say.

    For the one line that every request writes: structlog's own way to a line costs as much as all
    that the request is about. The fields must stay as they are."""
    config = structlog.get_config()
    if config["processors"][-1] is not render_json or config["wrapper_class"] not in _SAYS_INFO:
        getattr(structlog.get_logger(__name__), level)(event, **fields)
        return
    _LINES.soon((event, fields, _CONTEXT.get(), time.time_ns(), level))


def configure(level: str = "info", style: str = "json") -> None:
    """Set up logging for a process: ``style`` is ``json`` or ``console``. Lines go to stderr."""
    number = getattr(logging, level.upper())
    ending: list[Any] = [render_json]
    if style == "console":
        # Plain: rich tracebacks show local variables, and with them tokens.
        colours, plain = sys.stderr.isatty(), structlog.dev.plain_traceback
        ending = [scrub_event, structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=plain)]
    structlog.configure(
        processors=[
            add_context,
            structlog.processors.add_log_level,
            add_timestamp,
            structlog.processors.format_exc_info,
            *ending,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _LINES)),
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard library; only what is wrong is of interest.
    formatter = _ScrubbingFormatter("%(levelname)s %(name)s %(message)s")
    handler: logging.Handler = _Handler() if style == "json" else logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    # What Python warns of would be lines of another form.
    logging.captureWarnings(style == "json")
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _json(event: Any, default: Callable[[Any], Any]) -> str:
    try:
        return orjson.dumps(event, default=default).decode()
    except TypeError:
        # orjson stops at 64 bits and at keys that are no texts.
        return json.dumps(event, default=default)


#: The loggers that write lines of level info.
_SAYS_INFO = tuple(structlog.make_filtering_bound_logger(level) for level in (logging.DEBUG, logging.INFO))


class _Handler(logging.Handler):
    """Says what libraries log as lines of our own form."""

    def emit(self, record: logging.LogRecord) -> None:
        """Called by the standard library."""
        try:
            name, text = record.name, self.format(record)[:_LONGEST_TEXT]
            if record.levelno >= logging.ERROR:
                _LIBRARIES.error("library", library=name, text=text)
            else:
                _LIBRARIES.warning("library", library=name, text=text)
        except Exception:  # as every handler of the standard library
            self.handleError(record)


_LIBRARIES = structlog.get_logger(__name__)

#: Characters of what a library logs: a traceback, say.
_LONGEST_TEXT = 8_000


class _ScrubbingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        if record.name.startswith("aiohttp") and record.exc_info and record.exc_info[0]:
            # The exceptions of an HTTP server show the request.
            return scrub(f"{record.levelname} {record.name} {record.exc_info[0].__name__}")
        return scrub(super().format(record))
