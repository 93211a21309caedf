"""Types the blocks of the operators' pages, in a folder that stands for the host."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import yaml

from tests.support.haproxy import for_a_test, haproxy
from tests.support.walk import Block

ROOT = Path(__file__).resolve().parents[2]
#: Seconds for one block, and for the service to do what it was told.
PATIENCE = 100.0
#: Folders of a host that pages write to, or read from.
FOLDERS = ("/etc/", "/opt/", "/usr/local/bin/")


class Stumbled(AssertionError):
    """A command failed, or what the page says of it does not hold."""


@dataclass(slots=True)
class Walker:
    """``host``: the folder that stands for the host; ``addresses``: what is shown and what it is here;
    ``environ``: beside what a shell has. Use as ``async with``."""

    host: Path
    addresses: Mapping[str, str]
    environ: Mapping[str, str]
    operations_url: str
    haproxy_port: int = 0
    _unit: asyncio.subprocess.Process | None = None
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> Walker:
        await asyncio.to_thread(self._prepare)
        return self

    async def __aexit__(self, *reason: object) -> None:
        if self._unit is not None:
            self._unit.kill()
            await self._unit.wait()
        await self._stack.aclose()

    @property
    def checkout(self) -> Path:
        """A copy of what git knows, where pages say so: the folder of the checkout."""
        return self.host / "checkout"

    @property
    def log(self) -> Path:
        """What the service has logged."""
        return self.host / "journal"

    async def walk(self, block: Block) -> None:
        """Do what a block says, and see whether its conditions hold. Raises `Stumbled`."""
        said = ""
        if block.kind == "run":
            said = await self._type(block)
        elif block.kind == "append":
            await asyncio.to_thread(self._append, block)
        elif block.kind == "a line of the log":
            await asyncio.to_thread(self._is_logged, block)
        if block.instead:
            await self._actions()[block.instead](block)
        for text in block.prints:
            if text not in said:
                raise Stumbled(f"{block.place}: does not print {text!r}:\n{said[-4000:]}")
        for text in block.prints_no:
            if text in said:
                raise Stumbled(f"{block.place}: prints {text!r}:\n{said[-4000:]}")
        await asyncio.to_thread(self._look, block)

    def here(self, text: str) -> str:
        """A text of a page with the addresses and folders of this walk."""
        places = {**self.addresses, **{folder: f"{self.host}{folder}" for folder in FOLDERS}}
        shown = sorted(places, key=len, reverse=True)
        return re.sub("|".join(map(re.escape, shown)), lambda found: places[found[0]], text)

    async def _type(self, block: Block) -> str:
        variables = self.host / "variables"
        script = f"set -eo pipefail\nset -a\n. {shlex.quote(str(variables))}\n{self.here(block.code)}"
        if not block.own_shell:
            script += f"\ndeclare -p TOKEN > {shlex.quote(str(variables))} 2>&- || true\n"
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", script),
            cwd=self.checkout,
            env=self._shell(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(PATIENCE):
                output, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            raise Stumbled(f"{block.place}: does not end") from None
        said = output.decode(errors="replace")
        if process.returncode not in block.statuses:
            raise Stumbled(f"{block.place}: exit status {process.returncode}:\n{said[-4000:]}")
        return said

    def _look(self, block: Block) -> None:
        for path in block.files:
            if not Path(self.here(path)).exists():
                raise Stumbled(f"{block.place}: there is no {path}")
        for path in block.no_files:
            if Path(self.here(path)).exists():
                raise Stumbled(f"{block.place}: there still is {path}")

    def _append(self, block: Block) -> None:
        with Path(self.here(block.argument)).open("a") as file:
            file.write(self.here(block.code))

    def _is_logged(self, block: Block) -> None:
        wanted = json.loads(block.code)
        for line in self.log.read_text().splitlines():
            with suppress(ValueError):
                logged = json.loads(line)
                if logged["event"] == wanted["event"] and set(wanted) <= set(logged):
                    return
        raise Stumbled(f"{block.place}: no such line was logged")

    def _actions(self) -> Mapping[str, Callable[[Block], Awaitable[None]]]:
        return {
            "start the unit": self._start,
            "stop the unit": self._stop,
            "restart the unit": self._restart,
            "reload the unit": self._reload,
            "start haproxy": self._start_haproxy,
            "scrape": self._scrape,
        }

    async def _start(self, block: Block) -> None:
        """As systemd would: the command of the unit, with the variables of its file."""
        command, environ = await asyncio.to_thread(self._unit_file)
        with self.log.open("ab") as log:
            self._unit = await asyncio.create_subprocess_exec(
                *command,
                env={**self._shell(), **environ},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as http:
            while True:
                if self._unit.returncode is not None:
                    raise Stumbled(f"{block.place}: the service has ended:\n{self._last_lines()}")
                with suppress(aiohttp.ClientError):
                    async with http.get(f"{self.operations_url}/readyz") as answer:
                        # Without workers there is no word of them.
                        workers = (await answer.json())["checks"].get("workers", {"ok": True})
                        if answer.status == 200 and workers["ok"]:
                            return
                await asyncio.sleep(0.1)

    async def _stop(self, block: Block) -> None:
        unit, self._unit = self._unit, None
        if unit is None or unit.returncode is not None:
            raise Stumbled(f"{block.place}: the service does not run:\n{self._last_lines()}")
        unit.terminate()
        async with asyncio.timeout(PATIENCE):
            status = await unit.wait()
        if status:
            raise Stumbled(f"{block.place}: the service ended with {status}:\n{self._last_lines()}")

    async def _restart(self, block: Block) -> None:
        await self._stop(block)
        await self._start(block)

    async def _reload(self, block: Block) -> None:
        if self._unit is None:
            raise Stumbled(f"{block.place}: the service does not run")
        before = self._reloads()
        self._unit.send_signal(signal.SIGHUP)
        async with asyncio.timeout(PATIENCE):
            while self._reloads() <= before:
                if "worker_not_replaced" in self._last_lines():
                    raise Stumbled(f"{block.place}: the workers were not replaced:\n{self._last_lines()}")
                await asyncio.sleep(0.1)

    async def _start_haproxy(self, block: Block) -> None:
        shown = Path(self.here("/etc/haproxy/haproxy.cfg"))
        runs = self.host / "haproxy.cfg"
        await asyncio.to_thread(lambda: runs.write_text(for_a_test(shown.read_text())))
        await self._stack.enter_async_context(haproxy(runs, self.haproxy_port))
        async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as http:
            # Until its checks have found the sidecar, which alone refuses who has no token.
            while True:
                async with http.get(f"http://127.0.0.1:{self.haproxy_port}/v2/conferences") as answer:
                    if answer.status == 401:
                        return
                await asyncio.sleep(0.1)

    async def _scrape(self, block: Block) -> None:
        async with aiohttp.ClientSession() as http:
            for job in yaml.safe_load(self.here(block.code))["scrape_configs"]:
                for target in (one for group in job["static_configs"] for one in group["targets"]):
                    async with http.get(f"http://{target}/metrics") as answer:
                        if answer.status != 200 or "crossbar_conferences_" not in await answer.text():
                            raise Stumbled(f"{block.place}: {target} has no metrics")

    def _shell(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CROSSBAR_CONFERENCES_", "KAZOO_", "PIP_", "PYTHON", "VIRTUAL_ENV"))
        }
        # Another Python than this one would not find what pip finds installed here.
        python = Path(getattr(sys, "_base_executable", sys.executable)).parent
        path = f"{self.host}/usr/local/bin:{python}:{os.environ['PATH']}:/usr/sbin"
        # pip asks nobody: what our package needs is there, as it is in this environment.
        pip = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_BUILD_ISOLATION": "0"}
        pip["PIP_NO_COMPILE"] = "1"
        return {**kept, **pip, **self.environ, "PATH": path, "PYTHONPATH": str(self.host / "dependencies")}

    def _unit_file(self) -> tuple[list[str], dict[str, str]]:
        text = Path(self.here("/etc/systemd/system/crossbar-conferences.service")).read_text()
        values = dict(re.findall(r"(?m)^(ExecStart|EnvironmentFile)=(.*)$", text))
        file = Path(self.here(values["EnvironmentFile"])).read_text()
        return shlex.split(self.here(values["ExecStart"])), dict(re.findall(r"(?m)^([A-Z_]+)=(.*)$", file))

    def _prepare(self) -> None:
        for folder in (
            "etc/default",
            "etc/systemd/system",
            "etc/haproxy",
            "etc/kazoo/core",
            "opt",
            "usr/local/bin",
        ):
            (self.host / folder).mkdir(parents=True)
        (self.host / "variables").touch()
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        ).stdout
        for name in filter(None, listed.split("\0")):
            # Neither is part of what is installed.
            if (ROOT / name).is_file() and not name.startswith(("tests/", "fixtures/")):
                (self.checkout / name).parent.mkdir(parents=True, exist_ok=True)
                (self.checkout / name).write_bytes((ROOT / name).read_bytes())
        # The addresses that the page says to change.
        excerpt = self.checkout / "deploy" / "haproxy-excerpt.cfg"
        excerpt.write_text(self.here(excerpt.read_text()))
        dependencies = self.host / "dependencies"
        dependencies.mkdir()
        for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
            if not re.match(r"crossbar_conferences|__editable__|pip\b|pip-", entry.name):
                (dependencies / entry.name).symlink_to(entry)

    def _reloads(self) -> int:
        return len(re.findall(r'"event": ?"reloaded"', self.log.read_text()))

    def _last_lines(self) -> str:
        return self.log.read_text()[-20_000:] if self.log.exists() else ""
