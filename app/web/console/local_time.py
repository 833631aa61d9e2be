"""Times on pages in the reader's time zone.

A script of the console puts the browser's zone into a cookie. Without it, pages have the server's zone.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from flask import request
from markupsafe import Markup, escape

ZONE_COOKIE = "power_zone"
_LONGEST_NAME = 64


def reader_zone() -> tzinfo | None:
    """The zone of the reader's browser; None stands for the server's zone."""
    return zone_named(request.cookies.get(ZONE_COOKIE, ""))


@lru_cache(maxsize=128)
def zone_named(name: str) -> tzinfo | None:
    """The zone of this name, such as `Europe/Madrid`; None where the server knows none."""
    if not 0 < len(name) <= _LONGEST_NAME:
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return None


def in_reader_zone(at: datetime) -> datetime:
    """The same moment in the reader's zone."""
    return at.astimezone(reader_zone())


def from_reader_zone(wall_clock: datetime, zone: tzinfo | None) -> datetime:
    """The moment at which clocks of a zone (None: the server's) show this time, which has no zone itself."""
    return (wall_clock.replace(tzinfo=zone) if zone else wall_clock.astimezone()).astimezone(UTC)


def zone_label(at: datetime) -> str:
    """The name of the reader's zone for a note on a page: `Europe/Madrid (UTC+01:00)`."""
    zone = reader_zone()
    offset = f"{at.astimezone(zone):%z}"
    shift = "UTC" if offset == "+0000" else f"UTC{offset[:3]}:{offset[3:5]}"
    name = str(zone) if zone else "the server's zone"
    return name if name == shift else f"{name} ({shift})"


def local_time(at: str | datetime | None, form: str = "%d %b %H:%M") -> Markup:
    """A `time` element with the reader's time, and UTC as its title; a dash for None."""
    if at is None:
        return Markup("–")
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    machine = f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    title = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    shown = in_reader_zone(moment).strftime(form)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(machine, title, escape(shown))


def short_time(stamp: str) -> str:
    """A time in ISO 8601 as `26 Nov 15:19`, in the reader's zone."""
    return f"{in_reader_zone(datetime.fromisoformat(stamp)):%d %b %H:%M}"


def local_day(at: datetime) -> str:
    """The day of the reader's zone: `24 Nov`."""
    return f"{in_reader_zone(at):%d %b}"
