"""Pages and files for operators: complete, and true to the code."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from crossbar_conferences.cli import main
from crossbar_conferences.cli.main import COMMANDS
from crossbar_conferences.metrics import METRICS
from crossbar_conferences.settings import SETTINGS
from scripts import tables

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")])
BLOCKS = re.compile(r"^ *```sh\n(.*?)^ *```", re.MULTILINE | re.DOTALL)

#: What an operator's shell has, beside our own command.
PROGRAMS = {
    ".",
    "cat",
    "cp",
    "curl",
    "haproxy",
    "journalctl",
    "ln",
    "make",
    "mkdir",
    "nginx",
    "pip",
    "promtool",
    "python",
    "python3",
    "rabbitmqctl",
    "rm",
    "set",
    "systemctl",
    "update-ca-certificates",
    "systemd-run",
}
OURS = "crossbar-conferences"
OPERATORS_PAGES = (
    "alarms",
    "configure",
    "drop-in",
    "glossary",
    "install",
    "log-events",
    "operations",
    "ports",
    "rotate-credentials",
    "security",
    "sizing",
    "support",
    "tls",
    "troubleshooting",
    "upgrade",
    "versions",
)

#: Turns of speech that slow down who reads in a second language. Instead: a noun of the field, and a verb.
RIDDLES = (
    "in hand",
    "does without",
    "whoever",
    "whomever",
    "whosoever",
    "says no",
    "say no;",
    "what is so",
    "who wants",
    "that we go",
    "in vain",
    "that were none",
    "that was none",
    "is told as",
    "are followed at once",
    "is followed at once",
)


def _commands(page: Path) -> list[list[str]]:
    """The commands in a page's shell blocks, as words; variables set before one are left out."""
    lines: list[str] = []
    for block in BLOCKS.findall(page.read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(re.sub(r"^\s*[A-Z_]+=\$\((.*)\)$", r"\1", line), comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            if words:
                lines.append(shlex.join(words))
    return [shlex.split(line) for line in lines]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_on_pages_exist(page: Path) -> None:
    """Every command in a shell block is a known program; ours have the flags that are shown."""
    for words in _commands(page):
        program = words[0].rpartition("/")[2]
        if program != OURS:
            assert program in PROGRAMS, f"{page.name}: {' '.join(words)}"
            continue
        if words[1].startswith("-"):
            continue
        assert words[1] in COMMANDS, f"{page.name}: {' '.join(words)}"
        _check_flags(page.name, words[1:])


def _check_flags(page: str, words: list[str]) -> None:
    context = click.Context(main)
    command = main.get_command(context, words[0])
    rest = words[1:]
    while isinstance(command, click.Group) and rest:
        command, rest = command.get_command(context, rest[0]), rest[1:]
    assert command is not None, f"{page}: {' '.join(words)}"
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    flags = {word.partition("=")[0] for word in rest if word.startswith("--")}
    assert flags <= known | {"--help"}, f"{page}: {' '.join(words)}"


@pytest.mark.parametrize("page", tables.TABLES, ids=lambda page: page.name)
def test_tables_are_those_of_the_code(page: Path) -> None:
    """Every setting and every metric is documented; `python scripts/tables.py` writes the tables anew."""
    text = page.read_text()
    assert text == tables.with_table(text, tables.TABLES[page]()), "run: python scripts/tables.py"


def test_a_page_without_a_place_is_said_to_have_none() -> None:
    """The table's marks must not get lost."""
    with pytest.raises(ValueError, match="no <!-- generated"):
        tables.with_table("# Page", "")


@pytest.mark.parametrize("name", OPERATORS_PAGES)
def test_one_question_a_heading(name: str) -> None:
    """An operator finds an answer by its question."""
    headings = re.findall(r"^## (.*)$", (ROOT / "docs" / f"{name}.md").read_text(), re.MULTILINE)
    assert headings
    assert [heading for heading in headings if not heading.endswith("?")] == []


def test_metrics_on_the_dashboard_exist() -> None:
    """No panel shows what nobody measures, and each has a title, a place and a query."""
    dashboard = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text())
    known = set(re.findall(r"`(crossbar_conferences_\w+)`", tables.metrics_table()))
    known |= {f"{name}_{part}" for name in list(known) for part in ("bucket", "count", "sum")}
    shown: set[str] = set()
    for panel in dashboard["panels"]:
        assert panel["title"] and panel["targets"] and panel["gridPos"]
        for target in panel["targets"]:
            shown |= set(re.findall(r"crossbar_conferences_\w+", target["expr"]))
    assert shown <= known, shown - known
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_metrics_named_in_prose_exist() -> None:
    """A page that tells what to watch names things that are there."""
    known = set(re.findall(r"`(crossbar_conferences_\w+)`", tables.metrics_table()))
    known |= {f"{name}_count" for name in list(known)}
    for page in PAGES:
        prose = page.read_text().partition(tables.BEGIN)[0]
        named = set(re.findall(r"`(crossbar_conferences_[a-z_]+)`", prose))
        assert named <= known, f"{page.name}: {named - known}"


def _unit() -> dict[str, list[str]]:
    lines = (ROOT / "deploy/systemd/crossbar-conferences.service").read_text().splitlines()
    pairs = [line.partition("=") for line in lines if "=" in line and not line.startswith("#")]
    unit: dict[str, list[str]] = {}
    for key, _, value in pairs:
        unit.setdefault(key, []).append(value)
    return unit


def test_the_unit_is_hardened() -> None:
    """It may write nothing, become nobody else, and load no code that was written while it ran."""
    unit = _unit()
    for name in (
        "DynamicUser",
        "NoNewPrivileges",
        "PrivateTmp",
        "PrivateDevices",
        "MemoryDenyWriteExecute",
        "RestrictSUIDSGID",
    ):
        assert unit[name] == ["yes"], name
    assert unit["ProtectSystem"] == ["strict"]
    assert unit["CapabilityBoundingSet"] == [""]
    assert unit["KillMode"] == ["mixed"]


def _riddles(text: str) -> list[str]:
    return [riddle for riddle in RIDDLES if riddle in " ".join(text.lower().split())]


@pytest.mark.parametrize("name", [*OPERATORS_PAGES, "index", "limits", "reliability", "../README"])
def test_pages_speak_plainly(name: str) -> None:
    """No turn of speech that an operator called a riddle."""
    assert _riddles((ROOT / "docs" / f"{name}.md").read_text()) == []


def test_settings_and_metrics_speak_plainly() -> None:
    """Their help texts are what the pages' tables are made of."""
    texts = [row.help for row in SETTINGS] + [metric.help for metric in METRICS]
    assert [text for text in texts if _riddles(text)] == []
