"""The group that the console script starts. A command's module is imported when the command is asked for."""

from __future__ import annotations

import importlib

import click

from ..version import version

#: Command -> module and name of what runs it.
COMMANDS = {
    "serve": "crossbar_conferences.cli.serve:serve",
    "demo": "crossbar_conferences.cli.demo:demo",
    "simulate": "crossbar_conferences.switch.cli:simulate",
    "replay": "crossbar_conferences.replay.cli:replay",
    "record": "crossbar_conferences.replay.cli:record",
    "views": "crossbar_conferences.cli.views:views",
    "uninstall": "crossbar_conferences.cli.uninstall:uninstall",
    "doctor": "crossbar_conferences.cli.doctor:doctor",
    "settings": "crossbar_conferences.cli.settings:settings",
    "token": "crossbar_conferences.cli.token:token",
    "watch": "crossbar_conferences.cli.watch:watch",
    "describe": "crossbar_conferences.cli.describe:describe",
}


class LazyGroup(click.Group):
    """A group whose commands are found by import path, so that ``token`` need not load a broker client."""

    def __init__(self, *, lazy: dict[str, str], **attributes: object) -> None:
        super().__init__(**attributes)  # type: ignore[arg-type]
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, in the order in which they are shown."""
        return [*self._lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One command, imported now; ``None`` when there is none of that name."""
        place = self._lazy.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = place.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{place} is no command")
        return command


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version(), prog_name="crossbar-conferences")
def main() -> None:
    """Kazoo's conferences API, served beside a Kazoo cluster."""
