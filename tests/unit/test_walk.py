"""The marks of the operators' pages, and that a walk stumbles over what does not hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.walk import DOCS, PAGES, Block, blocks, in_order
from tests.support.walker import Stumbled, Walker

FENCE = "```"


def _page(mark: str, code: str = "true") -> str:
    return f"Text.\n\n<!-- walk: {mark} -->\n\n{FENCE}sh\n{code}\n{FENCE}\n"


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_marked(page: str) -> None:
    """No block of an operators' page is there without a word on what must hold after it."""
    for block in blocks(page, (DOCS / f"{page}.md").read_text()):
        assert block.code.strip()
        # Whoever does not run a command says why, and a program of the system is never run.
        assert block.kind != "not run" or len(block.argument) > 10
        if block.kind == "run":
            assert not any(word in block.code for word in ("systemctl", "journalctl", "apt-get", "nginx"))


def test_most_of_what_can_be_run_is() -> None:
    """The walk has commands to type, services to start, and an end."""
    kinds = [block.kind for block in in_order()]
    assert kinds.count("run") > 15
    assert {block.instead for block in in_order()} >= {"start the unit", "reload the unit", "start haproxy"}
    assert in_order()[-1].last and not in_order()[0].last


def test_conditions_are_read() -> None:
    """Each is what it says; texts may hold quotes and semicolons."""
    mark = r'run; status 0 or 1; prints "a; \"b\""; prints no "c"; file /etc/x; no file /opt/y; at the end'
    (block,) = blocks("page", _page(mark))
    assert (block.place, block.kind, block.statuses, block.last) == ("page.md:5", "run", (0, 1), True)
    assert (block.prints, block.prints_no) == (('a; "b"',), ("c",))
    assert (block.files, block.no_files) == (("/etc/x",), ("/opt/y",))
    (block,) = blocks("page", _page("not run, systemd is not there; instead stop the unit"))
    assert (block.kind, block.argument, block.instead) == ("not run", "systemd is not there", "stop the unit")
    (block,) = blocks("page", _page("append /etc/x"))
    assert (block.kind, block.argument) == ("append", "/etc/x")


@pytest.mark.parametrize(
    "mark",
    ["ran", "run; prints x", "run; status one", "not run", "append", "run; instead dance", "run; file x"],
)
def test_a_mark_that_says_nothing_is_refused(mark: str) -> None:
    """A slip in a mark must not switch a check off."""
    with pytest.raises(ValueError, match=r"page\.md:5"):
        list(blocks("page", _page(mark)))


def test_a_block_without_a_mark_is_refused() -> None:
    """A mark counts for the block right behind it only."""
    with pytest.raises(ValueError, match="no mark"):
        list(blocks("page", f"{FENCE}sh\ntrue\n{FENCE}\n"))
    with pytest.raises(ValueError, match="no mark"):
        list(blocks("page", _page("run") + f"\n{FENCE}sh\ntrue\n{FENCE}\n"))


@pytest.fixture
def walker(tmp_path: Path) -> Walker:
    """A host without anything on it."""
    (tmp_path / "checkout").mkdir()
    (tmp_path / "variables").touch()
    return Walker(
        tmp_path, {"10.0.0.21:8000": "127.0.0.1:1", "10.0.0.21": "127.0.0.1"}, {}, "http://127.0.0.1:1"
    )


async def _walk(walker: Walker, mark: str, code: str = "true") -> None:
    (block,) = blocks("page", _page(mark, code))
    await walker.walk(block)


async def test_what_holds_is_passed(walker: Walker) -> None:
    """Commands run in the walk's own folders, with its addresses, and a token outlives its block."""
    await _walk(walker, 'run; prints "127.0.0.1:1 127.0.0.1 "', "echo 10.0.0.21:8000 10.0.0.21 /etc/x")
    await _walk(walker, "run; file /etc/x; no file /etc/y", "mkdir /etc/; touch /etc/x")
    await _walk(walker, "run; status 3", "exit 3")
    await _walk(walker, "run", "TOKEN=abc OTHER=def true; TOKEN=abc")
    await _walk(walker, 'run; prints "abc"; prints no "def"', 'echo "$TOKEN" "$OTHER"')
    await _walk(walker, "append /etc/x", "a = 10.0.0.21")
    assert (walker.host / "etc/x").read_text() == "a = 127.0.0.1\n"


@pytest.mark.parametrize(
    ("mark", "code"),
    [
        ("run", "false"),
        ("run", "false; true"),
        ("run", "false | true"),
        ("run", "no-such-program"),
        ("run; status 1", "true"),
        ('run; prints "x"', "echo y"),
        ('run; prints no "y"', "echo y"),
        ("run; file /etc/x", "true"),
        ("run; no file /etc/x", "mkdir /etc/; touch /etc/x"),
        ("a line of the log", '{"event": "request", "status": 200}'),
        ("not run, systemd is not there; instead stop the unit", "true"),
    ],
)
async def test_what_does_not_hold_is_stumbled_over(walker: Walker, mark: str, code: str) -> None:
    """A command that fails, and an outcome that is another one, end the walk with page and line."""
    walker.log.write_text('{"event":"request"}\nno JSON\n')
    with pytest.raises(Stumbled, match=r"page\.md:5"):
        await _walk(walker, mark, code)


def test_a_block_is_what_its_page_shows() -> None:
    """Blocks in lists lose the indentation of the list."""
    text = f"1. One\n\n   <!-- walk: run -->\n\n   {FENCE}sh\n   true\n     false\n   {FENCE}\n"
    assert next(blocks("page", text)) == Block("page.md:5", "true\n  false\n", "run")
