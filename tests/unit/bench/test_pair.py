"""Two checkouts side by side: what the row says of their turns."""

from __future__ import annotations

from bench.pair import Turn, cells


def test_ratios_are_of_neighbours() -> None:
    """A machine that becomes slower in the middle moves both rates, and the ratios not at all."""
    other = [Turn(1_000, 0.0002, 0), Turn(500, 0.0004, 0), Turn(250, 0.0008, 0)]
    this = [Turn(900, 0.00022, 0), Turn(450, 0.00044, 0), Turn(225, 0.00088, 0)]
    assert cells("lock", other, this) == ["lock", "500", "450", "0.90", "0.400", "0.440", "1.10"]


def test_a_side_that_did_nothing() -> None:
    """What was never answered has no ratio."""
    assert cells("lock", [Turn(0.0, 0.0, 3)], [Turn(10.0, 0.1, 0)]) == [
        "lock",
        "0",
        "10",
        "-",
        "0.000",
        "100.000",
        "-",
    ]
