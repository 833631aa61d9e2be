"""What a worker last read of its node, so that it can stop what is due while the database is away.

The snapshot is in memory and, whenever it changes, written to disk: a worker that starts while
the database is away loads it. No service is started before its lease is in the snapshot.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy.orm import Session

from app.domain.decisions import PendingStop
from app.domain.enums import Loop
from app.domain.leases import HeldLease
from app.domain.locations import Location
from app.domain.planning import StackSpec
from app.host import private_files, snapshot_file
from app.host.boot_clock import boot_clock, boot_id
from app.host.loop_guard import LoopGuard
from app.store import audit, services
from app.store import stacks as stored
from app.store import windows as rows
from app.store.changes import ChangeCounter
from app.store.database import Database, is_outage
from app.store.tables import Stack
from app.usecases import restore
from app.usecases.windows.transitions import SYSTEM_ACTOR
from workers.state import node_snapshot
from workers.state.last_contact import LastContact
from workers.state.node_snapshot import Knowledge, StackSnapshot

log = logging.getLogger(__name__)


QUIET = 5.0
"""Seconds without a good answer after which the database counts as away, though nothing has failed."""


LISTENING_TIME = 2.0
"""Seconds that a worker listens before it acts without the database: both may have just begun."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which the database was away for this worker."""

    id: str
    since: datetime
    until: datetime | None = None


