"""Imports the journals after an outage, before anything else is concluded from the database.

The journals of this worker and of dead workers of its node are imported in one transaction;
their files are deleted once it is committed.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from app.domain.enums import Loop
from app.domain.stack_id import StackId
from app.usecases.reconciliation import offline_import
from app.usecases.reconciliation.offline_import import JournalPage
from workers.state import identity, journal
from workers.state.context import WorkerContext
from workers.state.inspection_queue import Trigger
from workers.state.snapshot import QUIET, Outage

log = logging.getLogger(__name__)


def import_journals(context: WorkerContext, now: datetime) -> None:
    """Import the journals into the database. Raises errors of the store; journals stay until imported."""
    over = context.snapshot.ending(now)
    outages = [one for one in over if context.journal.has_outage(one.id) or _seconds(one, now) >= QUIET]
    dead = {name: path for name, path in journals_of_others(context).items() if context.me.dead(name)}
    if not outages and not dead and context.journal.empty:
        context.snapshot.forget_outages(over, written=False)
        return
    page, taken = context.journal.page(outages)
    left: dict[Path, JournalPage] = {}
    for path in dead.values():
        if not context.guard.isolate(Loop.CLOCK, f"journal {path.name}", partial(_add, context, path, left)):
            _set_aside(path)
    has_records = any(one.made or one.ended or one.blind for one in (page, *left.values()))
    if has_records:
        _record(context, page, left, now)
        for stack in list(context.stacks):
            context.look_again(stack, None, Trigger.START)
    if page.blind or not outages:
        # Else a call is still being made, whose end belongs to the same outage.
        context.snapshot.forget_outages(over, written=has_records)
    context.journal.forget(taken)
    for path in left:
        path.unlink(missing_ok=True)


def _add(context: WorkerContext, path: Path, left: dict[Path, JournalPage]) -> None:
    page = journal.read(path)
    for made in page.made:
        if made.outcome is None:
            _end(context, made.begun.stack, made.begun.service)
    left[path] = page


def _record(context: WorkerContext, page: JournalPage, left: dict[Path, JournalPage], now: datetime) -> None:
    """Import all pages in one transaction, or each in its own if the database refuses one of them.

    A refused page of a dead worker is set aside. A refused page of this worker raises the error.
    """
    together = partial(_import_pages, context, [page, *left.values()], now)
    if context.guard.isolate(Loop.CLOCK, "journals together", together):
        return
    _import_pages(context, [page], now)
    for path, one in list(left.items()):
        alone = partial(_import_pages, context, [one], now)
        if not context.guard.isolate(Loop.CLOCK, f"journal {path.name}", alone):
            _set_aside(path)
            del left[path]


def _import_pages(context: WorkerContext, pages: list[JournalPage], now: datetime) -> None:
    with context.database.write() as session:
        offline_import.import_journals(session, context.node, pages, now)
    _log(pages)


def _set_aside(path: Path) -> None:
    """Rename a journal that cannot be imported: its calls then count as lost."""
    with suppress(OSError):
        path.rename(path.with_suffix(".refused"))


def journals_of_others(context: WorkerContext) -> dict[str, Path]:
    """The journals of other workers of this node that lie where ours does."""
    journals = journal.journals_in(context.offline_dir)
    return {name: path for name, path in journals.items() if name != context.me.name}


def _seconds(outage: Outage, now: datetime) -> float:
    return ((outage.until or now) - outage.since).total_seconds()


def _end(context: WorkerContext, stack: StackId, service: str) -> None:
    snapshot = context.snapshot.latest.stacks.get(stack)
    if snapshot and identity.end_leftover(
        context.lock_dir, snapshot.project_of(service), service, context.me.dead
    ):
        log.warning("ended what a dead worker left running on %s/%s", stack, service)


def _log(pages: list[JournalPage]) -> None:
    calls = sum(len(page.made) for page in pages)
    ends = sum(len(page.ended) for page in pages)
    log.warning("the database is back: %d calls made blind and %d ends of others are on record", calls, ends)
