"""Files of ``deploy/`` that no program here reads: settings of the service, the unit, Prometheus' rules."""

from __future__ import annotations

import configparser
import re
import shlex
from pathlib import Path

import pytest
import yaml

from crossbar_conferences import settings as room
from crossbar_conferences.metrics import BUILD_INFO, METRICS, PREFIX
from crossbar_conferences.settings import SETTINGS, unknown_variables
from crossbar_conferences.workers.front import SUPERVISOR_METRICS
from crossbar_conferences.workers.supervisor import FAREWELL
from scripts import tables

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DEFAULTS = sorted((DEPLOY / "default").iterdir())
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")])
VERSION = configparser.ConfigParser()
VERSION.read(ROOT / "setup.cfg")


def _variables(path: Path, *, all_of_them: bool = False) -> dict[str, str]:
    """As systemd reads the file; ``all_of_them``: those that are commented out too."""
    sign = "#?" if all_of_them else ""
    return dict(re.findall(rf"(?m)^{sign}(CROSSBAR_\w+)=(.*)$", path.read_text()))


@pytest.mark.parametrize("path", DEFAULTS, ids=lambda path: path.name)
def test_settings_of_the_service_are_settings(path: Path) -> None:
    """Each variable is one of a setting, and its value is one that the setting takes."""
    for variables in (_variables(path), _variables(path, all_of_them=True)):
        assert unknown_variables(variables) == []
        loaded = room.load({}, variables, hostname="apps1.example.com", candidates=())
        assert loaded.workers == 2
        assert loaded.drain_seconds > 0
        assert loaded.origins["workers"] == "CROSSBAR_CONFERENCES_WORKERS"
    # A shell reads the file too, to show what the service runs with.
    assert all(shlex.split(value) == [value] for value in variables.values())


def test_the_profile_for_a_kazoo_host_takes_none_of_kazoos_ports() -> None:
    """Not one of those that docs/ports.md lists as Kazoo's. The defaults do: so there is a profile."""
    page = (ROOT / "docs" / "ports.md").read_text()
    section = page[page.index("## Which ports does Kazoo use") : page.index("## What do I open")]
    rows = re.findall(r"(?m)^\| ([\d, to]+) \|", section)
    taken: set[int] = set()
    for part in re.split(r", ", ", ".join(rows)):
        first, _, last = part.partition(" to ")
        taken |= set(range(int(first), int(last or first) + 1))
    assert {8000, 5555, 9100, 5672, 5984} <= taken
    variables = _variables(DEPLOY / "default" / "on-a-kazoo-host")
    loaded = room.load({}, variables, hostname="apps1.example.com", candidates=())
    ports = {loaded.http_port, loaded.websocket_port, loaded.operations_port}
    assert len(ports) == 3 and not ports & taken
    for port in ports:
        # Below those that a host takes by itself for connections.
        assert str(port) in page and 1_024 < port < 32_768
    plain = room.load({}, {}, hostname="apps1.example.com", candidates=())
    assert {plain.http_port, plain.websocket_port, plain.operations_port} <= taken


def _unit() -> dict[str, list[str]]:
    text = (DEPLOY / "systemd" / "crossbar-conferences.service").read_text()
    unit: dict[str, list[str]] = {}
    for key, value in re.findall(r"(?m)^(\w+)=(.*)$", text):
        unit.setdefault(key, []).append(value)
    return unit


def test_the_unit_sets_nothing_that_a_setting_can_set() -> None:
    """No flags, which would beat variables and config.ini unseen; the variables' file must be there."""
    unit = _unit()
    assert [shlex.split(line)[1:] for line in unit["ExecStart"]] == [["serve"]]
    assert unit["EnvironmentFile"] == ["/etc/default/crossbar-conferences"]
    assert [line for line in unit["Environment"] if "CROSSBAR" in line] == []


