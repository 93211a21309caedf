"""How this program logs: structured lines, secrets scrubbed, one canonical line a request."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from typing import Any

import orjson
import structlog

#: Keys whose values are never written.
_SECRET_KEYS = frozenset(
    {"token", "auth_token", "authorization", "password", "secret", "key", "pem", "cookie"}
)

#: Loggers of libraries that print a traceback for each try to reach a lost broker: broker/ says it in a line.
TALKATIVE = ("aio_pika", "aiormq")

#: Texts that are a token or hold a password, wherever they stand: JWTs, PEM keys, URLs with a password.
_SECRET_TEXTS = (
    (re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*"), "[token]"),
    (re.compile(r"-----BEGIN[^-]*KEY-----.*?(-----END[^-]*KEY-----|$)", re.DOTALL), "[key]"),
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+@"), r"\1***@"),
    (re.compile(r"(?i)((?:bearer|basic)\s+)[\w.+/=-]+"), r"\1[token]"),
)


#: One of these stands in every text that a pattern above fits; all small letters.
_SUSPECT = ("eyj", "-----begin", "://", "bearer", "basic")


def scrub(text: str) -> str:
    """A text without anything that looks like a secret."""
    small = text.casefold()
    for part in _SUSPECT:
        if part in small:
            break
    else:
        # Nearly every text: several are looked at for each request.
        return text
    for pattern, replacement in _SECRET_TEXTS:
        text = pattern.sub(replacement, text)
    return text


def scrub_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: no secret leaves in a log line."""
    for key, value in event.items():
        if key in _SECRET_KEYS:
            event[key] = "***"
        elif isinstance(value, str):
            event[key] = scrub(value)
    return event


def configure(level: str = "info", style: str = "json") -> None:
    """Set up logging for a process: ``style`` is ``json`` or ``console``. Lines go to stderr."""
    number = getattr(logging, level.upper())
    renderer: Any = structlog.processors.JSONRenderer(_json)
    if style == "console":
        # Plain: rich tracebacks show local variables, and with them tokens.
        renderer = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            scrub_event,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries log through the standard library; only what is wrong is of interest.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_ScrubbingFormatter("%(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _json(event: Any, default: Callable[[Any], Any], **_: Any) -> str:
    try:
        return orjson.dumps(event, default=default).decode()
    except TypeError:
        # orjson stops at 64 bits and at keys that are no texts.
        return json.dumps(event, default=default)


class _ScrubbingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return scrub(super().format(record))
