"""Settings: Kazoo's ``config.ini``, the environment and the command line, as one frozen value."""

from __future__ import annotations

from .describe import as_object, as_text, describe
from .errors import SettingsError
from .flags import load_or_error, load_or_exit, options
from .load import load, unknown_variables
from .table import SETTINGS, Setting, Settings, ZoneUrl
from .values import mask_url

__all__ = [
    "SETTINGS",
    "Setting",
    "Settings",
    "SettingsError",
    "ZoneUrl",
    "as_object",
    "as_text",
    "describe",
    "load",
    "load_or_error",
    "load_or_exit",
    "mask_url",
    "options",
    "unknown_variables",
]
