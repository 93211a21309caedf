"""What a case is, whichever file form it came from: steps to make and what each should bring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import CrossbarConferencesError
from .placeholders import MISSING


class CaseInvalid(CrossbarConferencesError):
    """A file does not hold what its form asks for."""


@dataclass(frozen=True, slots=True)
class Fill:
    """A long body: ``before``, then ``char`` ``count`` times, then ``after``."""

    before: str
    char: str
    count: int
    after: str

    def text(self) -> str:
        """The whole body."""
        return self.before + self.char * self.count + self.after


@dataclass(frozen=True, slots=True)
class ExpectedResponse:
    """What an HTTP answer should be. ``body`` is JSON, ``text`` what else it may be; `MISSING`
    and ``None`` leave them open.

    ``headers``: a header that is ``None`` must not be there; with ``all_headers`` they are what a
    server gave, so that some others must not be there either. ``extra``: keys that the body may
    have besides.
    """

    status: int | None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    all_headers: bool = False
    extra: frozenset[str] = frozenset()
    body: Any = MISSING
    text: str | None = None
    indented: bool = False
    order_of_ids: str | None = None


@dataclass(frozen=True, slots=True)
class ExpectedMessage:
    """A message that should be published; ``origin`` is ``api`` or ``switch``; ``extra``: headers
    that it may have besides."""

    exchange: str
    routing_key: str
    body: Any
    origin: str = "api"
    extra: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a step should bring. ``None`` means: not compared.

    ``untrusted`` names what must not be taken as the model; ``row`` is the row of
    ``docs/compatibility.md`` when this is our answer where Kazoo gives another.
    """

    response: ExpectedResponse | None = None
    messages: tuple[ExpectedMessage, ...] | None = None
    frames: tuple[Any, ...] | None = None
    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    untrusted: tuple[str, ...] = ()
    row: str | None = None


@dataclass(frozen=True, slots=True)
class HttpStep:
    """A request. ``body`` is JSON, ``raw`` text as it stands; `MISSING` and ``None`` mean none."""

    number: int
    method: str
    path: str
    who: str = "boss"
    headers: Mapping[str, str | None] = field(default_factory=dict)
    body: Any = MISSING
    raw: str | Fill | None = None
    capture: Mapping[str, str] = field(default_factory=dict)
    unordered: str | None = None
    settle: float = 0.0
    setup: bool = False
    expected: Expectation = field(default_factory=Expectation)

    @property
    def writes(self) -> bool:
        """Whether this may change something: anything but reading verbs, or a tunnelled verb."""
        return self.method not in ("GET", "HEAD", "OPTIONS", "TRACE") or "verb=" in self.path


@dataclass(frozen=True, slots=True)
class SwitchStep:
    """Something that happens on the media server: ``("join", ROOM, CALL_ID, "moderator=true")``."""

    number: int
    command: tuple[str, ...]
    expected: Expectation = field(default_factory=Expectation)


@dataclass(frozen=True, slots=True)
class SocketStep:
    """A websocket step: ``connect``, ``send``, ``expect`` or ``close``."""

    number: int
    action: str
    socket: str = "w1"
    frame: Any = MISSING
    text: str | None = None
    count: int = 0
    within: float = 2.0
    expected: Expectation = field(default_factory=Expectation)


@dataclass(frozen=True, slots=True)
class WaitStep:
    """Nothing happens for some seconds."""

    number: int
    seconds: float
    expected: Expectation = field(default_factory=Expectation)


Step = HttpStep | SwitchStep | SocketStep | WaitStep


@dataclass(frozen=True, slots=True)
class Given:
    """What must be there before a case begins.

    ``documents``: by database, then a list of documents; ``commands``: what the media server is
    told first; ``aftermath``: what it is told at the end, so that the next case finds it as usual.
    """

    documents: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)
    commands: tuple[tuple[str, ...], ...] = ()
    aftermath: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One exchange or several that belong together. ``source`` is the file it came from."""

    id: str
    title: str
    steps: tuple[Step, ...]
    area: str = ""
    tags: tuple[str, ...] = ()
    variant: str = ""
    source: str = ""
    untrusted: str | None = None
    given: Given = field(default_factory=Given)
    rows: tuple[str, ...] = ()

    @property
    def writes(self) -> bool:
        """Whether running this may change something on the server or the media side."""
        return bool(self.given.documents or self.given.commands) or any(
            isinstance(step, SwitchStep) or (isinstance(step, HttpStep) and step.writes)
            for step in self.steps
        )

    @property
    def needs_switch(self) -> bool:
        """Whether the media server must be told something."""
        return bool(self.given.commands) or any(isinstance(step, SwitchStep) for step in self.steps)

    @property
    def needs_socket(self) -> bool:
        """Whether a websocket is opened."""
        return any(isinstance(step, SocketStep) for step in self.steps)
