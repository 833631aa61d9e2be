"""Reads the stacks of this node from the files on disk into the worker's context.

Reading needs no database, so a worker serves what its files say as soon as it starts. The
result waits to be published until the database takes it. Files that change later are read
again in the same way: the worker adopts them, or refuses them and keeps the last good version.

    files ---> read_changes ---> context.stacks ---> `workers.loops.stack_publisher` ---> database
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from sqlalchemy.orm import Session

from app import settings
from app.domain.enums import Loop
from app.domain.load_results import POWER_TOML, LoadOutcome
from app.domain.nodes import Heartbeat
from app.domain.planning import StackSpec
from app.domain.stack_id import StackId, section_of
from app.host import file_permissions
from app.settings import ConfigError, NoticeToml, PowerToml
from workers.engine import child_processes, negotiation
from workers.loops.rejected_sections import LastReading, RejectedSections
from workers.loops.removed_stacks import RemovedStacks
from workers.loops.stack_publisher import OfferedStack, StackPublisher, log_faults
from workers.reconcile import shared_resources
from workers.stacks import file_versions, stack_reader
from workers.stacks.file_versions import Stamp
from workers.stacks.stack_reader import Rejected, Served
from workers.state.context import WorkerContext

log = logging.getLogger(__name__)
THOROUGH = 60.0
"""Seconds after which unchanged files are read again, since they may include other files."""


class StackLoader:
    """One worker's stacks. Called from one thread at a time, but for `publish`."""

    def __init__(self, context: WorkerContext, path: Path) -> None:
        self._context, self._path = context, path
        self._known: dict[StackId, LastReading] = {}
        self._toml_stamp: Stamp = ()
        self._toml_changing = False
        self._toml: PowerToml | None = None
        self._publishing = StackPublisher(context, path)
        self._removed = RemovedStacks(context, self._publishing, path, self._forget_reading)
        self._rejected = RejectedSections(context, self._publishing, path, self._known, self._refuse)
        self.engine_fault = ""
        """Why nothing can be served on this engine; empty where it can."""

    def begin(self) -> None:
        """Read power.toml and every stack of this node; raises ConfigError."""
        self._toml_stamp = file_versions.stamp([self._path])
        toml = settings.read_power_toml(self._path)
        self._toml = toml
        child_processes.withhold(toml.secret_variables)
        file_versions.remove_unfinished(self._context.lock_dir)
        for name in toml.on_node(self._context.node):
            self._read_stack(name, toml)
        self._rejected.reject(toml)
        self._publishing.tell(StackId(""), self._drop_unlisted)

    def publish(self, mine: Callable[[], Heartbeat]) -> None:
        """Offer new readings to the database; raises every error of the store."""
        self._publishing.publish(mine)

    def publish_again(self) -> None:
        """Claim every stack again: the engine was replaced."""
        self._publishing.publish_again()

    def check_locations(self) -> None:
        """Claim again every stack with a lease or a pending stop in another location."""
        self._publishing.check_locations()

    @property
    def path(self) -> Path:
        """The path of power.toml."""
        return self._path

    @property
    def notices(self) -> dict[str, NoticeToml]:
        """The sinks and their events, by the last valid power.toml."""
        return self._toml.notices if self._toml else {}

    def serve_engine(self, fault: str) -> None:
        """Withhold every stack while the engine has a fault, and serve them again after it.

        Pending stops of a withheld stack are still made; no window can be opened on it.
        """
        if fault == self.engine_fault:
            return
        self.engine_fault = fault
        for name in self._toml.on_node(self._context.node) if self._toml else ():
            assert self._toml
            self._read_stack(name, self._toml)

    def _drop_unlisted(self, session: Session, _mine: Heartbeat) -> None:
        assert self._toml
        self._removed.drop_unlisted(session, self._toml)

    def _forget_reading(self, name: StackId) -> None:
        self._known.pop(name, None)

    # What is on disk.

    def read_changes(self) -> set[StackId]:
        """Read the files that have changed on disk and have settled; return the stacks that changed."""
        before = self._publishing.waiting
        if self._toml_came_to_rest():
            self._read_toml()
        elif self._toml:
            for name in self._toml.on_node(self._context.node):
                if self._came_to_rest(name):
                    self._read_stack(name, self._toml)
        return self._publishing.waiting - before

    def has_changed(self, name: StackId) -> bool:
        """Do power.toml or the stack's files differ from what was last read?"""
        one = self._known.get(name, LastReading())
        read = (self._toml_stamp, one.stamp)
        on_disk = (file_versions.stamp([self._path]), file_versions.stamp(self._files(name)))
        return self._toml_changing or one.changing or read != on_disk

    def _toml_came_to_rest(self) -> bool:
        now = file_versions.stamp([self._path])
        rested, self._toml_changing = now == self._toml_stamp and self._toml_changing, now != self._toml_stamp
        self._toml_stamp = now
        return rested

    def _came_to_rest(self, name: StackId) -> bool:
        one = self._known.setdefault(name, LastReading())
        now = file_versions.stamp(self._files(name))
        rested, one.changing = now == one.stamp and one.changing, now != one.stamp
        one.stamp = now
        return rested or (not one.changing and time.monotonic() - one.read_at > THOROUGH)

    def _files(self, name: StackId) -> list[Path]:
        toml = self._toml.stacks.get(name) if self._toml else None
        return [] if toml is None else toml.paths()

    def _read_toml(self) -> None:
        try:
            toml = settings.read_power_toml(self._path)
        except ConfigError as error:
            digest = file_versions.digest([self._path])
            log_faults(POWER_TOML, LoadOutcome.UNCHANGED, digest, error.faults)
            for name in list(self._context.stacks):
                self._refuse(name, error.faults, digest, log_it=False)
            return
        before, self._toml = self._toml, toml
        child_processes.withhold(toml.secret_variables)
        mine = toml.on_node(self._context.node)
        for name in mine:
            if toml.differs_on(name, before) or self._is_refused(name):
                self._read_stack(name, toml)
        self._rejected.reject(toml)
        for name in (self._context.stacks.keys() | self._context.claimed) - mine.keys():
            if not toml.sets_apart(name):
                self._removed.drop(name, toml)
        self._forget_removed_stacks(mine)

    def _forget_removed_stacks(self, mine: Collection[StackId]) -> None:
        """Drop the publications of stacks of other workers and of stacks removed from power.toml."""
        served = {*self._context.stacks, *self._context.claimed}
        gone = self._publishing.waiting - {StackId(""), *mine, *served}
        self._publishing.forget(gone)
        for name in gone:
            self._known.pop(name, None)
            self._context.core.pop(name, None)

    def _is_refused(self, name: StackId) -> bool:
        return bool(self._known.get(name, LastReading()).refused) or name in self._publishing.held_back

    # What a reading comes to.

    def _read_stack(self, name: StackId, toml: PowerToml) -> None:
        one = self._known.setdefault(name, LastReading())
        one.stamp, one.read_at, one.changing = (
            file_versions.stamp(toml.stacks[name].paths()),
            time.monotonic(),
            False,
        )
        if self.engine_fault:
            self._withhold(name, toml)
            return
        try:
            served = stack_reader.read(self._path, toml, name, keep=self._context.lock_dir)
            self._refuse_what_core_uses(name, served)
        except Rejected as rejected:
            self._turn_down(name, toml, rejected)
            return
        except Exception as error:  # noqa: BLE001 - one stack that breaks keeps no other from being served
            self._context.guard.record_failure(Loop.FILES, error, f"stack {name}")
            self._turn_down(name, toml, self._unreadable(name, toml, error))
            return
        self._context.guard.record_success(Loop.FILES, f"stack {name}")
        self._warn(name, toml)
        now = self._context.stacks.get(name)
        if now and now.place and now.spec.digest == served.spec.digest and not self._is_refused(name):
            return
        self._adopt(name, toml, served)

    def _warn(self, name: StackId, toml: PowerToml) -> None:
        """Log which files of the stack another user could write; each state of theirs once."""
        warnings = file_permissions.warnings([self._path, *toml.stacks[name].paths()])
        for line in warnings if warnings != self._known[name].warned else ():
            log.warning("stack %s: %s", name, line)
        self._known[name].warned = warnings

    def _unreadable(self, name: StackId, toml: PowerToml, error: Exception) -> Rejected:
        stack = toml.stacks[name]
        fault = f"{self._path}: {section_of(name)}: could not be read: {type(error).__name__}: {error}"
        return Rejected(StackSpec(name, stack.project, stack.node, {}), [fault], unanswered=True)

    def _refuse_what_core_uses(self, name: StackId, served: Served) -> None:
        """Raises Rejected where a network or volume of core is defined otherwise than it exists."""
        key = f"{self._path}: {section_of(name)}"
        try:
            faults = shared_resources.faults(self._context.engine, served, key, self._context.lock_dir)
        except negotiation.Unable as error:
            log.warning(
                "stack %s: its networks and volumes are not compared: %s", name, negotiation.why(error)
            )
            return
        if faults:
            empty = StackSpec(name, served.spec.project, served.spec.node, {}, digest=served.spec.digest)
            raise Rejected(empty, faults)

    def _adopt(self, name: StackId, toml: PowerToml, served: Served) -> None:
        self._known[name].refused = ""
        self._publishing.adopt(OfferedStack(served, frozenset(toml.stacks[name].core)))

    def _withhold(self, name: StackId, toml: PowerToml) -> None:
        stack, fault = toml.stacks[name], f"{self._path}: {section_of(name)}: {self.engine_fault}"
        if self._known[name].refused == fault:
            return
        self._known[name].refused = fault
        served = self._context.stacks.get(name) or Served(StackSpec(name, stack.project, stack.node, {}))
        self._context.core[name] = frozenset(stack.core)
        self._context.stacks[name] = replace(served, place=None)
        digest = file_versions.digest([self._path, *stack.paths()])
        log_faults(f"stack {name}", LoadOutcome.REJECTED, digest, [fault])
        rejected = Rejected(served.spec, [fault])
        self._publishing.reject(rejected, digest)

    def _turn_down(self, name: StackId, toml: PowerToml, rejected: Rejected) -> None:
        now = self._context.stacks.get(name)
        if now is not None and now.place is not None:
            # Where compose gave no answer in time, nothing is known to be wrong with the files.
            if not rejected.unanswered:
                self._refuse(
                    name,
                    rejected.faults,
                    rejected.digest or file_versions.digest([self._path, *toml.stacks[name].paths()]),
                )
            return
        digest = rejected.digest or file_versions.digest([self._path, *toml.stacks[name].paths()])
        if self._is_refused(name) and self._known[name].refused == digest and not rejected.unanswered:
            return
        self._known[name].refused = digest
        log_faults(f"stack {name}", LoadOutcome.REJECTED, digest, rejected.faults)
        self._context.core[name] = frozenset(toml.stacks[name].core)
        self._context.stacks.setdefault(name, Served(rejected.spec))
        self._publishing.reject(rejected, digest)

    def _refuse(self, name: StackId, faults: list[str], digest: str, *, log_it: bool = True) -> None:
        """Record that a later reading is invalid; the reading in force stays."""
        one = self._known.setdefault(name, LastReading())
        if one.refused == digest:
            return
        one.refused = digest
        if log_it:
            log_faults(f"stack {name}", LoadOutcome.UNCHANGED, digest, faults)
        self._publishing.refuse(name, faults, digest)
