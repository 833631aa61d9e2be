"""After an outage: what was done blind is put on record before anything else is concluded.

The journals of this worker and of dead ones of its node are taken in together, in one
transaction, and their files go when it is committed.
"""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path

from app import journals
from app.journals import Page
from workers import identity, journal
from workers.known import QUIET, Outage
from workers.marks import Trigger
from workers.station import Station

log = logging.getLogger(__name__)


def take_in(station: Station, now: datetime) -> None:
    """Put on record what there is to tell. Raises what the store raises, with nothing lost."""
    over = station.memory.ending(now)
    outages = [one for one in over if station.journal.tells(one.id) or _seconds(one, now) >= QUIET]
    dead = {name: path for name, path in others(station).items() if station.me.dead(name)}
    if not outages and not dead and station.journal.empty:
        station.memory.told(over, written=False)
        return
    page, taken = station.journal.page(outages)
    left = [journal.read(path) for path in dead.values()]
    for made in (made for page_left in left for made in page_left.made if made.outcome is None):
        _end(station, made.begun.stack, made.begun.service)
    pages: list[Page] = [page, *left]
    news = any(one.made or one.ended or one.blind for one in pages)
    if news:
        with station.database.write() as session:
            journals.take_in(session, station.node, pages, now)
        _log(pages)
        for stack in list(station.stacks):
            station.look_again(stack, None, Trigger.START)
    if page.blind or not outages:
        # Else a call is still being made, whose end belongs to the same outage.
        station.memory.told(over, written=news)
    station.journal.forget(taken)
    for path in dead.values():
        path.unlink(missing_ok=True)


def others(station: Station) -> dict[str, Path]:
    """The journals of other workers of this node that lie where ours does."""
    found = journal.left(station.blind_dir)
    return {name: path for name, path in found.items() if name != station.me.name}


def _seconds(outage: Outage, now: datetime) -> float:
    return ((outage.until or now) - outage.since).total_seconds()


def _end(station: Station, stack: str, service: str) -> None:
    known = station.memory.known.stacks.get(stack)
    if known and identity.end_leftover(station.lock_dir, known.project_of(service), service):
        log.warning("ended what a dead worker left running on %s/%s", stack, service)


def _log(pages: list[Page]) -> None:
    calls = sum(len(page.made) for page in pages)
    ends = sum(len(page.ended) for page in pages)
    log.warning("the database is back: %d calls made blind and %d ends of others are on record", calls, ends)
