"""The picture of the house is the house."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()
PACKAGE = ROOT / "crossbar_conferences"


def _named() -> set[str]:
    rooms = PAGE.partition("## The rooms")[2].partition("## ")[0]
    cells = [line.split("|")[1] for line in rooms.splitlines() if line.startswith("|")]
    return {name.rstrip("/") for cell in cells for name in re.findall(r"`([\w/.]+)`", cell)}


def test_every_room_is_on_the_page_and_no_other() -> None:
    """A package or module at the top that the table of rooms leaves out, or invents, fails."""
    there = {
        path.name
        for path in PACKAGE.iterdir()
        if path.name not in ("__init__.py", "py.typed", "__pycache__")
        and (path.suffix == ".py" or (path / "__init__.py").exists())
    }
    assert _named() == there