class Snapshot:
    """Shared by the thread that reads the database and the one that acts without it."""

    def __init__(self, directory: Path, database: Database, guard: LoopGuard | None = None) -> None:
        self._guard = guard or LoopGuard(is_outage)
        self._path, self._database = directory / snapshot_file.FILE, database
        self._changes = ChangeCounter(database)
        self._version: str | None = None
        self._lock = threading.Lock()
        self._noted = 0
        self.last_contact = LastContact(directory / "last_word.json")
        self.heard_at = boot_clock()
        self.listening_since = time.monotonic()
        self._failed = False
        self._outage: Outage | None = None
        self._written = node_snapshot.read_file(self._path)
        self._known = self._written or Knowledge({})
        self._unconfirmed: Mapping[str, StackSnapshot] = self._known.stacks
        """What a worker before this one knew, until the database was found not to be behind it."""
        self.over: list[Outage] = []
        """Outages that are over and not on record yet."""

    @property
    def known(self) -> Knowledge:
        """What was last read from the database."""
        return self._known

    # Is the database there?

    @property
    def silence(self) -> float:
        """Seconds since the database was last read and written, by this worker or the one before it."""
        return boot_clock() - self.heard_at

    @property
    def listened(self) -> float:
        """Seconds for which this worker has listened to the database."""
        return time.monotonic() - self.listening_since

    def is_silent_for(self, grace: float) -> bool:
        """Has the database been silent for so many seconds, and has this worker listened for a moment?"""
        return self.silence >= grace and self.listened >= min(grace, LISTENING_TIME)

    @property
    def away(self) -> bool:
        """Whether the database counts as unreachable: an attempt failed, or none succeeded for `QUIET` s."""
        return self._failed or min(self.silence, self.listened) > QUIET or self._database.unusable is not None

    @property
    def lost(self) -> bool:
        """The last attempt failed, so what was done since may not be on record."""
        return self._failed

    def begin(self) -> None:
        """This process has just begun: the silence is counted from what is on disk, else from here."""
        with self._lock:
            word = self.last_contact.read()
            self.heard_at = boot_clock() if word is None else word
            self.listening_since = time.monotonic()

    def record_thaw(self) -> None:
        """Record that this process was frozen until now: count the silence from here."""
        with self._lock:
            self.heard_at, self.listening_since = boot_clock(), time.monotonic()

    def record_success(self) -> None:
        """Record that the database was read and written just now."""
        with self._lock:
            if self._outage:
                self.over.append(replace(self._outage, until=self.now()))
            self._reset_silence()

    def _reset_silence(self) -> None:
        self.heard_at, self._failed, self._outage = boot_clock(), False, None
        self.last_contact.note(self.heard_at)

    def ending(self, now: datetime) -> list[Outage]:
        """Outages that are over or, since the database answers, just ending."""
        with self._lock:
            return [*self.over, *([replace(self._outage, until=now)] if self._outage else [])]

    def forget_outages(self, outages: Iterable[Outage], *, written: bool) -> None:
        """Drop outages that are recorded; `written` says that the database was written just now."""
        ids = {one.id for one in outages}
        with self._lock:
            self.over = [one for one in self.over if one.id not in ids]
            if written and self._outage and self._outage.id in ids:
                self._reset_silence()

    def record_failure(self) -> None:
        """Record that the database could not be read or written just now."""
        self._failed = True
        self.outage()

    def outage(self) -> Outage | None:
        """The outage there is at present."""
        with self._lock:
            if self.away and self._outage is None:
                since = self.now() - timedelta(seconds=self.silence)
                self._outage = Outage(secrets.token_hex(8), since)
                log.warning("the database is away; this worker goes by what it last knew")
            return self._outage if self.away else None

    def now(self) -> datetime:
        """The database's time without asking it: by its last answer, or by what this host was behind it."""
        return self._database.carry_on() or self._known.now()

    # What is known.

    def refresh(self, node: str, now: datetime) -> list[str]:
        """Read what has changed; return the stacks of which the database was found to know too little.

        Raises what the store raises.
        """
        behind = self._confirm(now)
        self._read_again(node, now)
        return behind

    def _confirm(self, now: datetime) -> list[str]:
        """Once: doubt what the snapshot says is on, where the database has lost transactions since."""
        behind = []
        for name, known in self._unconfirmed.items():
            with self._database.write() as session:
                doubted = restore.behind_snapshot(
                    session,
                    known.spec,
                    windows={lease.window for lease in known.leases},
                    services_on=known.locations(),
                    place=known.place,
                    actor=SYSTEM_ACTOR,
                    now=now,
                )
            if doubted:
                log.error(
                    "%s: the database is behind this worker's snapshot; turning off %s",
                    name,
                    ", ".join(doubted),
                )
                behind.append(name)
        self._unconfirmed = {}
        return behind

    def _read_again(self, node: str, now: datetime) -> None:
        noted, version = self._noted, self._changes.version()
        if version == self._version:
            return
        with self._database.read() as session:
            ahead = (now - datetime.now(UTC)).total_seconds()
            booted_at = now - timedelta(seconds=boot_clock())
            snapshot = Knowledge(self._stacks(session, node, now), ahead, boot_id(), booted_at)
        with self._lock:
            # What was noted while it was read may be missing in it: the next look has it.
            if noted == self._noted:
                self._version = version
                self._keep(snapshot)

    def _stacks(self, session: Session, node: str, now: datetime) -> dict[str, StackSnapshot]:
        """Every stack of the node; of one whose row cannot be understood, what was known before."""
        stacks = dict(self._known.stacks)
        mine = {row.name: row for row in stored.every(session) if row.node == node}
        for name, row in mine.items():
            read = partial(_read_stack, session, row, now, stacks)
            self._guard.isolate(Loop.CLOCK, f"what is known of stack {name}", read)
        return {name: known for name, known in stacks.items() if name in mine}

    def note(self, spec: StackSpec, leases: Iterable[HeldLease], engine_id: str = "") -> None:
        """Something is about to be started: know it before it is."""
        with self._lock:
            self._noted += 1
            old = self._known.stacks.get(spec.name, StackSnapshot(spec))
            new = [
                lease for lease in leases if lease not in old.leases or lease.service not in old.pending_stops
            ]
            if new:
                held = (*(one for one in old.leases if one not in new), *new)
                stop_pending = PendingStop(location=Location(spec.project, engine_id))
                pending_stops = {**old.pending_stops, **{lease.service: stop_pending for lease in new}}
                stacks = {
                    **self._known.stacks,
                    spec.name: StackSnapshot(spec, held, pending_stops, old.place),
                }
                self._keep(replace(self._known, stacks=stacks))

    def _keep(self, snapshot: Knowledge) -> None:
        self._known = snapshot
        if self._written and self._written.stacks == snapshot.stacks:
            return
        try:
            private_files.replace(self._path, json.dumps(node_snapshot.as_json(snapshot)), sync=True)
            self._written = snapshot
        except OSError as error:
            # In memory it is known all the same; only a successor would not know.
            log.error("%s: cannot be written: %s", self._path, error.strerror)


def _read_stack(session: Session, row: Stack, now: datetime, stacks: dict[str, StackSnapshot]) -> None:
    stacks[row.name] = _stack(session, row.spec, now)


def _stack(session: Session, spec: StackSpec, now: datetime) -> StackSnapshot:
    pending_stops = {
        name: PendingStop(row.failures, row.retry_at, row.unsure, row.location)
        for name, row in sorted(services.of(session, spec.name).items())
        # What is core now may not be by the files that are read while the database is away.
        if row.stop_pending
    }
    leases = sorted(rows.live_leases(session, [spec.name], now), key=lambda one: (one.window, one.service))
    return StackSnapshot(spec, tuple(leases), pending_stops, audit.place(session, spec.name))
