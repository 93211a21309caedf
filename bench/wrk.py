"""wrk, the load generator: its script for a set of requests, its run, its result as a value."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crossbar_conferences.errors import CrossbarConferencesError

#: Stands in a body for a number that no other request of the run has.
NUMBER = "{n}"

_MARK = "bench-result "

#: One thread: a second one would only compete with the server for the same few cores.
_THREADS = 1


class WrkFailed(CrossbarConferencesError):
    """wrk is not there, or did not give a result."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a scenario; ``path`` with its query. ``body`` may hold `NUMBER`."""

    path: str
    method: str = "GET"
    body: str | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """What a run of wrk did. Times in seconds; ``refused`` are answers with a status of 400 or more,
    ``broken`` connections that failed, ended or gave no answer in time."""

    requests: int
    seconds: float
    p50: float
    p99: float
    refused: int
    broken: int

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.requests / self.seconds if self.seconds else 0.0

    @property
    def errors(self) -> int:
        """Everything that was not answered as it should be."""
        return self.refused + self.broken


def find() -> str:
    """wrk's program; installed from Debian when that can be done. Raises `WrkFailed`."""
    program = shutil.which("wrk")
    if program is None and os.geteuid() == 0 and shutil.which("apt-get"):
        print("bench: apt-get install wrk", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", "wrk"]):
            subprocess.run(
                ["apt-get", *command],
                env=environment,
                stdout=subprocess.DEVNULL,
                stdin=subprocess.DEVNULL,
                check=False,
                timeout=600,
            )
        program = shutil.which("wrk")
    if program is None:
        raise WrkFailed("wrk is missing: install Debian's package wrk")
    return program


def run(
    base_url: str,
    requests: Sequence[Request],
    headers: Mapping[str, str],
    *,
    connections: int,
    seconds: float,
    first_number: int = 0,
) -> Load:
    """Send the requests in turn over so many connections for so long. Raises `WrkFailed`.

    ``first_number`` is where `NUMBER` begins to count."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "requests.lua"
        path.write_text(script(requests, headers, first_number), encoding="utf-8")
        command = [find(), f"-t{_THREADS}", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
        done = subprocess.run(
            [*command, "--timeout", "20s", "-s", str(path), base_url],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 60,
        )
    return parse(done.stdout, done.stderr)


def script(requests: Sequence[Request], headers: Mapping[str, str], first_number: int = 0) -> str:
    """The Lua script for wrk. What is the same every time is made once, before the clock runs."""
    rows = ",\n".join(
        "{" + ", ".join((_lua(one.method), _lua(one.path), _lua(one.body) if one.body else "nil")) + "}"
        for one in requests
    )
    pairs = ", ".join(f"[{_lua(name)}] = {_lua(value)}" for name, value in headers.items())
    return _SCRIPT % {"rows": rows, "headers": pairs, "first": first_number, "mark": _MARK}


def parse(output: str, complaint: str = "") -> Load:
    """The result in wrk's output. Raises `WrkFailed`."""
    for line in output.splitlines():
        if line.startswith(_MARK):
            told = json.loads(line.removeprefix(_MARK))
            return Load(
                requests=told["requests"],
                # wrk counts in microseconds.
                seconds=told["duration"] / 1e6,
                p50=told["p50"] / 1e6,
                p99=told["p99"] / 1e6,
                refused=told["status"],
                broken=told["connect"] + told["read"] + told["write"] + told["timeout"],
            )
    raise WrkFailed(f"wrk gave no result: {(complaint or output).strip()[:500]}")


def _lua(text: str) -> str:
    # Decimal escapes are the only ones that Lua has for every byte.
    plain = "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03d}" for byte in text.encode()
    )
    return f'"{plain}"'


_SCRIPT = """
local rows = {
%(rows)s
}
local headers = {%(headers)s}
local ready, count, number = {}, 0, %(first)d

function init(args)
   for index, row in ipairs(rows) do
      if not (row[3] and row[3]:find("{n}", 1, true)) then
         ready[index] = wrk.format(row[1], row[2], headers, row[3])
      end
   end
end

function request()
   local index = count %% #rows + 1
   count = count + 1
   if ready[index] then return ready[index] end
   number = number + 1
   local row = rows[index]
   local body = row[3]:gsub("{n}", tostring(number))
   return wrk.format(row[1], row[2], headers, body)
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '\\n%(mark)s{"requests": %%d, "duration": %%d, "p50": %%d, "p99": %%d, ' ..
      '"status": %%d, "connect": %%d, "read": %%d, "write": %%d, "timeout": %%d}\\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
      errors.status, errors.connect, errors.read, errors.write, errors.timeout))
end
"""
