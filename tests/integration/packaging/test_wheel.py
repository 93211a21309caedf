"""What is built can be installed anywhere: the wheel holds every module, schema and view."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LOAD = """
import json, crossbar_conferences
from crossbar_conferences import resources
print(json.dumps({
    "package": crossbar_conferences.__file__,
    "schema": resources.schema("conferences"),
    "schemas": sorted(resources.schema_names()),
    "views": sorted(resources.design_document("account")["views"]),
}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the files that git knows, as a release would be."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)],
        check=True,
        capture_output=True,
        timeout=100,
    )
    return next(folder.glob("*.whl"))


def test_holds_every_file(wheel: Path) -> None:
    """No module, schema, view or type marker of the checkout is missing in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "crossbar_conferences").rglob("*.py")}
    data = {
        f"crossbar_conferences/{path.relative_to(ROOT)}"
        for folder in ("schemas", "couchdb_views")
        for path in (ROOT / folder).glob("*.json")
    }
    assert data
    assert modules | data | {"crossbar_conferences/py.typed"} <= packed
    assert not any(name.startswith(("tests/", "scripts/")) for name in packed)


def test_works_outside_the_repository(wheel: Path, tmp_path: Path) -> None:
    """In a fresh environment elsewhere it finds its own schemas and views and has its command."""
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    installing = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps"]
    subprocess.run([*installing, str(wheel)], check=True, capture_output=True, timeout=100)
    # The dependencies are those of this environment: what is under test is our own wheel.
    ours = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    (ours / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    told = subprocess.run(
        [str(python), "-c", LOAD], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60
    )
    loaded = json.loads(told.stdout)
    assert loaded["package"].startswith(str(tmp_path))
    assert loaded["schema"]["type"] == "object"
    assert loaded["schemas"] == sorted(path.stem for path in (ROOT / "schemas").glob("*.json"))
    assert {"by_id", "by_number", "by_name", "by_owner"} <= set(loaded["views"])
    command = tmp_path / "venv" / "bin" / "crossbar-conferences"
    shown = subprocess.run(
        [str(command), "--version"], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60
    )
    assert shown.stdout == "crossbar-conferences, version 0.1.0\n"
