"""Runs cases against a target and gathers, step by step, where the answers differ.

Cases run one after another: they share one account, one bus and one media server. Each run has
fresh names and numbers, and what it makes is removed afterwards.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType

from . import rules
from .bus import Listener
from .comparison import Answer, Published, compare_frames, compare_messages, compare_response
from .matching import Difference, Leniency, compare, hide
from .model import Case, Expectation, ExpectedMessage, HttpStep, SocketStep, Step, SwitchStep, WaitStep
from .placeholders import MISSING, Bindings
from .results import CaseResult, Outcome, StepResult, outcome_of
from .run import Run, clean_up
from .target import Target, names_in, substitute
from .transport import TransportFailed, Wire

#: Seconds to wait for messages that are expected.
SETTLE = 0.5

#: Seconds to wait for messages that should not come.
GRACE = 0.03

#: What a live answer reads follows the bus; without a look at it, so long after a switch step.
BLIND_SWITCH_WAIT = 0.15


#: What preparation that makes a conference is waited for.
_CREATED = Expectation(messages=(ExpectedMessage("configuration", "", {"Event-Name": "doc_created"}),))


class Runner:
    """Runs cases against one target; an async context manager that holds the connections.

    ``compare_switch``: what the media side publishes is compared as well."""

    def __init__(self, target: Target, *, allow_writes: bool = False, compare_switch: bool = False) -> None:
        self._target = target
        self._compare_switch = compare_switch
        self._allow_writes = allow_writes
        self._wire = Wire(target)
        self._bus: Listener | None = None
        self._stack = AsyncExitStack()
        self._stale: set[str] = set()

    async def __aenter__(self) -> Runner:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._wire)
            if self._target.amqp_url:
                self._bus = await stack.enter_async_context(Listener(self._target.amqp_url))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def run_all(self, cases: Iterable[Case]) -> AsyncIterator[CaseResult]:
        """Run cases in order and give each result as it comes."""
        for case in cases:
            yield await self.run(case)

    async def run(self, case: Case) -> CaseResult:
        """Run one case. Whatever goes wrong is in the result; nothing is raised for it."""
        if reason := self._why_not(case):
            return CaseResult(case, Outcome.SKIPPED, reason=reason)
        begun = time.monotonic()
        run = Run(case, Bindings(self._target.run_variables()))
        reason = ""
        try:
            await self._prepare(run)
            for step in case.steps:
                run.results.append(self._shown(await self._step(run, step)))
        except TransportFailed as error:
            reason = str(error)
        finally:
            problem = await clean_up(run, self._wire, self._target)
            reason = reason or problem
            self._stale.update(made for _, made in run.created)
        seconds = time.monotonic() - begun
        outcome = Outcome.FAILED if reason else outcome_of(case, run.results)
        return CaseResult(case, outcome, tuple(run.results), reason, seconds)

    def _shown(self, result: StepResult) -> StepResult:
        """A result that may be printed: answers repeat the token that was sent."""
        secrets = self._target.secrets
        differences = tuple(difference.without(secrets) for difference in result.differences)
        return replace(result, what=hide(result.what, secrets), differences=differences)

    def _why_not(self, case: Case) -> str:
        if case.writes and not self._allow_writes:
            return "it writes, and writing is not allowed (--allow-writes)"
        if case.needs_switch and self._target.switch_url is None:
            return "it needs a media server that can be told what happens (switch_url)"
        if case.needs_socket and self._target.ws_url is None:
            return "it needs a websocket (ws_url)"
        if (case.given.documents or _wants_documents(case)) and self._target.couchdb_url is None:
            return "it needs the document store (couchdb_url)"
        missing = _needed_variables(case) - set(self._target.run_variables())
        return f"the target has no {', '.join(sorted(missing))}" if missing else ""

    async def _prepare(self, run: Run) -> None:
        for database, documents in run.case.given.documents.items():
            name = run.database(database)
            for document in documents:
                content = substitute(document, run.bindings.variables)
                await self._wire.put_document(name, content)
                run.documents.append((name, str(content["_id"])))
        for command in run.case.given.commands:
            await self._command(run, command)
        if run.case.given.commands and self._bus is None:
            await asyncio.sleep(BLIND_SWITCH_WAIT)
        if self._bus is not None:
            await self._bus.settle((), 0, GRACE if run.case.given.commands else 0)
            self._bus.clear()

    async def _step(self, run: Run, step: Step) -> StepResult:
        if isinstance(step, HttpStep):
            return await self._http(run, step)
        if isinstance(step, SwitchStep):
            await self._command(run, step.command)
            await self._settle(step.expected, 0, blind=BLIND_SWITCH_WAIT)
            found = self._compare_switch_messages(run, step.expected, self._take())
            return StepResult(step.number, "switch " + " ".join(step.command), tuple(found))
        if isinstance(step, SocketStep):
            return await self._socket(run, step)
        return await self._wait(step)

    async def _wait(self, step: WaitStep) -> StepResult:
        await asyncio.sleep(step.seconds)
        return StepResult(step.number, f"wait {step.seconds:g} s")

    async def _http(self, run: Run, step: HttpStep) -> StepResult:
        self._take()
        variables = run.bindings.variables
        answer = await self._wire.request(step, variables)
        what = f"{step.method} {substitute(step.path, variables)}"
        run.capture(step, answer)
        made = run.note_creation(step, answer)
        # What preparation publishes is not compared, but must not be taken for a later step's.
        await self._settle(_CREATED if made and step.setup else step.expected, step.settle)
        published = self._take()
        differences = self._compare(run, step, answer, published)
        differences += await self._compare_documents(run, step.expected)
        marks = step.expected.untrusted
        counts = not (run.case.untrusted or rules.is_marked(marks, rules.UNTRUSTED_STEPS))
        if not counts and answer.status >= 500:
            expected = step.expected.response
            counts = expected is None or expected.status != answer.status
        return StepResult(step.number, what, tuple(differences), counts, step.expected.row)

    def _compare(
        self, run: Run, step: HttpStep, answer: Answer, published: list[Published] | None
    ) -> list[Difference]:
        expected = step.expected
        differences: list[Difference] = []
        if expected.response is not None:
            differences += compare_response(
                expected.response, answer, step, run.bindings, running=bool(run.rooms)
            )
        trusted = not rules.is_marked(expected.untrusted, rules.UNTRUSTED_MESSAGES)
        if expected.messages is not None and published is not None and trusted:
            differences += compare_messages(expected.messages, published, run.bindings)
        return differences + self._compare_switch_messages(run, expected, published)

    def _compare_switch_messages(
        self, run: Run, expected: Expectation, published: list[Published] | None
    ) -> list[Difference]:
        """What the media side published, when that is asked for: it is a stand-in as a rule."""
        if not self._compare_switch or expected.messages is None or published is None:
            return []
        return compare_messages(expected.messages, published, run.bindings, "switch")

    async def _compare_documents(self, run: Run, expected: Expectation) -> list[Difference]:
        differences: list[Difference] = []
        for database, documents in expected.documents.items():
            name = run.database(str(run.bindings.fill(database)))
            for key, content in documents.items():
                document_id = str(run.bindings.fill(key))
                stored = await self._wire.get_document(name, document_id)
                path = ("afterwards", document_id)
                if content is None:
                    if stored is not None:
                        differences.append(Difference(path, MISSING, stored))
                    continue
                leniency = Leniency(extra=lambda path: None)
                got = MISSING if stored is None else stored
                differences += compare(content, got, run.bindings, leniency, path)
        return differences

    async def _socket(self, run: Run, step: SocketStep) -> StepResult:
        what = f"websocket {step.action} ({step.socket})"
        if step.action == "connect":
            run.sockets[step.socket] = await self._wire.connect_socket()
            return StepResult(step.number, what)
        socket = run.sockets.get(step.socket)
        if socket is None:
            raise TransportFailed(f"step {step.number}: {step.socket} was never connected")
        if step.action == "send":
            await socket.send(_frame_text(step, run.bindings.variables))
        elif step.action == "close":
            await socket.close()
        elif step.action == "expect":
            frames = await socket.receive(max(step.count, len(step.expected.frames or ())), step.within)
            if step.expected.frames is not None:
                differences = compare_frames(step.expected.frames, frames, run.bindings)
                counts = not run.case.untrusted
                return StepResult(step.number, what, tuple(differences), counts, step.expected.row)
        else:
            raise TransportFailed(f"step {step.number}: a websocket cannot {step.action}")
        return StepResult(step.number, what)

    async def _command(self, run: Run, command: tuple[str, ...]) -> None:
        words = [str(substitute(word, run.bindings.variables)) for word in command]
        if words[0] == "create" and len(words) > 1:
            run.rooms.append(words[1])
        run.dial_mode = run.dial_mode or words[0] == "dial-mode"
        await self._wire.command_switch(tuple(words), {})

    async def _settle(self, expected: Expectation, settle: float, blind: float = 0.0) -> None:
        if self._bus is None:
            await asyncio.sleep(max(settle, blind))
            return
        loop = asyncio.get_running_loop()
        end = loop.time() + settle
        messages = [message for message in expected.messages or () if _can_be_heard(message)]
        await self._bus.settle(messages, SETTLE, GRACE)
        # What a case asks for is time for the media side, whether or not messages come of it.
        await asyncio.sleep(max(0.0, end - loop.time()))

    def _take(self) -> list[Published] | None:
        if self._bus is None:
            return None
        return [
            message
            for message in self._bus.take()
            if not any(stale in json.dumps(message.body) for stale in self._stale)
        ]


def _can_be_heard(message: ExpectedMessage) -> bool:
    return message.exchange != "targeted" and not rules.is_free(message.body)


def _frame_text(step: SocketStep, variables: Mapping[str, str]) -> str:
    if step.text is not None:
        return str(substitute(step.text, variables))
    return json.dumps(substitute(step.frame, variables), ensure_ascii=False)


def _wants_documents(case: Case) -> bool:
    return any(step.expected.documents for step in case.steps)


def _needed_variables(case: Case) -> set[str]:
    needed: set[str] = set()
    captured: set[str] = set()
    for step in case.steps:
        if isinstance(step, HttpStep):
            captured |= set(step.capture)
            needed |= names_in([step.path, step.who, list(step.headers.values())])
            needed |= names_in(step.body)
            if step.who in ("boss", "joe", "master", "other"):
                needed.add(f"T_{step.who.upper()}")
        elif isinstance(step, SwitchStep):
            needed |= names_in(step.command)
        elif isinstance(step, SocketStep):
            needed |= names_in(step.frame)
    return needed - captured
