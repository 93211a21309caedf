"""Time zones by name, and what is told of them (``calendars/zones.py``, ``tzif.py``, ``vtimezone.py``)."""

from __future__ import annotations

import struct
import zoneinfo
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from crossbar_conferences.calendars import tzif, zones
from crossbar_conferences.calendars.vtimezone import vtimezone
from crossbar_conferences.calendars.zones import Zone

BERLIN = (resources.files("tzdata") / "zoneinfo/Europe/Berlin").read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        *(
            "localtime",
            "posixrules",
            "Factory",
            "right/UTC",
            "posix/Europe/Berlin",
            "leapseconds",
            "zone.tab",
        ),
        *(
            "",
            ".",
            "..",
            "../etc/passwd",
            "/etc/localtime",
            "Europe",
            "Europe/",
            "europe/berlin",
            "Mars/Base",
        ),
        *(
            "Europe/Berlin\0",
            " Europe/Berlin",
            "Europe/../Europe/Berlin",
            "EUROPE/BERLIN",
            "+02:00",
            "x" * 10**6,
        ),
    ],
)
def test_what_is_no_zone(name: str) -> None:
    """Only names of the tz database's own table, and Windows', whatever files lie beside them."""
    with pytest.raises(zones.UnknownZone):
        zones.zone(name)


def test_windows_names_are_cldrs() -> None:
    """Each name that Windows has for a zone leads into the table, and goes out as the tz database's."""
    assert {zones.zone(name).name for name in WINDOWS_TO_OLSON} <= zones.names()
    assert zones.zone("W. Europe Standard Time").name == "Europe/Berlin"


def test_aliases_of_utc_are_utc() -> None:
    """They need no description."""
    found = {name for name in zones.names() if zones.zone(name).is_utc}
    assert {"UTC", "Etc/UTC", "Zulu", "Etc/Universal"} <= found
    assert not found & {"GMT", "Africa/Abidjan", "Europe/London"}


def _offset(zone: Zone, at: int) -> int:
    """The offset at an instant, by what is told to readers."""
    changes = list(zone.changes)
    if zone.ruled_from is not None and zone.ruled_from <= at:
        year = datetime.fromtimestamp(at, UTC).year
        changes += [
            change
            for switching in zone.switchings
            for change in (switching.change(each) for each in (year - 1, year, year + 1))
            if change.at >= zone.ruled_from
        ]
    before = [change for change in changes if change.at <= at]
    return max(before, key=lambda change: change.at).after.offset if before else zone.first.offset


@given(st.sampled_from(sorted(zones.names())), st.integers(0, 2**32 + 10**9))
def test_offsets_are_those_of_zoneinfo(name: str, at: int) -> None:
    """In every zone, at any instant from 1970 to 2137."""
    zone = zones.zone(name)
    right = datetime.fromtimestamp(at, zoneinfo.ZoneInfo(name)).utcoffset()
    assert timedelta(seconds=_offset(zone, at)) == right == datetime.fromtimestamp(at, zone.info).utcoffset()


@pytest.mark.parametrize("file", [None, b"", b"no zone", BERLIN[:44], BERLIN.replace(b"TZif2", b"TZif\0", 1)])
def test_the_packages_files_are_read_where_the_machine_has_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: bytes | None
) -> None:
    """None at all, one that is broken, and one of the version before rules."""
    if file is not None:
        (tmp_path / "Europe").mkdir()
        (tmp_path / "Europe/Berlin").write_bytes(file)
    monkeypatch.setattr(zoneinfo, "TZPATH", (str(tmp_path), "/nowhere"))
    assert zones._zone.__wrapped__("Europe/Berlin").ruled_from == zones.zone("Europe/Berlin").ruled_from


def test_the_machines_files_come_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As with zoneinfo: they are kept new by the machine's updates."""
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe/Berlin").write_bytes(_compiled("NEW-5"))
    monkeypatch.setattr(zoneinfo, "TZPATH", (str(tmp_path),))
    assert zones._zone.__wrapped__("Europe/Berlin").first.name == "STD"


@given(st.binary(max_size=300) | st.integers(0, len(BERLIN) - 20).map(lambda end: BERLIN[:end]))
def test_files_that_are_none(data: bytes) -> None:
    """Cut off, or of another kind: an error of the value, never another one."""
    with pytest.raises(ValueError):
        tzif.read(data)


def _compiled(rules: str) -> bytes:
    """A tz file with one local time and rules."""
    blocks = [
        struct.pack(">4s1s15x6I", b"TZif", b"2", 0, 0, 0, 0, 1, 4)
        + struct.pack(">i?B", 0, False, 0)
        + b"STD\0"
        for _ in range(2)
    ]
    return b"".join(blocks) + f"\n{rules}\n".encode()


def test_rules_that_no_calendar_says() -> None:
    """Where a day of a rule is not the same in all years, each change is told by itself."""
    assert zones.made("Nowhere/Near", _compiled("STD0DST,60,J300")).ruled_from is None
    zone = zones.made("Nowhere/Near", _compiled("STD0DST,M2.5.0,M10.5.0"))
    assert (zone.switchings, zone.ruled_from) == ((), None)
    for at in range(10**9, 4 * 10**9, 10**7):
        told = timedelta(seconds=_offset(zone, at))
        assert told == datetime.fromtimestamp(at, zone.info).utcoffset()


@pytest.mark.parametrize("rules", ["", "STD0", "STD0DST,J60,J300/0"])
def test_other_rules(rules: str) -> None:
    """None, of one local time, and of days by their number."""
    zone = zones.made("Nowhere/Near", _compiled(rules))
    assert len(zone.switchings) == (2 if "," in rules else 0)
    told = vtimezone(zone, datetime(2026, 7, 1, tzinfo=zone.info), None).to_ical().decode()
    assert told.count("RRULE") == len(zone.switchings)


def _told(name: str, start: str, days: int | None = 1) -> list[str]:
    zone = zones.zone(name)
    begin = datetime.fromisoformat(start).replace(tzinfo=zone.info)
    end = None if days is None else begin + timedelta(days=days)
    return vtimezone(zone, begin, end).to_ical().decode().splitlines()


def test_the_rules_stand_once_each_with_their_onsets() -> None:
    """Onsets are by the clock before the change (RFC 5545 3.6.5), and no dates are listed."""
    told = _told("Europe/Berlin", "2026-07-01T09:30:00")
    assert [line for line in told if line.startswith(("DTSTART", "RRULE", "RDATE"))] == [
        "DTSTART:19960331T020000",
        "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3",
        "DTSTART:19961027T030000",
        "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10",
    ]


def test_summer_is_the_later_clock() -> None:
    """Also where the law calls winter the exception."""
    told = _told("Europe/Dublin", "2026-07-01T09:30:00")
    assert told[told.index("BEGIN:DAYLIGHT") :].index("TZNAME:IST") == 3


def test_what_follows_no_rule_is_told_as_far_as_the_meeting_reaches() -> None:
    """One day needs one local time, a year the changes of Ramadan, and what never ends all that is known."""
    counts = [
        sum(line.startswith("DTSTART") for line in _told("Africa/Casablanca", "2026-07-01T09:30:00", days))
        for days in (1, 365, None)
    ]
    assert counts[:2] == [1, 3] and counts[2] > 100


def test_a_meeting_before_the_present_rules() -> None:
    """What held then stands before them."""
    told = _told("America/New_York", "2006-03-20T09:30:00", 14)
    assert "DTSTART:20051030T020000" in told and "DTSTART:20060402T020000" in told
    assert not any("RRULE" in line for line in told)
