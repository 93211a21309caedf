"""The commands ``replay`` and ``record``."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import click
from rich.console import Console

from . import report
from .loading import load_cases
from .model import Case, CaseInvalid
from .recorder import Recorder, serve
from .results import CaseResult
from .runner import Runner
from .target import Target, TargetInvalid, read_connection, target_from_options
from .transport import TransportFailed

#: Where the demo says what it started.
DEFAULT_CONNECTION = Path(".demo/connection.json")


@click.command("replay")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--url", help="Run against this server, for example http://127.0.0.1:8000.")
@click.option("--token", help="An administrator's token of the account.", envvar="REPLAY_TOKEN")
@click.option("--account", help="The id of the account.")
@click.option(
    "--connection",
    type=click.Path(path_type=Path),
    help=f"A connection.json as the demo writes it; {DEFAULT_CONNECTION} when nothing else is given.",
)
@click.option("--allow-writes", is_flag=True, help="Also run cases that change something on the server.")
@click.option("--format", "form", type=click.Choice(["text", "json", "junit"]), default="text")
@click.option("--area", multiple=True, help="Only cases of this area; may be repeated.")
@click.option("--case", "case_id", multiple=True, help="Only this case; may be repeated.")
@click.option("--tag", multiple=True, help="Only cases with this tag; may be repeated.")
@click.option("--variant", default="new", show_default=True, help="Which recording of the cases.")
@click.option(
    "--deviations",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Where our answers are not the recorded ones; deviations.yaml beside the recordings.",
)
@click.option("--switch-messages", is_flag=True, help="Also compare what the media side publishes.")
@click.option("--verbose", "-v", is_flag=True, help="Also show cases that hold, and untrusted differences.")
def replay(
    files: tuple[Path, ...],
    url: str | None,
    token: str | None,
    account: str | None,
    connection: Path | None,
    allow_writes: bool,
    form: str,
    area: tuple[str, ...],
    case_id: tuple[str, ...],
    tag: tuple[str, ...],
    variant: str,
    deviations: Path | None,
    switch_messages: bool,
    verbose: bool,
) -> None:
    """Run exchanges from FILES (fixture files, folders, recordings) against a server.

    Prints where the answers differ. Exit status: 0 when all hold, 1 on a difference, 2 when it
    could not be tried."""
    try:
        target = _target(url, token, account, connection)
        cases = load_cases(files, variant, deviations)
    except (TargetInvalid, CaseInvalid) as error:
        raise click.UsageError(str(error)) from error
    chosen = [case for case in cases if _is_chosen(case, area, case_id, tag)]
    if not chosen:
        raise click.UsageError("no case fits")
    console = Console(stderr=form != "text")
    try:
        runner = Runner(target, allow_writes=allow_writes, compare_switch=switch_messages)
        results = asyncio.run(_run(runner, chosen, console, verbose=verbose))
    except TransportFailed as error:
        raise click.UsageError(str(error)) from error
    if form == "json":
        click.echo(report.as_json(results))
    elif form == "junit":
        click.echo(report.as_junit(results))
    report.print_summary(console, results)
    sys.exit(1 if report.failed(results) else 0)


async def _run(runner: Runner, cases: list[Case], console: Console, *, verbose: bool) -> list[CaseResult]:
    results: list[CaseResult] = []
    async with runner:
        async for result in runner.run_all(cases):
            results.append(result)
            report.print_case(console, result, verbose=verbose)
    return results


def _target(url: str | None, token: str | None, account: str | None, connection: Path | None) -> Target:
    if url is None:
        return read_connection(connection or DEFAULT_CONNECTION)
    if connection is not None:
        raise TargetInvalid("give either --url or --connection")
    if not token or not account:
        raise TargetInvalid("--url needs --token and --account")
    return target_from_options(url, token, account)


def _is_chosen(case: Case, areas: tuple[str, ...], ids: tuple[str, ...], tags: tuple[str, ...]) -> bool:
    return (
        (not areas or case.area in areas)
        and (not ids or case.id in ids)
        and (not tags or bool(set(tags) & set(case.tags)))
    )


@click.command("record")
@click.option("--to", "server", required=True, help="The server, for example http://127.0.0.1:8000.")
@click.option(
    "--output",
    "file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The fixture file to write; it is written anew with every exchange.",
)
@click.option("--port", default=8899, show_default=True, help="Where clients send their requests.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
def record(server: str, file: Path, port: int, host: str) -> None:
    """Stand between a client and a server, and write what passes into a fixture file.

    Tokens and secrets are left out, ids and times become variables and placeholders. Stop it
    with Ctrl-C."""
    recorder = Recorder(server, file, file.stem)
    try:
        asyncio.run(_record(recorder, host, port))
    except OSError as error:
        raise click.UsageError(f"{host}:{port}: {error.strerror or error}") from error
    click.echo(f"{recorder.steps} exchanges in {file}", err=True)


async def _record(recorder: Recorder, host: str, port: int) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    await serve(recorder, host, port, stopped)
