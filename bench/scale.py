"""``python -m bench.scale``: how time and memory grow with accounts, conferences, people and events.

Each step is a process of its own that holds a sidecar with the in-memory adapters of store and
broker, and the virtual switch: so that what grows is the sidecar's own, and large sizes are
made in seconds. The memory of the data itself, which would be in CouchDB and in the switch, is
measured before the sidecar looks at it, and taken off. ``--full`` goes to the full sizes. The series
``event-rate`` (`bench.flood`) sends events of the virtual switch at growing rates.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crossbar_conferences.errors import CrossbarConferencesError

from . import flood, growth
from .run import machine
from .servers import ROOT
from .table import render


@dataclass(frozen=True, slots=True)
class Series:
    """What grows: the sizes by default and with --full, and what is measured at a size."""

    sizes: tuple[int, ...]
    full: tuple[int, ...]
    measure: Callable[[int], Coroutine[Any, Any, growth.Figures]]


SERIES: Mapping[str, Series] = {
    "accounts": Series((100, 1_000), (100, 1_000, 10_000), growth.accounts),
    "conferences": Series((100, 1_000, 10_000), (100, 1_000, 10_000, 100_000), growth.conferences),
    "participants": Series((20, 200, 2_000), (20, 200, 2_000, 20_000), flood.participants),
    "event-rate": Series((100, 1_000, 5_000), (100, 500, 1_000, 2_000, 5_000, 10_000), flood.event_rate),
}

_STEP_SECONDS = 300


class StepFailed(CrossbarConferencesError):
    """A size could not be measured."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    summary = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=summary)
    sizes = "10,000 accounts, 100,000 conferences, 20,000 people, 10,000 events a second"
    parser.add_argument("--full", action="store_true", help=sizes)
    parser.add_argument("--series", action="append", choices=tuple(SERIES), help="may be repeated")
    parser.add_argument("--step", nargs=2, metavar=("SERIES", "SIZE"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.step:
        name, size = options.step
        print(json.dumps(asyncio.run(SERIES[name].measure(int(size)))))
        return 0
    print(machine())
    return max(_series(name, options.full) for name in options.series or SERIES)


def _series(name: str, full: bool) -> int:
    rows: list[dict[str, str]] = []
    for size in SERIES[name].full if full else SERIES[name].sizes:
        print(f"… {name} {size:,}: ", end="", flush=True)
        begun = time.monotonic()
        try:
            rows.append({name: f"{size:,}", **_step(name, size)})
        except StepFailed as error:
            print(f"failed after {time.monotonic() - begun:.0f} s", flush=True)
            print(f"scale: {name} {size}: {error}", file=sys.stderr)
            return 1
        print(f"{time.monotonic() - begun:.0f} s", flush=True)
    print("\n" + render(tuple(rows[0]), [tuple(row.values()) for row in rows]) + "\n", flush=True)
    return 0


def _step(name: str, size: int) -> growth.Figures:
    command = [sys.executable, "-m", "bench.scale", "--step", name, str(size)]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=_STEP_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise StepFailed(f"did not end within {_STEP_SECONDS} s") from None
    if done.returncode != 0:
        raise StepFailed(done.stderr[-2000:])
    figures: growth.Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


if __name__ == "__main__":
    sys.exit(main())
