"""Reading request bodies (``api/body.py``)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbar_conferences.api.body import BodyLimits, check_query, normalize_key, read_body, read_query
from crossbar_conferences.api.errors import ApiError

JSON = "application/json; charset=utf-8"


def error_data(raw: bytes, content_type: str | None = JSON) -> object:
    with pytest.raises(ApiError) as caught:
        read_body(raw, content_type)
    assert caught.value.entry.status == 400
    return caught.value.data


def test_an_empty_body_is_an_empty_envelope() -> None:
    """Without a body, data is an empty object and nothing is refused."""
    for content_type in (None, JSON, "application/x-json"):
        body = read_body(b"", content_type)
        assert (body.data, body.envelope) == ({}, {})


def test_the_envelope_keys_are_normalised_and_those_of_data_are_not() -> None:
    """Kazoo lowers the envelope's keys and leaves the document's alone (http.md 2.1)."""
    body = read_body(b'{"Auth-Token":"t","data":{"Deep-Key":1}}', JSON)
    assert body.envelope["auth_token"] == "t"
    assert body.data == {"Deep-Key": 1}


@pytest.mark.parametrize(
    ("raw", "data"),
    [
        (b'{"data":{', {"json": {"invalid": {"message": "decoder_exit around 0", "target": "body"}}}),
        (b"[]", {"json": {"invalid": {"message": "All JSON must be valid", "target": "body"}}}),
        (b'"x"', {"json": {"invalid": {"message": "All JSON must be valid", "target": "body"}}}),
        (b"{}", {"data": {"required": {"message": "Field is required but missing", "value": {}}}}),
        (
            b'{"action":"lock","data":null}',
            {"data": {"required": {"message": "Field is required but missing", "value": {"action": "lock"}}}},
        ),
    ],
)
def test_bad_bodies_have_their_recorded_errors(raw: bytes, data: object) -> None:
    """Every kind of broken envelope answers the error object that Kazoo was recorded with."""
    assert error_data(raw) == data


def test_data_of_a_wrong_type_is_named() -> None:
    """Data must be an object or an array."""
    assert error_data(b'{"data":"x"}') == {
        "data": {
            "type": {
                "message": "Value did not match type(s): object, array",
                "target": "object, array",
                "value": "x",
            }
        }
    }
    assert read_body(b'{"data":[]}', JSON).data == []


def test_curls_default_type_is_read_as_json_when_it_can_be() -> None:
    """JSON labelled as a form works unless it holds ``=`` or ``&`` (http.md 1.8)."""
    form = "application/x-www-form-urlencoded"
    assert read_body(b'{"data":{"name":"x"}}', form).data == {"name": "x"}
    data = error_data(b'{"data":{"link":"https://x/?a=b"}}', form)
    assert isinstance(data, dict) and "required" in data["data"]


def test_an_unknown_type_is_a_file() -> None:
    """A body of any other type is kept out of the envelope."""
    body = read_body(b"lock", "text/plain")
    assert (body.kind, body.data) == ("file", {})


def test_deep_nesting_is_refused() -> None:
    """JSON nested deeper than the limit is answered like broken JSON."""
    deep = b'{"data":' + b'{"a":' * BodyLimits().depth + b"1" + b"}" * BodyLimits().depth + b"}"
    assert error_data(deep) == {"json": {"invalid": {"message": "decoder_exit around 0", "target": "body"}}}
    # The envelope itself is one of them.
    inside = BodyLimits().depth - 1
    assert read_body(b'{"data":' + b'{"a":' * inside + b"1" + b"}" * inside + b"}", JSON).data


@pytest.mark.parametrize("raw", [b'{"data":{"a":[1,2,3,4]}}', b'{"data":{"a":{},"b":{},"c":[],"d":"x,y"}}'])
def test_too_many_values_are_refused(raw: bytes) -> None:
    """Values are counted before anything is made of them, and signs inside a text do not count."""
    with pytest.raises(ApiError):
        read_body(raw, JSON, BodyLimits(values=5))
    assert read_body(raw, JSON, BodyLimits(values=8))
    with pytest.raises(ApiError, match="rule"):
        read_body(b"a&b&c&d&e&f&g", "application/x-www-form-urlencoded", BodyLimits(values=5))
    with pytest.raises(ApiError) as escapes:
        read_body(b"data=" + b"%41" * 51, "application/x-www-form-urlencoded", BodyLimits(values=5))
    assert escapes.value.data["json"]["invalid"]["message"] == "too many escapes"
    with pytest.raises(ApiError) as text:
        read_body(b"data=" + b"%41" * 50, "application/x-www-form-urlencoded", BodyLimits(values=5))
    assert "json" not in text.value.data
    commas = b'{"data":{"a":"%s","b":"\\"[[[[[["}}' % (b"," * 100)
    assert read_body(commas, JSON, BodyLimits(values=3)).data["a"] == "," * 100


def test_huge_integers_stay_exact() -> None:
    """Integers beyond 64 bits are not turned into floats."""
    assert read_body(b'{"data":{"n":1000000000000000000000000000000}}', JSON).data == {"n": 10**30}


@pytest.mark.parametrize("raw", [b'{"data":{"a":NaN,"n":%d}}', b'{"data":{"n":%d},"x":' + b"[" * 5000])
def test_what_is_no_json_is_refused_beside_a_huge_integer(raw: bytes) -> None:
    """The decoder for huge integers refuses what the fast one does."""
    bad_json = {"json": {"invalid": {"message": "decoder_exit around 0", "target": "body"}}}
    assert error_data(raw % 10**30) == bad_json


def test_queries_are_flat() -> None:
    """A key without a value is true, the first of several wins, nonsense is kept."""
    assert read_query("a=1&b&a=2&=x&%zz=%zz&c=a%20b+c") == {"a": "1", "b": True, "%zz": "%zz", "c": "a b c"}


def test_keys_are_compared_in_lower_case() -> None:
    """Dashes become underscores."""
    assert normalize_key("Accept-Charges") == "accept_charges"


@given(
    st.binary(max_size=200),
    st.sampled_from([None, JSON, "application/x-www-form-urlencoded", "x/y", "multipart/a"]),
)
def test_no_body_raises_anything_but_an_api_error(raw: bytes, content_type: str | None) -> None:
    """Whatever bytes come, they are an envelope or a 400."""
    try:
        read_body(raw, content_type)
    except ApiError as error:
        assert error.entry.status == 400


@pytest.mark.parametrize("text", ["&=", "=x", "a=%zz", "%", "a=1&b=%4"])
def test_a_broken_query_string_is_the_clients_mistake(text: str) -> None:
    """A value without a name and a broken escape are a validation error, where Kazoo answers 500."""
    with pytest.raises(ApiError) as caught:
        check_query(text)
    assert caught.value.data["query"]["invalid"]["message"] == "broken query string"


@pytest.mark.parametrize("text", ["", "&&", "a", "a=", "a=%20&b=1+1", "filter_name==x"])
def test_an_odd_query_string_is_read(text: str) -> None:
    """What can be read is no mistake."""
    check_query(text)
