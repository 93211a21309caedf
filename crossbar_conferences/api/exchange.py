"""One request on its way through the house, and what will be answered.

The request half is read once and then frozen by convention; the answer half is filled by the
handlers and turned into an HTTP response by ``pipeline.py``. Source: http.md 2, 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..auth.identity import Identity
    from .load import Place
    from .renderings import Rendering
    from .routes import Match, Route


@dataclass(slots=True)
class Answer:
    """What a handler decided. ``document`` gives metadata and revision; ``data`` the body."""

    status: int = 200
    data: Any = None
    #: The stored document the answer is about, or an ad-hoc one (then it has no ``_rev``).
    document: Mapping[str, Any] | None = None
    #: Added to the metadata that the document gives.
    metadata: dict[str, Any] = field(default_factory=dict)
    revision: str | None = None
    #: The entity tag with its quotes; only a GET answers it, preconditions use it always.
    etag: str | None = None
    #: Other revisions that ``If-Match`` takes for the tag.
    also_matches: tuple[str, ...] = ()
    #: page_size, start_key, next_start_key.
    listing: dict[str, Any] = field(default_factory=dict)
    is_list: bool = False
    #: Relative; set on every PUT that loaded or made a document.
    location: str | None = None
    #: Replies that Kazoo gives through its stop path carry CORS headers always (http.md 1.7).
    explicit: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    #: What was rendered before, and is what ``data`` and the metadata would be rendered to.
    rendering: Rendering | None = None

    def show(self, rendering: Rendering) -> None:
        """Answer what was rendered."""
        self.rendering = rendering
        self.data, self.revision, self.etag = rendering.data, rendering.revision, rendering.etag
        self.also_matches = () if rendering.revision is None else (rendering.revision,)


@dataclass(slots=True)
class Exchange:
    """A request as the API reads it."""

    method: str
    path: str
    #: Path segments after the version, decoded, without empty ones at the end.
    tokens: tuple[str, ...]
    #: A key without ``=`` has the value ``True``; of a name that is there more than once, the first.
    query: Mapping[str, Any]
    headers: Mapping[str, str]
    client_ip: str
    request_id: str
    #: Of all its lines; ``None`` without one.
    accept: str | None = None
    #: ``data`` of the request envelope: an object, or an array.
    data: Any = field(default_factory=dict)
    #: The whole request envelope, top-level keys normalised.
    envelope: Mapping[str, Any] = field(default_factory=dict)
    #: Whether the path, as it came, ends in a slash.
    ends_in_slash: bool = False
    #: "json", "form", "file" (any other type) or "none".
    body_kind: str = "none"
    #: The body as it came.
    raw: bytes = b""
    #: Where the request is counted.
    place: Place | None = None
    #: The name of the error that it is answered with (``errors.CATALOGUE``), once that is known.
    failure: str | None = None
    #: Whether the whole body has come.
    received: bool = False
    verb: str = ""
    #: Names from the path: account_id, user_id, conference_id, participant_id, session_id.
    parameters: Mapping[str, str] = field(default_factory=dict)
    allowed: tuple[str, ...] | None = None
    #: Parameters of the query whose name was there before: only filters look at them.
    repeated: Sequence[tuple[str, Any]] = ()
    #: The name of the route in the table, for logs and metrics.
    route: str = "none"
    #: The route, when the request was let in like one before it.
    readmitted: Route | None = None
    #: The resource that the path names, and the path's segments after it.
    endpoint: str = "conferences"
    arguments: tuple[str, ...] = ()
    token: str | None = None
    identity: Identity | None = None
    account: Mapping[str, Any] | None = None
    negotiated: bool = False
    wants_csv: bool = False
    #: Whether CSV says, with a mark at its beginning too, that it is UTF-8.
    marks_csv: bool = False
    consumed: int = 0
    remaining: int = 0
    answer: Answer = field(default_factory=Answer)
    #: What a handler's validation made ready for its execution.
    prepared: Any = None

    @property
    def only_reads(self) -> bool:
        """Whether nothing may be done for it: a GET never writes, whatever ``verb`` it carries (http.md 1.6).

        Links are followed by whoever meets them, so what a GET asks for is only checked and shown."""
        return self.method == "GET" or self.verb == "GET"

    def enter(self, match: Match) -> None:
        """The path led somewhere."""
        self.parameters, self.endpoint, self.arguments = match.parameters, match.endpoint, match.arguments
        self.route, self.allowed = match.route.name, match.route.verbs

    def waits(self) -> None:
        """From here on the request waits for others; to be said before anything is begun that cannot be
        undone. Raises `ApiError` when too many wait."""
        if self.place is not None and self.identity is not None:
            self.place.wait(self.identity.account_id)

    def becomes_stream(self) -> None:
        """The request goes on for hours, and has limits of its own."""
        if self.place is not None:
            self.place.stream()

    def forget_body(self) -> None:
        """Nothing more is read of the body; credentials in it must have been found."""
        self.data, self.envelope, self.raw = {}, {}, b""

    @property
    def account_id(self) -> str:
        """The account of the path."""
        return self.parameters["account_id"]

    @property
    def conference_id(self) -> str:
        """The conference of the path."""
        return self.parameters["conference_id"]

    @property
    def is_guest(self) -> bool:
        """Whether a public link's guest asks, who sees less (``conference/guests.py``)."""
        return self.identity is not None and self.identity.is_guest

    @property
    def data_object(self) -> Mapping[str, Any]:
        """``data`` when it is an object, else an empty one."""
        return self.data if isinstance(self.data, dict) else {}

    def value(self, name: str) -> Any:
        """Kazoo's ``req_value``: data, then query, then envelope; ``None`` when nowhere (http.md 2.2)."""
        if not self.query and not self.envelope:
            # A request without either, as most are; ``data`` is the envelope's.
            return None
        for place in (self.data_object, self.query, self.envelope):
            found = place.get(name)
            if found is not None:
                return found
        return None

    def flag(self, name: str, default: bool = False) -> bool:
        """A value that means yes or no."""
        found = self.value(name)
        return default if found is None else is_true(found)

    def action(self) -> Any:
        """The action of a conference: envelope, then data; the query is not read (http.md 2.2)."""
        found = self.envelope.get("action")
        return found if found not in (None, "") else self.data_object.get("action")


def is_true(value: Any) -> bool:
    """Kazoo's reading of a boolean-like value."""
    return value is True or (isinstance(value, str) and value.lower() == "true")
