"""What may stand behind ``tone_stream://`` and ``silence_stream://``.

FreeSWITCH makes a stream's sound before it plays it: a repeat or duration without bound takes all its
memory, a negative one never ends; ``path=`` opens a file of the switch. Source: mod_tone_stream and
libteletone of FreeSWITCH 1.10, read; real-switch.md D.3.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

#: Longest sound that a stream may be made of, in milliseconds; ``loops=`` plays it again as it is.
MAXIMUM_MADE_MS: Final = 120_000
_MAXIMUM_TEXT: Final = 512
#: FreeSWITCH's own bound of frequencies in one tone.
_MAXIMUM_FREQUENCIES: Final = 18

# A volume for what follows, a repeat of the next tone (l) or of everything (L), or tones:
# milliseconds of sound, of silence, frequencies in hertz.
_COMMAND: Final = re.compile(r"v=[+-]?[0-9]{1,3}(?:\.[0-9]{1,3})?|[lL]=[0-9]{1,4}|(?:%\([0-9.,]{1,200}\))+")
_TONE: Final = re.compile(r"%\(([0-9]{1,6}),([0-9]{1,6})((?:,[0-9]{1,5}(?:\.[0-9]{1,3})?)+)\)")
_LOOPS: Final = re.compile(r"loops=-?[0-9]{1,6}")
_SILENCE: Final = re.compile(r"(?:-1|[0-9]{1,7})(?:,[0-9]{1,6})?")


def is_tones(text: str) -> bool:
    """Whether a text is a script of tones of bounded length: ``v=-7;l=2;%(300,100,440,880);loops=2``."""
    if len(text) > _MAXIMUM_TEXT:
        return False
    commands = text.split(";")
    if _LOOPS.fullmatch(commands[-1]):
        commands.pop()
    made = tones = 0
    repeat = everything = 1
    for command in commands:
        if not _COMMAND.fullmatch(command):
            return False
        if command[0] in "lL":
            count = max(int(command[2:]), 1)
            repeat, everything = (
                (count, everything) if command[0] == "l" else (repeat, max(everything, count))
            )
        elif command[0] == "%":
            found = _TONE.findall(command)
            if len(found) != command.count("%"):
                return False
            for on, off, frequencies in found:
                if frequencies.count(",") > _MAXIMUM_FREQUENCIES:
                    return False
                # Even a tone of no length is work.
                made += (int(on) + int(off) + 1) * repeat
                repeat = 1
                tones += 1
    return tones > 0 and made * everything <= MAXIMUM_MADE_MS


def is_silence(text: str) -> bool:
    """Whether a text is a length in milliseconds (``-1``: for ever), and maybe how much noise is in it."""
    return _SILENCE.fullmatch(text) is not None


def made_ms(tones: list[Mapping[str, Any]]) -> int:
    """How much sound the tones of an action make, in milliseconds."""
    return sum((tone["duration_on"] + tone["duration_off"] + 1) * tone.get("repeat", 1) for tone in tones)
