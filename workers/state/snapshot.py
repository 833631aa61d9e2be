"""The snapshot of a node in a worker: the worker stops due services by it while the database is away.

The worker holds the snapshot in memory and writes every change to disk. A worker that starts while
the database is away loads the file. A worker starts no service before its lease is in the snapshot.
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
from app.domain.stack_id import StackId
from app.host import node_snapshot, private_files
from app.host.boot_clock import boot_clock, boot_id
from app.host.loop_guard import LoopGuard
from app.host.node_snapshot import NodeSnapshot, StackSnapshot
from app.store import audit, services
from app.store import stacks as stored
from app.store import windows as rows
from app.store.changes import ChangeCounter
from app.store.database import Database, is_outage
from app.store.tables import Stack
from app.usecases import restore
from app.usecases.windows.transitions import SYSTEM_ACTOR
from workers.state.last_contact import LastContact

log = logging.getLogger(__name__)


QUIET = 5.0
"""Seconds without a successful attempt after which the database counts as away, even if no attempt failed."""


LISTENING_TIME = 2.0
"""Seconds that a worker waits before it acts without the database, which may be starting as well."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A period in which this worker could not use the database."""

    id: str
    since: datetime
    until: datetime | None = None


class Snapshot:
    """One snapshot, shared by the thread that reads the database and the thread that acts without it."""

    def __init__(self, directory: Path, database: Database, guard: LoopGuard | None = None) -> None:
        self._guard = guard or LoopGuard(is_outage)
        self._path, self._database = directory / node_snapshot.SNAPSHOT_FILE, database
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
        self._latest = self._written or NodeSnapshot({})
        self._unconfirmed: Mapping[StackId, StackSnapshot] = self._latest.stacks
        """The stacks as the file had them, until the database is checked for lost transactions."""
        self.over: list[Outage] = []
        """Outages that have ended and are not in the audit trail yet."""

    @property
    def latest(self) -> NodeSnapshot:
        """The node as it was last read from the database."""
        return self._latest

    # Availability of the database.

    @property
    def silent_seconds(self) -> float:
        """Seconds since this worker or its predecessor last read and wrote the database."""
        return boot_clock() - self.heard_at

    @property
    def listening_seconds(self) -> float:
        """Seconds for which this worker has tried to use the database."""
        return time.monotonic() - self.listening_since

    def is_silent_for(self, grace: float) -> bool:
        """Has the database not answered for `grace` seconds, while this worker tried long enough?"""
        return self.silent_seconds >= grace and self.listening_seconds >= min(grace, LISTENING_TIME)

    @property
    def away(self) -> bool:
        """Whether the database counts as unreachable: an attempt failed, or none succeeded for `QUIET` s."""
        return (
            self._failed
            or min(self.silent_seconds, self.listening_seconds) > QUIET
            or self._database.unusable is not None
        )

    @property
    def lost(self) -> bool:
        """Whether the last attempt failed: the database may lack later changes."""
        return self._failed

    def begin(self) -> None:
        """Count the silence from the contact that is recorded on disk, or from now if there is none."""
        with self._lock:
            contact = self.last_contact.read()
            self.heard_at = boot_clock() if contact is None else contact
            self.listening_since = time.monotonic()

    def record_thaw(self) -> None:
        """Record that this process was frozen until now: count the silence from now."""
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
        """Return the outages that have ended, with the one that ends at `now`."""
        with self._lock:
            return [*self.over, *([replace(self._outage, until=now)] if self._outage else [])]

    def forget_outages(self, outages: Iterable[Outage], *, written: bool) -> None:
        """Drop outages that are in the audit trail. `written`: the database was written just now."""
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
        """Return the present outage; None while the database is available."""
        with self._lock:
            if self.away and self._outage is None:
                since = self.now() - timedelta(seconds=self.silent_seconds)
                self._outage = Outage(secrets.token_hex(8), since)
                log.warning("the database is away; this worker goes by its snapshot")
            return self._outage if self.away else None

    def now(self) -> datetime:
        """Return the database's time, estimated from its last answer or from the snapshot."""
        return self._database.extrapolate() or self._latest.now()

    # The content of the snapshot.

    def refresh(self, node: str, now: datetime) -> list[StackId]:
        """Read the database if it has changed; return the stacks of which the database has lost transactions.

        Raises every error of the store.
        """
        behind = self._confirm(now)
        self._read_again(node, now)
        return behind

    def _confirm(self, now: datetime) -> list[StackId]:
        """Once per process: mark services as doubtful where the database has lost transactions since."""
        behind: list[StackId] = []
        for name, stack in self._unconfirmed.items():
            with self._database.write() as session:
                restored = restore.behind_snapshot(
                    session,
                    stack.spec,
                    windows={lease.window for lease in stack.leases},
                    services_on=stack.locations(),
                    place=stack.place,
                    actor=SYSTEM_ACTOR,
                    now=now,
                )
            if restored:
                log.error(
                    "%s: the database is behind this worker's snapshot; turning off %s",
                    name,
                    ", ".join(restored),
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
            snapshot = NodeSnapshot(self._stacks(session, node, now), ahead, boot_id(), booted_at)
        with self._lock:
            # A lease that was noted during the reading may be missing in it. The next reading has it.
            if noted == self._noted:
                self._version = version
                self._keep(snapshot)

    def _stacks(self, session: Session, node: str, now: datetime) -> dict[StackId, StackSnapshot]:
        """Return every stack of the node. A stack whose row cannot be read keeps its previous snapshot."""
        stacks = dict(self._latest.stacks)
        mine = {row.name: row for row in stored.every(session) if row.node == node}
        for name, row in mine.items():
            read = partial(_read_stack, session, row, now, stacks)
            self._guard.isolate(Loop.CLOCK, f"the snapshot of stack {name}", read)
        return {name: stack for name, stack in stacks.items() if name in mine}

    def note(self, spec: StackSpec, leases: Iterable[HeldLease], engine_id: str = "") -> None:
        """Add the leases of a start to the snapshot. Call it before the start."""
        with self._lock:
            self._noted += 1
            old = self._latest.stacks.get(spec.name, StackSnapshot(spec))
            new = [
                lease for lease in leases if lease not in old.leases or lease.service not in old.pending_stops
            ]
            if new:
                held = (*(one for one in old.leases if one not in new), *new)
                stop_pending = PendingStop(location=Location(spec.project, engine_id))
                pending_stops = {**old.pending_stops, **{lease.service: stop_pending for lease in new}}
                stacks = {
                    **self._latest.stacks,
                    spec.name: StackSnapshot(spec, held, pending_stops, old.place),
                }
                self._keep(replace(self._latest, stacks=stacks))

    def _keep(self, snapshot: NodeSnapshot) -> None:
        self._latest = snapshot
        if self._written and self._written.stacks == snapshot.stacks:
            return
        try:
            private_files.replace(self._path, json.dumps(node_snapshot.as_json(snapshot)), sync=True)
            self._written = snapshot
        except OSError as error:
            # The snapshot in memory is complete. Only a successor of this worker would miss the change.
            log.error("%s: cannot be written: %s", self._path, error.strerror)


def _read_stack(session: Session, row: Stack, now: datetime, stacks: dict[StackId, StackSnapshot]) -> None:
    stacks[row.name] = _stack(session, row.spec, now)


def _stack(session: Session, spec: StackSpec, now: datetime) -> StackSnapshot:
    pending_stops = {
        name: PendingStop(row.failures, row.retry_at, row.unsure, row.location)
        for name, row in sorted(services.of(session, spec.name).items())
        # A core service may lose that role in the files that a worker reads during an outage.
        if row.stop_pending
    }
    leases = sorted(rows.live_leases(session, [spec.name], now), key=lambda one: (one.window, one.service))
    return StackSnapshot(spec, tuple(leases), pending_stops, audit.place(session, spec.name))
