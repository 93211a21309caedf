"""The effective settings for people: what ``crossbar-conferences settings`` prints."""

from __future__ import annotations

from dataclasses import dataclass

from .table import SETTINGS, Settings
from .values import show


@dataclass(frozen=True, slots=True)
class Row:
    """One setting as it is shown; ``value`` and ``default`` hold no secret."""

    name: str
    value: str
    origin: str
    default: str
    help: str


def describe(settings: Settings) -> list[Row]:
    """Every setting with its effective value and its origin, secrets masked."""
    return [
        Row(
            setting.name,
            show(setting, getattr(settings, setting.name)),
            settings.origins.get(setting.name, "default"),
            show(setting, setting.default),
            setting.help,
        )
        for setting in SETTINGS
    ]


def as_text(settings: Settings) -> str:
    """`describe` as aligned lines: name, value, origin."""
    rows = describe(settings)
    names = max(len(row.name) for row in rows)
    values = min(48, max(len(row.value) for row in rows))
    return "\n".join(f"{row.name:<{names}}  {row.value:<{values}}  {row.origin}" for row in rows)


def as_object(settings: Settings) -> dict[str, dict[str, str]]:
    """`describe` for machines: name to value and origin."""
    return {row.name: {"value": row.value, "origin": row.origin} for row in describe(settings)}
