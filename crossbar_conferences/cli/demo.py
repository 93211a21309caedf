"""``crossbar-conferences demo``: a first look at the API, on real services or in memory."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import click
from rich.console import Console

from ..demo.run import DemoOptions, Stay, run
from ..errors import CrossbarConferencesError
from ..logs import configure

_PORT = click.IntRange(1, 65_535)


@click.command("demo")
@click.option("--port", type=_PORT, help="Port of the API; any free one by default.")
@click.option("--switch-port", type=_PORT, help="Port of the virtual switch's control interface.")
@click.option("--amqp-port", type=_PORT, help="Port of the private RabbitMQ.")
@click.option("--couchdb-port", type=_PORT, help="Port of the private document store.")
@click.option(
    "--keep/--once", default=True, help="Stay up after the last step (default), or end with a verdict."
)
@click.option(
    "--embedded", is_flag=True, help="Keep documents and messages in memory; nothing else is needed."
)
def demo(
    port: int | None,
    switch_port: int | None,
    amqp_port: int | None,
    couchdb_port: int | None,
    keep: bool,
    embedded: bool,
) -> None:
    """Bring everything up, play a conference through the API, and show each exchange.

    AMQP_URL and COUCHDB_URL name services to use; without them a checkout's scripts start private
    ones. While it is up, .demo/connection.json tells other tools where everything is.
    """
    configure("warning", "console")
    options = DemoOptions(port, switch_port, amqp_port, couchdb_port, keep, embedded, Path(".demo"))
    try:
        failures = asyncio.run(_until_signal(options))
    except CrossbarConferencesError as error:
        raise click.ClickException(str(error)) from error
    except asyncio.CancelledError:
        raise click.ClickException("ended before the last step") from None
    if failures:
        raise click.ClickException(f"{len(failures)} answers were not as expected")


async def _until_signal(options: DemoOptions) -> list[str]:
    """Run the demo until a signal: while it stays up that is its ordinary end."""
    stay = Stay()
    running = asyncio.create_task(run(options, stay, Console(highlight=False)))
    loop = asyncio.get_running_loop()

    def end() -> None:
        # Only the first signal counts, so that an impatient second one leaves nothing running.
        if stay.ended.is_set():
            return
        stay.ended.set()
        if not stay.begun:
            running.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    return await running
