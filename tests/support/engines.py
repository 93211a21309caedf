"""Calendars as others read them: each engine says at which instants a file's meeting begins.

Engines that know the tz database themselves would not look at what our file says of a zone, so a file may
be given to them under a name for the zone that nobody knows.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import icalendar
import recurring_ical_events
import vobject
from dateutil import rrule, tz

from scripts.installing import ensure_icaljs

_ICAL_JS = """
const ICAL = require('ical.js');
const read = ({text, count}) => {
  const calendar = new ICAL.Component(ICAL.parse(text));
  ICAL.TimezoneService.reset();
  calendar.getAllSubcomponents('vtimezone').forEach(zone => ICAL.TimezoneService.register(zone));
  const event = new ICAL.Event(calendar.getFirstSubcomponent('vevent'));
  const instants = [], iterator = event.iterator();
  for (let next; instants.length < count && (next = iterator.next());)
    instants.push(next.toJSDate().getTime() / 1000);
  return instants;
};
const asked = JSON.parse(require('fs').readFileSync(0, 'utf8'));
console.log(JSON.stringify(asked.map(read)));
"""


def nowhere(text: str) -> str:
    """The file with its zone under a name that no engine knows: another one for each file, since some
    remember in their process what they read of a zone first."""
    plain = text.replace("\r\n ", "")
    return re.sub(r"TZID([:=])[^:\r]+", rf"TZID\1Nowhere/N{hashlib.sha256(text.encode()).hexdigest()}", plain)


def ical_js(texts: Sequence[str], count: int) -> list[list[datetime]]:
    """By ical.js, the engine of Thunderbird and Nextcloud. Many files at once, for Node.js starts slowly."""
    asked = json.dumps([{"text": nowhere(text), "count": count} for text in texts])
    # The machine's own zone must not matter: one that nobody meets in.
    environment = {**os.environ, "NODE_PATH": str(ensure_icaljs()), "TZ": "Pacific/Kiritimati"}
    said = subprocess.run(
        ["node", "-e", _ICAL_JS],
        input=asked,
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
        env=environment,
    )
    return [[datetime.fromtimestamp(at, UTC) for at in found] for found in json.loads(said.stdout)]


def by_vobject(texts: Sequence[str], count: int) -> list[list[datetime]]:
    """By vobject, the engine of many CalDAV tools. It takes a zone from the file, unless that is UTC all the
    year as far as it can tell: then by its name, so the name stays."""
    return [_vobject(text, count) for text in texts]


def _vobject(text: str, count: int) -> list[datetime]:
    with warnings.catch_warnings():
        # Its own use of what newer Pythons warn of.
        warnings.simplefilter("ignore")
        known = getattr(vobject.icalendar, "__tzidMap")
        known.clear()
        vobject.icalendar.registerTzid("UTC", UTC)
        event = vobject.readOne(text).vevent
        start = event.dtstart.value
        # It gives its rules times without a zone, and the zone to what comes of them.
        rules = event.getrruleset(addRDate=True) if "rrule" in event.contents else [start]
        found = list(islice(rules, count))
    return [_instant(each, start.tzinfo) for each in found]


def by_recurring_ical_events(texts: Sequence[str], count: int) -> list[list[datetime]]:
    """By recurring-ical-events, which reads zones with icalendar."""
    read = []
    for text in texts:
        calendar = icalendar.Calendar.from_ical(nowhere(text))
        start = calendar.walk("VEVENT")[0]["DTSTART"].dt
        events = islice(recurring_ical_events.of(calendar).after(start), count)
        read.append([event["DTSTART"].dt.astimezone(UTC) for event in events])
    return read


def by_dateutil(texts: Sequence[str], count: int) -> list[list[datetime]]:
    """By dateutil alone: its own readers of zones and of rules."""
    return [_dateutil(nowhere(text), count) for text in texts]


def _dateutil(text: str, count: int) -> list[datetime]:
    event = text[text.index("BEGIN:VEVENT") :]
    parameters, value = re.search(r"^DTSTART([^:]*):(\S+)", event, re.MULTILINE).groups()  # type: ignore[union-attr]
    zone = tz.tzical(io.StringIO(text.replace("\r\n", "\n"))).get() if parameters else UTC
    start = datetime.strptime(value.rstrip("Z"), "%Y%m%dT%H%M%S").replace(tzinfo=zone)
    rule = re.search(r"^RRULE:(\S+)", event, re.MULTILINE)
    found: list[datetime] = [start]
    if rule is not None:
        rules = rrule.rrulestr(rule[1], dtstart=start)
        found = list(islice(rules, count))
    return [_instant(each, zone) for each in found]


def _instant(found: datetime, zone: Any) -> datetime:
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


#: What each engine is called, and how it reads files: of each the first so many instants.
ENGINES: Mapping[str, Callable[[Sequence[str], int], list[list[datetime]]]] = {
    "ical.js": ical_js,
    "vobject": by_vobject,
    "recurring-ical-events": by_recurring_ical_events,
    "dateutil": by_dateutil,
}
