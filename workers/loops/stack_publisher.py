"""Publishes a worker's stacks from its files to the database, and serves what the database allows.

Each publication is written in one transaction and retried until it is committed. The
database may say that another worker has the stack, or that a window still holds a service
elsewhere or a stop is pending there: then the previous version stays in force, or only the
services left there are turned off.

    reading ---> tell ---> claimed and published ---> served
                   ^                |
                   +--- held back --+---> what is left elsewhere is turned off
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlalchemy.orm import Session

from app.domain.enums import Loop
from app.domain.load_results import LoadOutcome, LoadResult
from app.domain.locations import Location, elsewhere, why_not_moved
from app.domain.nodes import Heartbeat
from app.domain.planning import StackSpec
from app.domain.stack_id import StackId, section_of
from app.store import stacks as known
from app.store import workers as signs
from app.store.tables import Stack
from app.usecases.nodes import claims, published_stacks, relocation
from app.usecases.nodes.claims import StackHeld, StackTaken
from app.usecases.reconciliation import observations
from workers.stacks.stack_reader import Rejected, Served
from workers.state.context import WorkerContext
from workers.state.diagnosis_queue import DiagnosisRequest
from workers.state.inspection_queue import Trigger

log = logging.getLogger(__name__)

AfterCommit = Callable[[], None]
Publication = Callable[[Session, Heartbeat], AfterCommit | None]
"""One write about a stack, in one transaction; returns the work to do after the commit."""


class NotYet(Exception):
    """Something of a stack has not ended yet; its publication is offered again."""


@dataclass(frozen=True, slots=True)
class OfferedStack:
    """A stack as its files say, and what they call core."""

    served: Served
    core: frozenset[str]


class StackPublisher:
    """One worker's publications of its stacks. `publish` may be called from another thread than the rest."""

    def __init__(self, context: WorkerContext, path: Path) -> None:
        self._context, self._path = context, path
        self._publications: dict[StackId, Publication] = {}
        self._logged: dict[StackId, str] = {}
        """The last fault that was logged of each stack."""
        self._offered: dict[StackId, OfferedStack] = {}
        """The last reading of each stack that was offered to the database."""
        self.held_back: dict[StackId, str] = {}
        """The digest of a reading that is good and waits until something elsewhere has ended, by stack."""
        self._lock = threading.Lock()

    @property
    def waiting(self) -> set[StackId]:
        """The stacks with a queued publication."""
        return set(self._publications)

    def tell(self, name: StackId, publication: Publication) -> None:
        """Queue `publication` of the stack `name` for the next heartbeat; it replaces a queued one."""
        with self._lock:
            self._publications[name] = publication

    def forget(self, names: Collection[StackId]) -> None:
        """Drop everything about these stacks."""
        with self._lock:
            for name in names:
                for by_stack in (self._publications, self._logged, self._offered, self.held_back):
                    by_stack.pop(name, None)

    def publish(self, mine: Callable[[], Heartbeat]) -> None:
        """Offer every publication to the database; raises what the store raises while it is away."""
        for name, publication in list(self._publications.items()):
            offer = partial(self._offer, name, publication, mine)
            self._context.guard.isolate(Loop.CLOCK, f"publishing stack {name}", offer)

    def _offer(self, name: StackId, publication: Publication, mine: Callable[[], Heartbeat]) -> None:
        try:
            with self._context.database.write() as session:
                done = publication(session, mine())
        except NotYet:
            return
        except StackTaken as taken:
            self._leave_to_holder(name, str(taken))
            return
        except StackHeld as held:
            self._hold_back(name, held)
            return
        if done:
            done()
        with self._lock:
            if self._publications.get(name) is publication:
                del self._publications[name]

    def _now(self) -> datetime:
        return self._context.database.now()

    # A good reading.

    def adopt(self, offered: OfferedStack) -> None:
        """Serve a stack as it was read, once the database agrees; at once where that is no question."""
        name = offered.served.spec.name
        self.held_back.pop(name, None)
        now = self._context.stacks.get(name)
        if name not in self._context.claimed or (now and now.spec.project == offered.served.spec.project):
            self._serve(offered)
        # Another project waits until the database says that nothing is left in this one.
        self.tell(name, partial(self._publish, offered=offered))

    def _serve(self, offered: OfferedStack) -> None:
        name = offered.served.spec.name
        before = self._context.stacks.get(name)
        self._context.core[name] = offered.core
        self._context.adopt(offered.served)
        # What is to be done may follow from the roles that were just published.
        self._context.look_again(name, None, Trigger.REQUEST)
        if before is not offered.served:
            digest = offered.served.spec.digest
            log.info("%s", LoadResult(f"stack {name}", LoadOutcome.SERVED, digest, "its files are good"))

    def _publish(self, session: Session, mine: Heartbeat, offered: OfferedStack) -> AfterCommit:
        spec = offered.served.spec
        self._offered[spec.name] = offered
        key = f"{self._path}: {section_of(spec.name)}"
        claims.claim_stack(session, spec, mine, key=key, dead=self._context.me.dead, now=self._now())
        published_stacks.publish_stack(session, spec, self._now(), mine.engine_id)
        self._claim(session, mine, spec.name)
        return partial(self._finish_publication, offered)

    def _finish_publication(self, offered: OfferedStack) -> None:
        name = offered.served.spec.name
        self._logged.pop(name, None)
        self.held_back.pop(name, None)
        self._serve(offered)

    def _claim(self, session: Session, mine: Heartbeat, name: StackId) -> None:
        self._context.claimed.add(name)
        signs.write(session, replace(mine, stacks=sorted(self._context.claimed)))

    def publish_again(self) -> None:
        """Claim every stack again, since the engine was replaced."""
        for name, served in list(self._context.stacks.items()):
            if served.place is not None and name not in self._publications:
                offered = OfferedStack(served, self._context.core.get(name, frozenset()))
                self.tell(name, partial(self._publish, offered=offered))

    def check_locations(self) -> None:
        """Claim again every stack that is held elsewhere, so that it is held back until that has ended."""
        with self._context.database.read() as session:
            misplaced = [
                name
                for name, served in list(self._context.stacks.items())
                if name in self._context.claimed
                and elsewhere(relocation.holdings(session, name), self._context.location(served.spec))
            ]
        if misplaced:
            self.publish_again()

    # One that waits for what is held or owed elsewhere, or is another worker's.

    def _hold_back(self, name: StackId, held: StackHeld) -> None:
        """Keep the version in force, or only stop the services left in the old location."""
        fault, spec = str(held), self._offered[name].served.spec
        stays = self._stays(name, held)
        if self._logged.get(name) != fault:
            log_faults(
                f"stack {name}",
                LoadOutcome.UNCHANGED if stays else LoadOutcome.REJECTED,
                spec.digest,
                [fault],
            )
            with self._context.database.write() as session:
                self._say_held_back(session, spec, fault, stays=stays)
            self._logged[name] = fault
        self.held_back[name] = spec.digest
        self._context.claimed.add(name)
        if not stays:
            self.serve_for_stopping(spec, held.at)

    def _stays(self, name: StackId, held: StackHeld) -> bool:
        """Is what is served of this stack known to the database, and where its own is held?"""
        now = self._context.stacks.get(name)
        if now is None or now.place is None or name not in self._context.claimed:
            return False
        return held.at is None or held.at.agrees(self._context.location(now.spec))

    def _say_held_back(self, session: Session, spec: StackSpec, fault: str, *, stays: bool) -> None:
        if stays:
            published_stacks.record_refused_edit(session, spec.name, [fault], spec.digest, self._now())
            return
        empty = replace(spec, services={}, digest="")
        published_stacks.reject_stack(session, empty, [fault], self._now(), digest=spec.digest)
        if (row := known.stack_by_name(session, spec.name)) and self._context.engine_id:
            observations.mark_unreachable(session, row, self._context.engine_id, self._now())

    def serve_for_stopping(self, spec: StackSpec, at: Location | None) -> None:
        """Serve the services left of a stack in one project, or none if it is not on this engine."""
        if at is None or not at.on_engine(self._context.engine_id):
            self._context.stacks.pop(spec.name, None)
        else:
            self._context.stacks[spec.name] = Served(replace(spec, project=at.project or spec.project))
            self._context.look_again(spec.name, None, Trigger.REQUEST)

    def _leave_to_holder(self, name: StackId, fault: str) -> None:
        """Leave a stack to the worker that has it, and ask again with the next sign of life."""
        served = self._context.stacks.get(name)
        self._context.forget(name)
        if self._logged.get(name) == fault:
            return
        digest = served.spec.digest if served else ""
        log_faults(f"stack {name}", LoadOutcome.REJECTED, digest, [fault])
        with self._context.database.write() as session:
            claims.rejected_elsewhere(session, name, fault, digest, self._now())
        self._logged[name] = fault

    # A reading that is no good, and a stack that is no longer in power.toml.

    def reject(self, rejected: Rejected, digest: str) -> None:
        """Publish that this version of a stack is not accepted; `digest` is that of its files."""
        self._diagnose(rejected.spec.name, rejected.faults)
        self.tell(rejected.spec.name, lambda session, _mine: self._reject(session, rejected, digest))

    def _diagnose(self, name: StackId, faults: list[str]) -> None:
        self._context.diagnosing.submit(DiagnosisRequest(name, "", faults=tuple(faults)))

    def _reject(self, session: Session, rejected: Rejected, digest: str) -> None:
        name = rejected.spec.name
        row = known.stack_by_name(session, name)
        if row is not None and row.node != self._context.node:
            claims.rejected_elsewhere(session, name, "; ".join(rejected.faults), digest, self._now())
            self._context.forget(name)
            return
        published_stacks.reject_stack(session, rejected.spec, rejected.faults, self._now(), digest=digest)
        if row := known.stack_by_name(session, name):
            self._context.stacks[name] = Served(row.spec)
        self._context.claimed.add(name)

    def refuse(self, name: StackId, faults: list[str], digest: str) -> None:
        """Publish the faults for which a stack cannot be read; `digest` is that of its files."""
        self._diagnose(name, faults)
        self.tell(
            name,
            lambda session, _mine: published_stacks.record_refused_edit(
                session, name, faults, digest, self._now()
            ),
        )

    def follow(self, session: Session, row: Stack, mine: Heartbeat) -> str:
        """Stop the services left of a stack that is no longer served, in any project on this engine.

        Returns the reason if they are on another engine.
        """
        here = self._context.location(row.spec)
        left = elsewhere(relocation.holdings(session, row.name), here)
        if not left:
            self._context.stacks.setdefault(row.name, Served(row.spec))
            return ""
        self.serve_for_stopping(row.spec, left[0].location)
        if left[0].location.on_engine(mine.engine_id):
            return ""
        observations.mark_unreachable(session, row, mine.engine_id, self._now())
        fault = why_not_moved(f"{self._path}: {section_of(row.name)}", row.name, here, left)
        if self._logged.get(row.name) != fault:
            log.error("%s", fault)
        self._logged[row.name] = fault
        return fault


def log_faults(subject: str, verdict: LoadOutcome, digest: str, faults: list[str]) -> None:
    """Each fault on a line of its own, as a standalone's supervisor reads it."""
    for fault in faults:
        log.error("%s", LoadResult(subject, verdict, digest, fault))
