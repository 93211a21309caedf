"""The three spellings of a database, and ids that are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.store import names

ACCOUNT = "a1b2c3d4e5f60718293a4b5c6d7e8f90"
REAL = "account/a1/b2/c3d4e5f60718293a4b5c6d7e8f90"
ENCODED = "account%2Fa1%2Fb2%2Fc3d4e5f60718293a4b5c6d7e8f90"


def test_spells_an_account_database() -> None:
    """The raw id, the real name and Kazoo's encoded one lead to each other."""
    assert names.account_database(ACCOUNT) == REAL
    assert names.encoded(REAL) == ENCODED
    for spelling in (ACCOUNT, REAL, ENCODED, ENCODED.replace("%2F", "%2f")):
        assert names.real(spelling) == REAL
        assert names.account_id_of(spelling) == ACCOUNT


@pytest.mark.parametrize(
    "name", ["accounts", "system_config", f"{REAL}-202501", f"{ENCODED}-202501", "", REAL[:-1]]
)
def test_other_databases_belong_to_no_account(name: str) -> None:
    """Shared and monthly databases keep their names and are nobody's."""
    assert names.account_id_of(name) is None
    assert "%2F" not in names.real(name)


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        "",
        "a" * 31,
        "a" * 33,
        f"{ACCOUNT}\n",
        "../" + "a" * 29,
        "a" * 31 + "/",
        "ä" * 32,
        "%2F" + "a" * 29,
    ],
)
def test_refuses_what_is_no_account_id(text: object) -> None:
    """Whatever could lead elsewhere in a path is no account id, and has no database."""
    assert not names.is_account_id(text)
    with pytest.raises(ValueError, match="32"):
        names.account_database(text)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["a1b2", "conf-1", "a.b", "id with blank", "Überraschung", "x" * 256])
def test_accepts_document_ids(text: str) -> None:
    """An id is any printable text that leads nowhere else."""
    assert names.is_document_id(text)


@pytest.mark.parametrize(
    "text",
    [None, 1, "", "_design/x", "_all_docs", "a/b", ".", "..", "a\nb", "a\x00", "\ud800", "x" * 257, "\u202e"],
)
def test_refuses_hostile_document_ids(text: object) -> None:
    """Design documents, slashes, control characters and overlong ids are refused."""
    assert not names.is_document_id(text)


@given(st.text(max_size=300))
def test_an_accepted_id_is_addressable(text: str) -> None:
    """Whatever is accepted as a document's id is a document for the adapters too."""
    if names.is_document_id(text):
        assert names.is_addressable(text)
