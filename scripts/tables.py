"""The tables of docs/commands.md, configure.md and operations.md, from the code, and that of alarms.md, from
the rules file: ``scripts/tables.py``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from crossbar_conferences.conference.actions_table import ACTIONS, BOTH, ActionFact  # noqa: E402
from crossbar_conferences.metrics import BUILD_INFO, METRICS, PREFIX  # noqa: E402
from crossbar_conferences.procfs import PROCESS_METRICS  # noqa: E402
from crossbar_conferences.settings import SETTINGS, Setting  # noqa: E402
from crossbar_conferences.settings.values import show  # noqa: E402
from crossbar_conferences.workers.front import SUPERVISOR_METRICS  # noqa: E402

BEGIN, END = "<!-- generated: python scripts/tables.py -->", "<!-- end of what is generated -->"

#: The histograms, which no table of the code lists.
HISTOGRAMS = (
    ("request_seconds", "HTTP requests, by `route`, `verb` and `status`"),
    ("store_seconds", "Requests to CouchDB, by `operation`"),
)


#: Whose the numbers of a process are.
_EACH = "each worker, the supervisor"


def settings_table() -> str:
    """Every setting, in the order of the code."""
    rows = ((f"`{row.name}`", _default(row), _allowed(row), row.help) for row in SETTINGS)
    return _table(("setting", "default", "allowed", "what it is"), rows)


def metrics_table() -> str:
    """Every metric, those of each worker and the supervisor's own."""
    counted = [(metric, "each worker") for metric in METRICS]
    rows = [(metric.name, metric.kind, metric.help, whose) for metric, whose in counted]
    rows += [(name, "histogram", text, "each worker") for name, text in HISTOGRAMS]
    rows += [(metric.name, metric.kind, metric.help, "the supervisor") for metric in SUPERVISOR_METRICS]
    rows.append((BUILD_INFO.name, BUILD_INFO.kind, BUILD_INFO.help, _EACH))
    rows = [(PREFIX + name, kind, text, whose) for name, kind, text, whose in rows]
    rows += [(metric.name, metric.kind, metric.help, _EACH) for metric in PROCESS_METRICS]
    shown = (
        (f"`{name}{'_total' if kind == 'counter' else ''}`", kind, text, whose)
        for name, kind, text, whose in rows
    )
    return _table(("metric", "kind", "what it counts", "of"), shown)


def actions_table() -> str:
    """Every action: who carries it out, what proves it, and how that is known."""
    return _table(("action", "core", "event that proves it", "known"), map(_action_row, ACTIONS))


def _action_row(fact: ActionFact) -> tuple[str, ...]:
    events = ", ".join(f"`{event}`" for event in fact.events)
    proof = (f"{events}, {fact.where}" if events and fact.where else events or fact.where) or "none"
    return (
        f"`{fact.name}`" + (f" with `{fact.form}`" if fact.form else ""),
        "both" if fact.cores == BOTH else ", ".join(fact.cores) or "none: 501 `not_supported`",
        proof,
        fact.known,
    )


def rules() -> list[dict[str, Any]]:
    """The alarms of ``deploy/prometheus-rules.yml``."""
    groups = yaml.safe_load((ROOT / "deploy" / "prometheus-rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alarms_table() -> str:
    """Every alarm: its condition, for how long that must hold, what it means and what to do."""
    return _table(("alarm", "severity", "condition", "for", "means", "do"), map(_alarm_row, rules()))


def _alarm_row(rule: dict[str, Any]) -> tuple[str, ...]:
    said = rule["annotations"]
    severity, lasting = rule["labels"]["severity"], str(rule.get("for", "at once"))
    return (f"`{rule['alert']}`", severity, f"`{rule['expr']}`", lasting, said["summary"], said["action"])


def with_table(text: str, table: str) -> str:
    """A page with its table as it should be. Raises `ValueError` when the page has no place for it."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{table}\n{END}{after}"


#: Page -> what makes its table.
TABLES: dict[Path, Callable[[], str]] = {
    ROOT / "docs" / "alarms.md": alarms_table,
    ROOT / "docs" / "commands.md": actions_table,
    ROOT / "docs" / "configure.md": settings_table,
    ROOT / "docs" / "operations.md": metrics_table,
}


def _default(row: Setting) -> str:
    shown = show(row, row.default)
    return f"`{shown}`" if shown else "none"


def _allowed(row: Setting) -> str:
    if row.choices:
        return ", ".join(f"`{choice}`" for choice in row.choices)
    if row.minimum is not None and row.maximum is not None:
        return f"{row.minimum:g} to {row.maximum:,.15g}"
    return row.kind.replace("_", " ")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def main() -> None:
    """Write the tables anew."""
    for page, make in TABLES.items():
        page.write_text(with_table(page.read_text(), make()))


if __name__ == "__main__":
    main()
