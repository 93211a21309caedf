"""Every kind of text that a message to the media side may carry, each an allow list.

ecallmgr glues the texts of a command or dial into one line for FreeSWITCH: ``conference <id> say
'<text>'``, ``<name='value',…>[^^!name=value!…]sofia/…``. On that line quotes protect nothing: mod_kazoo
expands ``${…}`` and ``$${…}`` in it, functions included; ``!`` begins another variable inside quotes too;
``]``, ``>`` and ``}`` end the block, and what is behind them is dialled; ``|`` and ``,`` begin another
leg, and so does ``:_:``. So nothing is escaped: a text either has only the signs that its type lists, or
it does not leave. Letters, digits and marks of other scripts mean nothing on the line and are free.

`Text.fits` says whether a text is of a type, `Text.must` what one has to look like, for an error. What
each header of each message must be is in ``gate``. Source: real-switch.md D.3; amqp.md 5.3, 7.5.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Final

#: Longest text to be spoken, in characters.
MAXIMUM_SPOKEN: Final = 1000
#: Longest caller id, name or number, in characters.
MAXIMUM_CALLER: Final = 128

#: Stands for both quotes in names and spoken text: it reads the same and ends nothing.
_HARMLESS_QUOTE: Final = "\N{RIGHT SINGLE QUOTATION MARK}"
_QUOTES: Final = str.maketrans({"'": _HARMLESS_QUOTE, '"': _HARMLESS_QUOTE})

#: Begins another dial, wherever it stands.
_NEXT_DIAL: Final = ":_:"

#: First letters of the Unicode categories that are free beyond ASCII: letters, marks, numbers.
_LETTERS: Final = "LMN"
#: The same with punctuation and symbols, which read as such and mean nothing to the switch.
_PRINTED: Final = "LMNPS"


class TextRefused(ValueError):
    """The text is not of the type that its place asks for; the message says why, without quoting it."""


@dataclass(frozen=True, slots=True)
class Text:
    """A type of text.

    ``signs``: the ASCII signs that may stand beside letters and digits. ``beyond``: which Unicode
    categories may stand beyond ASCII, none by default. ``form``: a pattern that the whole text must also
    match. ``maximum``: characters.
    """

    name: str
    signs: str
    maximum: int
    beyond: str = ""
    form: str | None = None
    must: str = field(init=False)
    _sign: re.Pattern[str] = field(init=False, repr=False)
    _form: re.Pattern[str] = field(init=False, repr=False)
    _plain: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        listed = self.signs.replace(" ", "")
        blanks = ", blanks" if " " in self.signs else ""
        must = f"must be {self.name}: letters, digits{blanks} and {listed}, up to {self.maximum} characters"
        sign, form = f"[A-Za-z0-9{re.escape(self.signs)}]", self.form or ".*"
        made = {
            "must": must,
            "_sign": re.compile(sign),
            "_form": re.compile(form),
            # Nearly every text is short and ASCII, and this is all that is asked of it.
            "_plain": re.compile(rf"(?={form}\Z){sign}*" if self.form else f"{sign}*"),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)

    def fits(self, text: object) -> bool:
        """Whether a value is a text of this type. One pass over the text, its length first."""
        if not isinstance(text, str) or len(text) > self.maximum or _NEXT_DIAL in text or "$$" in text:
            return False
        if self._plain.fullmatch(text):
            return True
        return (
            bool(self.beyond)
            and not text.isascii()
            and self._form.fullmatch(text) is not None
            and all(map(self._may_stand, text))
        )

    def checked(self, text: str) -> str:
        """The text itself; raises `TextRefused` when it is not of this type."""
        if not self.fits(text):
            raise TextRefused(self.must)
        return text

    def kept(self, text: str) -> str:
        """What is left of a text without everything that may not stand here, cut to the maximum."""
        left = "".join(filter(self._may_stand, text[: 4 * self.maximum]))[: self.maximum]
        # Every round makes it shorter.
        while _NEXT_DIAL in left or "$$" in left:
            left = left.replace(_NEXT_DIAL, "::").replace("$$", "$")
        return left

    def _may_stand(self, character: str) -> bool:
        if character.isascii():
            return self._sign.fullmatch(character) is not None
        return unicodedata.category(character)[0] in self.beyond


# What may stand in a dial according to real-switch.md D.3, less the comma, which begins another leg
# where ecallmgr does not quote; and less the blank, which ends an argument there.
_WORD: Final = "._-+@:;/=%*#~()&?"
#: An address is what FreeSWITCH reads a slash in as the end of an endpoint's kind (``loopback/…``).
_ADDRESS: Final = _WORD.replace("/", "")

#: Ids of accounts, documents and conferences.
IDENTIFIER: Final = Text("an id", "._-+@:~=", 128, _PRINTED, form=r".+")
#: A file that a conference is recorded to: account and conference.
RECORDING: Final = Text("a recording's name", IDENTIFIER.signs, 320, _PRINTED)
#: Names of nodes and queues, ids of messages.
MARK: Final = Text("one word", _WORD, 255)
#: A language, a voice, a key, the name of a method.
WORD: Final = Text("one word", "_.:-", 64, form=".+")
PROFILE_NAME: Final = Text("a profile's name", "._-+@:~=", 128, _LETTERS)
#: Not a wildcard of routing keys: ends of calls are heard by their ids.
CALL_ID: Final = Text("a call id", _WORD, 255, form=r"(?![*#]\Z).*")
#: A number that is dialled: it stands bare in ``loopback/<number>/<context>``.
DIALLED_NUMBER: Final = Text("a number", _ADDRESS, 128)
#: A number that is shown, bare at the end of a dial.
NUMBER: Final = Text("a number", _WORD, MAXIMUM_CALLER, _LETTERS)
#: A number that is shown, between quotes in a leg.
SHOWN_NUMBER: Final = Text("a number", _WORD + " ", MAXIMUM_CALLER, _LETTERS)
CALLER_NAME: Final = Text("a name", "._-+@:;/=%*#,~()&?$ ", MAXIMUM_CALLER, _PRINTED)
# An address can carry headers, and those that Kazoo takes for channel variables are none of a caller's.
_NO_VARIABLES: Final = r"(?!.*[?&](?:(?i:x-ecallmgr)|[^=&?]*%))"
#: The user part of a SIP address, with or without a host.
SIP_USER: Final = Text("a SIP user", _ADDRESS, 255, _LETTERS, form=rf"{_NO_VARIABLES}.*")
#: A document and its account, for ecallmgr to look up.
ENDPOINT_URI: Final = Text("an id at an account", IDENTIFIER.signs, 260, _PRINTED)
HOST: Final = Text("a host's name", "._-:", 255, _LETTERS)
#: A host with port and parameters, as ``10.1.1.1:5060;transport=tcp`` or ``sip:proxy.example.com``.
SIP_HOST: Final = Text("a SIP host", "._-+@:;=%~*", 255, form=r"(?:sips?:)?[A-Za-z0-9].*")
#: FreeSWITCH's interface; a gateway would be another way out than the one that Kazoo chose.
SIP_INTERFACE: Final = Text(
    "an interface's name", "._-/", 64, form=r"(?:sofia/)?(?!(?i:gateway)(?:/|$))[A-Za-z0-9_.-]*/?"
)
#: An address in a channel variable or a presence id.
SIP_URI: Final = Text("a SIP address", _WORD, 512, _LETTERS)
# ``loopback/…`` and ``sofia/…`` at the beginning, ``sip:`` taken off, are endpoints of their own kind: no
# slash before the first parameter. The quoted path is the one that Kazoo writes for push itself.
_ROUTE_FORM: Final = (
    rf"{_NO_VARIABLES}(?:sips?:)?[^/;?']*(?:[;?][^']*)?(?:;fs_path='[A-Za-z0-9._+@:;=%~*-]*')?"
)
ROUTE: Final = Text("a SIP address", _WORD + "'", 1024, _LETTERS, form=_ROUTE_FORM)
# A leg that comes back to Kazoo takes its channel variables from these headers.
HEADER_NAME: Final = Text("a header's name", "_.-", 128, form=r"(?!(?i:x-ecallmgr)).+")
HEADER_VALUE: Final = Text("a header's value", _WORD + " ", 2048, _LETTERS)
RING_TONE: Final = Text("a ring tone", _WORD + " ", 256, _LETTERS)
VARIABLE_NAME: Final = Text("a variable's name", "._-+@:/~*#%()&?", 128, _LETTERS, form=r".+")
VARIABLE_VALUE: Final = Text("a variable's value", _WORD + ", ", 8192, _PRINTED)
#: ecallmgr puts a colon between codecs, so that a lone ``_`` would begin another dial.
CODEC: Final = Text("a codec", "._-@", 64, form=r"[A-Za-z0-9].*")
#: Causes of a hangup.
CAUSES: Final = Text("causes of a hangup", "_,", 255)
FLAG: Final = Text("a flag", _WORD + " ", 255, _LETTERS)
# A document's path, or one of the schemes that may be played; a tone stream's script may lie in a file.
_MEDIA_FORM: Final = (
    r"/?[^/:]+/[^/:]+|prompt://.+|tone_stream://(?!(?i:path)).+|silence_stream://.+|https?://.+"
)
#: What stands between quotes as the path of something to play.
MEDIA: Final = Text("a media id or address", _WORD + ",", 2048, _LETTERS, form=f"(?:{_MEDIA_FORM})")
#: Music on hold, which ecallmgr does not quote: as a document names it, and as it leaves.
HOLD_MEDIA_ID: Final = Text("a media id or address", _WORD, 2048, _LETTERS)
HOLD_MEDIA: Final = Text("a media id or address", _WORD, 2048, _LETTERS, form=f"(?:{_MEDIA_FORM})")
#: What is spoken. A dollar sign alone, also in a name, is a currency: two of them or one before a brace
#: are expanded, and no type has either.
SPOKEN: Final = Text("plain text", "._-+@:;/=%*#,~()&?![]$ ", MAXIMUM_SPOKEN, _PRINTED, form=r".*\S.*")
#: A level, a duration, a number of members.
FIGURE: Final = Text("a figure", "-", 12, form=r"-?[0-9]+")


def has_control_characters(text: str) -> bool:
    """Whether a text has a control, line-separating or half a character."""
    return any(unicodedata.category(character) in ("Cc", "Zl", "Zp", "Cs") for character in text)


def spoken(text: str) -> str:
    """The text to be spoken with its quotes made harmless; raises `TextRefused`."""
    return SPOKEN.checked(text.strip(" ").translate(_QUOTES))


def caller_name(name: str) -> str:
    """A caller's name for between the quotes of a dial.

    Quotes are made harmless and what may not stand there is left out, since the name of a stored
    conference or user must not keep it from dialling; ecallmgr leaves out more (real-switch.md D.3).
    """
    return CALLER_NAME.kept(name[: 4 * MAXIMUM_CALLER].translate(_QUOTES)).strip()
