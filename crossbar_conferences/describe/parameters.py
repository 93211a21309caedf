"""The query parameters and headers that routes read, in one table.

A test compares it with what the code reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

_TEXT = {"type": "string"}
_FLAG = {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: where it is read, on which routes and verbs (empty: on all)."""

    name: str
    place: str
    help: str
    schema: dict[str, Any]
    routes: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()

    def belongs_to(self, route: str, verb: str) -> bool:
        """Whether an operation reads it."""
        return (not self.routes or route in self.routes) and (not self.verbs or verb in self.verbs)


_ACTIONS = ("document", "participants", "participant")
_WRITES = ("collection", "document", "participants", "participant", "email_invite")
_LIVE = ("collection", "document", "participants", "participant", "events")

PARAMETERS: Final[tuple[Parameter, ...]] = (
    # Everywhere.
    Parameter("X-Auth-Token", "header", "the caller's token", _TEXT),
    Parameter("X-Request-ID", "header", "names the request in answers, logs and messages", _TEXT),
    Parameter("X-Auth-Account-ID", "header", "must be the token's account", _TEXT),
    Parameter("auth_token", "query", "the caller's token, instead of the header", _TEXT),
    Parameter("authorization", "query", "instead of the Authorization header", _TEXT),
    Parameter(
        "verb",
        "query",
        "the verb that is meant, instead of the method; a GET writes nothing all the same",
        _TEXT,
    ),
    Parameter("pretty_print", "query", "indent the answer", _FLAG),
    Parameter("jsonp", "query", "wrap the answer in a call of this function", _TEXT, verbs=("GET",)),
    Parameter("accept", "query", "the representation: json or csv", _TEXT, verbs=("GET",)),
    Parameter(
        "csv_bom",
        "query",
        "of CSV: begin with a byte order mark, and say charset=utf-8, so that spreadsheets read it as UTF-8",
        _FLAG,
        verbs=("GET",),
    ),
    Parameter("X-Pretty-Print", "header", "indent the answer", _FLAG),
    Parameter("Accept-Language", "header", "echoed as the answer's language", _TEXT),
    Parameter(
        "If-Match", "header", "do it only to this revision", _TEXT, verbs=("GET", "POST", "PATCH", "DELETE")
    ),
    Parameter("If-None-Match", "header", "304 when nothing has changed", _TEXT, verbs=("GET",)),
    # Live data.
    Parameter("fresh", "query", "ask the media side instead of using what is known", _FLAG, _LIVE),
    # Lists.
    Parameter(
        "page_size",
        "query",
        "items of one page",
        {"type": "integer", "minimum": 1},
        ("collection",),
        ("GET",),
    ),
    Parameter("paginate", "query", "false: everything in one answer", _FLAG, ("collection",), ("GET",)),
    Parameter("start_key", "query", "next_start_key of the page before", _TEXT, ("collection",), ("GET",)),
    Parameter(
        "bookmark", "query", "the same as start_key, which it overrides", _TEXT, ("collection",), ("GET",)
    ),
    Parameter("ascending", "query", "smallest id first", _FLAG, ("collection",), ("GET",)),
    Parameter(
        "descending",
        "query",
        "greatest id first; looked at before ascending",
        _FLAG,
        ("collection",),
        ("GET",),
    ),
    Parameter(
        "fields",
        "query",
        "JSON: an array of names, or an object of booleans",
        _TEXT,
        ("collection",),
        ("GET",),
    ),
    Parameter(
        "full_docs",
        "query",
        "whole documents, where the operator allows it",
        _FLAG,
        ("collection",),
        ("GET",),
    ),
    Parameter(
        "running",
        "query",
        "what runs, whether it has a document or not",
        _FLAG,
        ("collection",),
        ("GET",),
    ),
    Parameter(
        "created_from", "query", "created at or after, gregorian seconds", _TEXT, ("collection",), ("GET",)
    ),
    Parameter(
        "created_to", "query", "created at or before, gregorian seconds", _TEXT, ("collection",), ("GET",)
    ),
    Parameter(
        "modified_from", "query", "modified at or after, gregorian seconds", _TEXT, ("collection",), ("GET",)
    ),
    Parameter(
        "modified_to", "query", "modified at or before, gregorian seconds", _TEXT, ("collection",), ("GET",)
    ),
    Parameter(
        "has_key", "query", "documents with this key (dots go deeper)", _TEXT, ("collection",), ("GET",)
    ),
    Parameter("key_missing", "query", "documents without this key", _TEXT, ("collection",), ("GET",)),
    Parameter(
        "has_value", "query", "documents where this key is not empty", _TEXT, ("collection",), ("GET",)
    ),
    Parameter(
        "value_missing", "query", "documents where this key is empty", _TEXT, ("collection",), ("GET",)
    ),
    Parameter("chunk_size", "query", "checked, without effect here", _TEXT, ("collection",), ("GET",)),
    Parameter("batch_size", "query", "checked, without effect here", _TEXT, ("collection",), ("GET",)),
    Parameter("file_name", "query", "name of the file of a CSV answer", _TEXT, ("collection",), ("GET",)),
    Parameter("X-File-Name", "header", "name of the file of a CSV answer", _TEXT, ("collection",), ("GET",)),
    # Writes and commands.
    Parameter("should_soft_delete", "query", "false: remove for good", _FLAG, ("document",), ("DELETE",)),
    Parameter(
        "dry_run", "query", "check and show, do nothing", _FLAG, _WRITES, ("PUT", "POST", "PATCH", "DELETE")
    ),
    Parameter(
        "wait",
        "query",
        "milliseconds to wait for the proof that it worked",
        {"type": "integer", "minimum": 0},
        _ACTIONS,
        ("PUT",),
    ),
    Parameter(
        "action",
        "query",
        "the action, instead of in the body",
        _TEXT,
        ("participants", "participant"),
        ("PUT",),
    ),
    Parameter(
        "Idempotency-Key",
        "header",
        "the same key gets the same answer once",
        _TEXT,
        (*_ACTIONS, "email_invite"),
        ("PUT",),
    ),
    # Calendars and streams.
    Parameter("start", "query", "when the meeting begins, ISO 8601", _TEXT, ("calendar",)),
    Parameter("duration", "query", "minutes", {"type": "integer", "minimum": 1}, ("calendar",)),
    Parameter("timezone", "query", "name of the time zone of start", _TEXT, ("calendar",)),
    Parameter("recurrence", "query", "RFC 5545 rule, such as FREQ=WEEKLY;COUNT=4", _TEXT, ("calendar",)),
    Parameter("Last-Event-ID", "header", "what came after this event is sent again", _TEXT, ("events",)),
)
