"""What all threads of one worker share: its stacks, database, engine, queues and identity."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from app.domain.enums import Loop
from app.domain.locations import Location
from app.domain.planning import StackSpec
from app.domain.stack_id import StackId
from app.domain.throttling import NO_LIMIT, CallLimit
from app.host import node_snapshot
from app.host.loop_guard import LoopGuard
from app.store.database import Database, is_outage
from workers.engine.client import Engine
from workers.stacks.stack_reader import Served
from workers.state import concurrency
from workers.state.affected_services import AffectedServices
from workers.state.concurrency import CallQueue
from workers.state.diagnosis_queue import DiagnosisQueue
from workers.state.identity import Identity
from workers.state.inspection_queue import Trigger
from workers.state.journal import Journal
from workers.state.repairs import Repairs
from workers.state.restart_history import RestartHistory
from workers.state.running_calls import RunningCalls
from workers.state.snapshot import Snapshot

log = logging.getLogger(__name__)

LookAgain = Callable[[StackId, Iterable[str] | None, Trigger], None]
"""Requests an inspection of these services of a stack (None: all), soon and in another thread."""


def _ignore(_stack: str, _services: Iterable[str] | None, _trigger: Trigger) -> None:
    """Ignore the request: the worker's loops have not begun."""


def _read_already(_stack: StackId) -> bool:
    """No file is read: the worker's loops have not begun."""
    return False


def _opening_queue() -> CallQueue:
    return CallQueue("opening", concurrency.opening_limits())


def _closing_queue() -> CallQueue:
    return CallQueue("closing", concurrency.closing_limits())


@dataclass
class WorkerContext:
    """Shared by all threads of a worker."""

    database: Database
    engine: Engine
    me: Identity
    node: str
    lock_dir: Path
    engine_id: str = ""
    stacks: dict[StackId, Served] = field(default_factory=dict)
    claimed: set[StackId] = field(default_factory=set)
    """The stacks that the database knows to be served here."""
    restarts: RestartHistory = field(default_factory=RestartHistory)
    opening: CallQueue = field(default_factory=_opening_queue)
    """The calls that start services …"""
    closing: CallQueue = field(default_factory=_closing_queue)
    """… and, with room of their own, those that stop them."""
    call_limit: CallLimit = NO_LIMIT
    """How many compose calls may start at once, and why not more."""
    running: RunningCalls = field(default_factory=RunningCalls)
    diagnosing: DiagnosisQueue = field(default_factory=DiagnosisQueue)
    look_again: LookAgain = _ignore
    reads_files_first: Callable[[StackId], bool] = _read_already
    """Have a stack's files changed, so that they are read before a window starts services of it?"""
    core: dict[StackId, frozenset[str]] = field(default_factory=dict)
    """The core services by this worker's own power.toml; rows of the database do not count."""
    digests: dict[str, str] = field(default_factory=dict)
    """The digest of each image by name, as last looked up."""
    under_way: set[int] = field(default_factory=set)
    """Ids of the calls that this worker is making right now."""
    looking: dict[StackId, threading.Lock] = field(default_factory=dict)
    unread_stacks: dict[StackId, str] = field(default_factory=dict)
    """Why the engine shows nothing of a stack at present."""
    concerned: AffectedServices = field(default_factory=AffectedServices)
    guard: LoopGuard = field(default_factory=lambda: LoopGuard(is_outage))
    """Keeps this worker's loops alive, and counts their failures."""
    repairs: Repairs = field(init=False)
    snapshot: Snapshot = field(init=False)
    journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        self.repairs = Repairs(lambda: self.guard.count(Loop.REPAIRS), lambda: self.engine.heard_since)
        self.snapshot = Snapshot(self.offline_dir, self.database, self.guard)
        self.journal = Journal(self.offline_dir, self.me.name)

    @property
    def offline_dir(self) -> Path:
        """The directory of this node's snapshot and journals, for use while the database is away."""
        return node_snapshot.directory(self.lock_dir.parent, self.node)

    def location(self, spec: StackSpec) -> Location:
        """Return the location in which this worker starts and stops the services of a stack."""
        return Location(spec.project, self.engine_id)

    def close(self) -> None:
        """Close the connections to the engine and the database."""
        self.engine.close()
        self.database.close()

    def adopt(self, served: Served) -> None:
        """Serve this version of a stack; drop the state of services and images that it no longer has."""
        self.stacks[served.spec.name] = served
        self.restarts.forget_services(served.spec.project, but=served.spec.services)
        self._drop_unused_digests()

    def forget(self, stack: StackId) -> None:
        """Drop a stack that this worker does not serve, and all state about it."""
        served = self.stacks.pop(stack, None)
        self.claimed.discard(stack)
        self.looking.pop(stack, None)
        self.unread_stacks.pop(stack, None)
        self.repairs.forget(stack)
        self.concerned.forget(stack)
        if served:
            self.restarts.forget_services(served.spec.project)
        self._drop_unused_digests()

    def _drop_unused_digests(self) -> None:
        used = {
            service.image
            for served in list(self.stacks.values())
            for service in served.spec.services.values()
        }
        for image in list(self.digests.keys() - used):
            self.digests.pop(image, None)

    def unread(self, stack: StackId, why: str) -> None:
        """Note why the engine shows no container of a stack; an empty `why` ends that."""
        if why and self.unread_stacks.get(stack) != why:
            self.unread_stacks[stack] = why
            log.warning("stack %s: %s", stack, why)
        elif not why and self.unread_stacks.pop(stack, ""):
            log.warning("stack %s: the engine shows it again", stack)

    def inspection_lock(self, stack: StackId) -> threading.Lock:
        """The lock that lets only one inspection of a stack store its result at a time."""
        return self.looking.setdefault(stack, threading.Lock())