@pytest.mark.parametrize("path", DEFAULTS, ids=lambda path: path.name)
def test_the_unit_waits_for_the_end(path: Path) -> None:
    """Longer than the program takes to drain, to finish its requests and to leave."""
    (shutdown,) = [row.default for row in SETTINGS if row.name == "shutdown_timeout_seconds"]
    drain = float(_variables(path)["CROSSBAR_CONFERENCES_DRAIN_SECONDS"])
    assert float(_unit()["TimeoutStopSec"][0]) > drain + shutdown + FAREWELL


def _kinds() -> dict[str, str]:
    """Every series of ours, with what kind of metric it is."""
    kinds = {
        f"{PREFIX}{metric.name}{'_total' if metric.kind == 'counter' else ''}": metric.kind
        for metric in (*METRICS, *SUPERVISOR_METRICS, BUILD_INFO)
    }
    for name, _ in tables.HISTOGRAMS:
        kinds |= {f"{PREFIX}{name}_{part}": "counter" for part in ("bucket", "count", "sum")}
    return kinds


def test_rules_are_rules() -> None:
    """The file has the form that ``promtool check rules`` asks for."""
    document = yaml.safe_load((DEPLOY / "prometheus-rules.yml").read_text())
    assert set(document) == {"groups"}
    for group in document["groups"]:
        assert set(group) == {"name", "rules"} and group["rules"]
        for rule in group["rules"]:
            assert set(rule) - {"for"} == {"alert", "expr", "labels", "annotations"}, rule
            assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", rule["alert"])
            assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
            assert rule["labels"]["severity"] in ("critical", "warning", "info")
            assert set(rule["annotations"]) == {"summary", "action"}
            assert all(isinstance(text, str) and text for text in rule["annotations"].values())
            assert rule["expr"].count("(") == rule["expr"].count(")")
            # A comparison, or it would always be raised.
            assert re.search(r" (==|>|<) ", rule["expr"]), rule["expr"]
    names = [rule["alert"] for rule in tables.rules()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("rule", tables.rules(), ids=lambda rule: rule["alert"])
def test_rules_look_at_what_is_measured(rule: dict[str, str]) -> None:
    """Each metric exists; those that only rise are looked at by their rise, the others as they are."""
    expression, kinds = rule["expr"], _kinds()
    named = re.findall(r"(?:(\w+)\()?(crossbar_conferences_\w+)(?!\")", expression)
    named = [(function, name) for function, name in named if name != "crossbar_conferences"]
    assert named or 'up{job="crossbar_conferences"}' in expression
    for function, name in named:
        assert name in kinds, name
        assert (function in ("rate", "increase")) == (kinds[name] == "counter"), (function, name)


def test_no_page_installs_by_a_name_that_anybody_could_take() -> None:
    """pip gets a path, never the bare name: nobody owns it on PyPI."""
    for page in PAGES:
        for line in re.findall(r"(?m)^\s*(?:\S*/)?pip install .*$", page.read_text()):
            for word in shlex.split(line, comments=True):
                assert not re.fullmatch(r"crossbar[-_]conferences(\[\w+\])?([=<>~].*)?", word), (page, line)


def test_pages_name_the_wheel_that_is_built() -> None:
    """Its file has the version in its name."""
    named = {
        name for page in PAGES for name in re.findall(r"crossbar_conferences-[\w.]+?-py3", page.read_text())
    }
    assert named == {f"crossbar_conferences-{VERSION['metadata']['version']}-py3"}


def test_sizes_and_ports_name_the_defaults() -> None:
    """A default that changes changes the page."""
    plain = room.load({}, {}, hostname="apps1.example.com", candidates=())
    ports, sizes = ((ROOT / "docs" / f"{name}.md").read_text() for name in ("ports", "sizing"))
    for port, name in (
        (plain.http_port, "http_port"),
        (plain.websocket_port, "websocket_port"),
        (plain.operations_port, "operations_port"),
    ):
        assert re.search(rf"(?m)^\| {port} \| .*`{name}`", ports)
    assert f"`store_connections` ({plain.store_connections})" in ports
    assert f"`store_connections`, {plain.store_connections} for each worker" in sizes
