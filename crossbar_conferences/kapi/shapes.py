"""Shapes: what a field of an outgoing message may be.

A shape is a function that raises `Refused` for a value that is not of it; the ones here make trees of
them. Which field has which shape is in ``gate``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from . import texts
from .messages import MessageInvalid
from .texts import Text

#: Raises `Refused` for a value that is not of this shape.
Shape = Callable[[Any], None]

#: Deeper values are refused; so are lists and objects with more members.
_MAXIMUM_DEPTH: Final = 16
_MAXIMUM_MEMBERS: Final = 10_000
#: So much of a name is shown in an error.
_SHOWN: Final = 64


class Refused(MessageInvalid):
    """A field may not leave. ``path``: the way to it from the message or leg; ``why``: what it must be."""

    def __init__(self, why: str, path: tuple[str, ...] = ()) -> None:
        super().__init__(f"{'.'.join(path)} {why}" if path else why)
        self.path = path
        self.why = why


def text(kind: Text, *, repeats: bool = False) -> Shape:
    """A text of this type. ``repeats``: it is nearly always the one that it was before, as our own name
    is, which need not be looked at again."""
    fits, must = kind.fits, kind.must
    last = object()

    def check(value: Any) -> None:
        if not fits(value):
            raise Refused(must)

    def check_new(value: Any) -> None:
        nonlocal last
        # A text never changes, so the very same one still fits.
        if value is not last:
            check(value)
            last = value

    return check_new if repeats else check


def one_of(*allowed: str) -> Shape:
    """One of these texts."""
    listed = frozenset(allowed)

    def check(value: Any) -> None:
        if not isinstance(value, str) or value not in listed:
            raise Refused(f"must be one of {', '.join(allowed)}")

    return check


def flag(value: Any) -> None:
    """Yes or no, also written as text."""
    if value is not True and value is not False and value not in ("true", "false"):
        raise Refused("must be true or false")


def whole(value: Any) -> None:
    """A whole number."""
    if type(value) is not int:
        raise Refused("must be a whole number")


def figure(value: Any) -> None:
    """A number, also written as text."""
    if type(value) is not int and not texts.FIGURE.fits(value):
        raise Refused(texts.FIGURE.must)


def text_or_number(kind: Text) -> Shape:
    """A text of this type, a number, yes or no."""

    def check(value: Any) -> None:
        if not isinstance(value, bool | int | float) and not kind.fits(value):
            raise Refused(kind.must)

    return check


def list_of(item: Shape) -> Shape:
    """A list of nothing but this."""

    def check(value: Any) -> None:
        if not isinstance(value, list | tuple) or len(value) > _MAXIMUM_MEMBERS:
            raise Refused("must be a list")
        place = 0
        try:
            for member in value:
                item(member)
                place += 1
        except Refused as refused:
            raise Refused(refused.why, (str(place), *refused.path)) from None

    return check


def fields(shapes: Mapping[str, Shape], others: Text | None = None, of: Shape | None = None) -> Shape:
    """An object with these keys, and with keys of type ``others`` whose values are ``of`` that shape.

    Without ``others`` with no other keys. What is null is not there.
    """
    get = shapes.get

    def check(value: Any) -> None:
        # It nearly always is a dict, and to ask for one is cheaper.
        if not isinstance(value, dict) and not isinstance(value, Mapping):
            raise Refused("must be an object")
        if len(value) > _MAXIMUM_MEMBERS:
            raise Refused("is too large")
        key: Any = None
        try:
            for key, member in value.items():
                shape = get(key)
                if shape is None:
                    if others is None or of is None:
                        raise Refused("has no type")
                    if not others.fits(key):
                        raise Refused(f"has a name that {others.must}")
                    shape = of
                if member is not None:
                    shape(member)
        except Refused as refused:
            raise Refused(refused.why, (str(key)[:_SHOWN], *refused.path)) from None

    return check


def variable(value: Any) -> None:
    """What a variable may hold: a text, a number, yes, no, or an object of such.

    A list is none: ecallmgr reads numbers in a list as the characters of a text.
    """
    _variable(value, _MAXIMUM_DEPTH, may_list=False)


def data(value: Any) -> None:
    """Any JSON whose texts are harmless: what travels in a message but is written into no command."""
    _variable(value, _MAXIMUM_DEPTH, may_list=True)


def harmless_part(value: Any) -> Any:
    """What of a JSON value passes `data`: members that do not are left out, at any depth."""
    return _harmless(value, _MAXIMUM_DEPTH)


def _harmless(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping) and depth:
        return {
            key: _harmless(member, depth - 1)
            for key, member in value.items()
            if texts.VARIABLE_NAME.fits(key) and _is_harmless(member)
        }
    if isinstance(value, list | tuple) and depth:
        return [_harmless(member, depth - 1) for member in value if _is_harmless(member)]
    return None if isinstance(value, Mapping | list | tuple) or not _is_harmless(value) else value


def _is_harmless(value: Any) -> bool:
    return not isinstance(value, str) or texts.VARIABLE_VALUE.fits(value)


def _variable(value: Any, depth: int, *, may_list: bool) -> None:
    if isinstance(value, str):
        if not texts.VARIABLE_VALUE.fits(value):
            raise Refused(texts.VARIABLE_VALUE.must)
    elif isinstance(value, Mapping):
        if not depth or len(value) > _MAXIMUM_MEMBERS:
            raise Refused("is too deep or too large")
        for key, member in value.items():
            if not texts.VARIABLE_NAME.fits(key):
                raise Refused(f"has a name that {texts.VARIABLE_NAME.must}", (str(key)[:_SHOWN],))
            try:
                _variable(member, depth - 1, may_list=may_list)
            except Refused as refused:
                raise Refused(refused.why, (key, *refused.path)) from None
    elif isinstance(value, list | tuple):
        if not may_list or not depth or len(value) > _MAXIMUM_MEMBERS:
            raise Refused("must be a text, a number, true, false or an object of such")
        for member in value:
            _variable(member, depth - 1, may_list=may_list)
    elif value is not None and not isinstance(value, bool | int | float):
        raise Refused("must be JSON")
