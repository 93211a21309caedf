"""This package's version."""

from __future__ import annotations

import importlib.metadata


def version() -> str:
    """The installed version; ``0`` when it runs from a folder that was never installed."""
    try:
        return importlib.metadata.version("crossbar-conferences")
    except importlib.metadata.PackageNotFoundError:
        return "0"
