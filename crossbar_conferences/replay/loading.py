"""Finds cases in what a user names: fixture files, folders of them, folders of recordings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .deviations import apply_deviations, load_deviations
from .fixture import load_fixture
from .model import Case, CaseInvalid
from .recording import is_recording, load_recordings

#: Named beside recordings: the cases in which our answer is not the recorded one.
DEVIATIONS_FILE = "deviations.yaml"


#: The variant that the deviations are about.
MODEL_VARIANT = "new"


def load_cases(
    paths: Iterable[Path], variant: str = MODEL_VARIANT, deviations: Path | None = None
) -> list[Case]:
    """Every case under these paths, in a steady order. Raises `CaseInvalid`.

    ``deviations`` names the file that says where our answers differ from recorded ones; without
    it, ``deviations.yaml`` in or above the folder of recordings, or in ``fixtures``, is taken."""
    cases: list[Case] = []
    for path in paths:
        cases += _load(path, variant, deviations)
    seen: dict[tuple[str, str], str] = {}
    for case in cases:
        key = (case.id, case.variant)
        if key in seen:
            raise CaseInvalid(f"{case.source}: {case.id} is already in {seen[key]}")
        seen[key] = case.source
    return cases


def _load(path: Path, variant: str, deviations: Path | None) -> list[Case]:
    if path.is_file():
        return [load_fixture(path)]
    if not path.is_dir():
        raise CaseInvalid(f"{path}: there is no such file or folder")
    if is_recording(path):
        file = deviations or (_deviations_near(path) if variant == MODEL_VARIANT else None)
        recorded = load_recordings(path, variant)
        return apply_deviations(recorded, load_deviations(file)) if file else recorded
    cases: list[Case] = []
    for entry in sorted(path.iterdir()):
        if entry.is_dir():
            cases += _load(entry, variant, deviations)
        elif entry.suffix == ".yaml" and entry.name != DEVIATIONS_FILE:
            cases.append(load_fixture(entry))
    return cases


def _deviations_near(folder: Path) -> Path | None:
    for place in (folder, folder.parent, Path("fixtures")):
        file = place / DEVIATIONS_FILE
        if file.is_file():
            return file
    return None
