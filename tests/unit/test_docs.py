"""The pages for people: nothing they point to is missing, and the code they show runs."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "fixtures/README.md", *ROOT.glob("docs/*.md")]
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```", re.DOTALL)
(SHOWN,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/regression-tests.md").read_text(), re.DOTALL)


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    """A link to a file that is not there, or to a heading that is not there, fails."""
    broken = []
    for target in LINK.findall(CODE.sub("", page.read_text())):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (heading and heading not in _anchors(file)):
            broken.append(target)
    assert broken == []


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", CODE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_page_is_in_the_index() -> None:
    """Who starts at the index finds every page."""
    index = (ROOT / "docs/index.md").read_text()
    linked = {target.partition("#")[0] for target in LINK.findall(index)}
    assert {page.name for page in ROOT.glob("docs/*.md")} - {"index.md"} <= linked


def test_the_service_in_a_test_runs_as_shown() -> None:
    """The Python of the page about regression tests starts a service, and stops it."""
    seen: dict[str, Any] = {"seen": []}
    assert "...  #" in SHOWN
    exec(SHOWN.replace("...  #", "seen.append((service.base_url, service.ws_url, tokens['boss'])) #"), seen)
    asyncio.run(seen["served"]())
    assert len(seen["seen"]) == 1
