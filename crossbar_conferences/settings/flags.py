"""Command-line flags, made from the table of settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import click

from .errors import SettingsError
from .load import load
from .table import SETTINGS, Setting, Settings


class BadSettings(click.ClickException):
    """A `SettingsError` at the command line: one line on stderr, exit status 2."""

    exit_code = 2


def options(
    *names: str, read: Callable[[Mapping[str, Any]], Any] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a click command a flag for each setting (or for those named), and ``settings=``.

    The decorated function gets the effective `Settings` as keyword argument ``settings``, beside
    its own parameters. A bad value ends the program with exit status 2, unless ``read`` (flags by
    name to whatever ``settings`` is then) does otherwise.
    """
    unknown = set(names) - {setting.name for setting in SETTINGS}
    if unknown:
        raise ValueError(f"no such settings: {sorted(unknown)}")
    chosen = [setting for setting in SETTINGS if not names or setting.name in names]

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def command(*arguments: Any, **values: Any) -> Any:
            flags = {setting.name: values.pop(_parameter(setting)) for setting in chosen}
            return function(*arguments, settings=(read or load_or_exit)(flags), **values)

        decorated: Callable[..., Any] = command
        for setting in reversed(chosen):
            decorated = _option(setting)(decorated)
        return decorated

    return decorate


def load_or_exit(flags: Mapping[str, Any]) -> Any:
    """`load` for a command: ``None`` flags were not given, a bad value exits with status 2."""
    found = load_or_error(flags)
    if isinstance(found, SettingsError):
        raise BadSettings(str(found))
    return found


def load_or_error(flags: Mapping[str, Any]) -> Settings | SettingsError:
    """`load` for a command that tells of bad values itself."""
    texts = {
        name: value if isinstance(value, str) else str(value).lower()
        for name, value in flags.items()
        if value is not None
    }
    try:
        return load(texts)
    except SettingsError as error:
        return error


def _option(setting: Setting) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    parameter, text = _parameter(setting), f"{setting.help} [{setting.variable}]"
    if setting.kind == "boolean":
        negative = "--no-" + setting.flag[2:]
        return click.option(f"{setting.flag}/{negative}", parameter, default=None, help=text)
    metavar = "|".join(setting.choices) if setting.choices else setting.kind.upper()
    return click.option(setting.flag, parameter, default=None, metavar=metavar, help=text)


def _parameter(setting: Setting) -> str:
    # A prefix keeps flags apart from a command's own parameters.
    return f"setting_{setting.name}"
