"""Values made of documents: kept while nothing they were made of can have changed."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from crossbar_conferences.store.derived import UNHEARD, Derived


class Told:
    """`Changes` that a test tells of."""

    def __init__(self) -> None:
        self.heard = 0
        self.generation = 0
        self.is_heard = True
        self.watched: set[str] = set()

    def watch(self, databases: Iterable[str]) -> None:
        self.watched.update(databases)

    def tell(self, database: str) -> None:
        """A document of a database has changed."""
        self.heard += 1
        if database in self.watched:
            self.generation += 1
            self.watched.clear()


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def derived(told: Told, time: Time) -> Derived[str, int]:
    return Derived(told, time, limit=3, keep=10.0)


def test_a_value_is_kept(derived: Derived[str, int], told: Told) -> None:
    """What was kept is there; other keys are not; changes elsewhere touch nothing."""
    derived.keep("a", 1, told.heard, ("here",))
    told.tell("elsewhere")
    assert (derived.get("a"), derived.get("b")) == (1, None)


def test_a_change_ends_all_that_is_kept(derived: Derived[str, int], told: Told) -> None:
    """Any document of a watched database: the values are gone, and new ones are watched anew."""
    derived.keep("a", 1, told.heard, ("here",))
    told.tell("here")
    assert derived.get("a") is None
    derived.keep("a", 2, told.heard, ("here",))
    told.tell("here")
    assert (derived.get("a"), len(derived)) == (None, 0)


def test_a_change_while_it_was_made(derived: Derived[str, int], told: Told) -> None:
    """Of whatever database, since nobody knew yet which ones would be read: it is not kept."""
    heard = told.heard
    told.tell("here")
    derived.keep("a", 1, heard, ("here",))
    assert derived.get("a") is None


def test_what_another_table_watches_ends_this_one_too(told: Told, time: Time) -> None:
    """Values rest on each other's databases: one generation for all tables of one source of changes."""
    one: Derived[str, int] = Derived(told, time, limit=3)
    other: Derived[str, int] = Derived(told, time, limit=3)
    one.keep("a", 1, told.heard, ("here",))
    other.keep("b", 2, told.heard, ("there",))
    told.tell("here")
    assert (one.get("a"), other.get("b")) == (None, None)


def test_nothing_is_kept_while_nobody_tells(told: Told, derived: Derived[str, int]) -> None:
    """Without a feed of changes a value could be wrong for as long as it is kept."""
    told.is_heard = False
    derived.keep("a", 1, told.heard, ("here",))
    assert derived.get("a") is None
    unheard: Derived[str, int] = Derived(UNHEARD, Time(), limit=3)
    unheard.keep("a", 1, UNHEARD.heard, ("here",))
    assert unheard.get("a") is None


def test_age_and_number_are_bounded(derived: Derived[str, int], told: Told, time: Time) -> None:
    """A message may be lost: after its time a value is made again; one too many pushes the oldest out."""
    for number, key in enumerate("abcd"):
        derived.keep(key, number, told.heard, ("here",))
    assert [derived.get(key) for key in "abcd"] == [None, 1, 2, 3]
    time.now += 10.0
    assert derived.get("d") is None
