"""``python -m crossbar_conferences.replay FILES…``: the command without the console script."""

from __future__ import annotations

from .cli import replay

if __name__ == "__main__":
    replay(prog_name="python -m crossbar_conferences.replay")
