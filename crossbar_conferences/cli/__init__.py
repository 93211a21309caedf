"""The commands: ``crossbar-conferences COMMAND``."""

from __future__ import annotations

from .main import main

__all__ = ["main"]
