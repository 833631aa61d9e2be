"""The worker's own watch over its node: deadlines, rows that nobody took in hand, and engine events.

A nudge through the broker is the quick way; this is the sure one. It notices a
container's change by the engine's events with a poll behind them, expires what no
sweep has, and takes in hand what nobody has, so a broker or a beat that is away
delays nothing for long.

    events ---> marks services as changed
    looks  ---> looks at what is marked, and starts and stops what is due there
    clock  ---> deadlines, untouched rows, lost calls, the worker's sign of life
    files  ---> reads anew what has changed on disk
    blind  ---> what is due while the database is away
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from app.domain import backoff
from app.domain.enums import Loop, Role, State
from app.store import loop_failures, services
from app.store import windows as rows
from app.store.tables import Call
from app.usecases.reconciliation import calls
from app.usecases.timekeeping import Timekeeper
from app.usecases.windows import expire as expiry
from app.usecases.windows.settle import StackSituation, startable, stoppable
from workers.engine import compose, containers, negotiation
from workers.loops import liveness_file
from workers.loops.heartbeat import HeartbeatLoop
from workers.loops.stack_loader import StackLoader
from workers.loops.watchdog import Watchdog, advances
from workers.offline import recovery
from workers.offline.controller import OfflineController
from workers.reconcile import outdated_calls
from workers.reconcile.converge import attend_closing, attend_opening
from workers.reconcile.inspect import look
from workers.state import identity
from workers.state.concurrency import CallQueue, Limits
from workers.state.context import WorkerContext
from workers.state.inspection_queue import POLL_MOVING, InspectionQueue, Trigger

log = logging.getLogger(__name__)

OVERDUE = timedelta(seconds=1)
"""How long a new row may lie before the watch acts in place of the broker's nudge."""
SWEPT = timedelta(seconds=0.25)
"""How long a deadline is left to the sweep, which comes on the stroke where broker and beat are there."""
ABANDONED = timedelta(seconds=5)
"""How long after somebody took a moving window in hand it is looked at again, in case they are dead."""
TICK = 0.5
"""Seconds between looks at the clock."""
BEAT = 5.0
"""Seconds between signs of life."""
FILES = 1.0
"""Seconds between looks at the files; what has changed is read when it looks the same twice."""
ENGINE_ASKED = 60.0
"""Seconds after which the engine is asked who it is again."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds before the engine's event stream is asked for again, doubled while it keeps breaking off."""
ATTENDING = 4
"""Windows that are read and handed on at the same time, opening and closing apart."""
LOOKING = 8
"""Stacks that are looked at at the same time."""
CALM, CALM_BUSY = 0.05, 0.2
"""Seconds that marks are gathered for, since one start makes several events; longer while calls run.

Looks would otherwise compete with the very calls whose events they follow, and whoever
makes a call looks again after it.
"""


class Watch:
    """Six threads, two small pools and the queues of calls, one per worker."""

    def __init__(self, context: WorkerContext, loading: StackLoader, heartbeat: HeartbeatLoop) -> None:
        self._context, self._loading, self._heartbeat = context, loading, heartbeat
        self._guard = context.guard
        self._inspections = InspectionQueue(time.monotonic)
        self._stopping = threading.Event()
        self._opening = ThreadPoolExecutor(ATTENDING, "watch-opening")
        self._closing = ThreadPoolExecutor(ATTENDING, "watch-closing")
        self._looking = CallQueue("looks", Limits(LOOKING, LOOKING))
        self._blind = OfflineController(context)
        self._watchdog = Watchdog(
            [
                ("the offline loop", advances(lambda: self._blind.rounds)),
                ("the queue of looks", self._looking.answers),
                ("the queue of starts", context.opening.answers),
                ("the queue of stops", context.closing.answers),
            ]
        )
        self._timekeeper = Timekeeper(context.database)
        self._beat_at = 0.0
        self._stroke: datetime | None = None
        self._engine_asked_at = time.monotonic()
        context.look_again = self.mark

    def start(self) -> None:
        self._context.memory.begin()
        self.mark_all(Trigger.START)
        for loop in (self._events, self._looks, self._clock, self._files, self._unseeing, self._watching):
            threading.Thread(target=loop, name=f"watch{loop.__name__}", daemon=True).start()

    def stop(self, *, patiently: bool = False) -> None:
        """Begin nothing more; `patiently` also waits until calls under way are made and on record."""
        self._stopping.set()
        self._inspections.wake()
        for pool in (self._opening, self._closing):
            pool.shutdown(wait=patiently, cancel_futures=True)
        for queue in (self._looking, self._context.opening, self._context.closing):
            queue.close(wait=patiently)

    @property
    def refused(self) -> bool:
        """Did somebody else turn out to have this node?"""
        return self._heartbeat.refused

    def mark(self, stack: str, services: Iterable[str] | None, trigger: Trigger) -> None:
        """Something may have changed at these services of a stack (None: all): look soon."""
        if stack in self._context.stacks:
            self._inspections.mark(stack, services, trigger)

    def mark_all(self, trigger: Trigger) -> None:
        """Look at every service of every stack soon."""
        for stack in list(self._context.stacks):
            self.mark(stack, None, trigger)

    # Events are a hint: whenever the stream breaks, everything is looked at again.

    def _events(self) -> None:
        broke_off = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            self._guard.run(Loop.EVENTS, self._listen)
            # A stream that has lasted was a good one; one that breaks off at once is not asked again at once.
            broke_off = 1 if time.monotonic() - began > LONGEST_PAUSE else broke_off + 1
            self._stopping.wait(backoff.seconds(broke_off, FIRST_PAUSE, LONGEST_PAUSE))

    def _listen(self) -> None:
        try:
            self.mark_all(Trigger.START)
            for event in self._context.engine.events():
                if self._stopping.is_set():
                    return
                self._heard(str(event.get("Action")), event.get("Actor") or {}, containers.dated(event))
        except negotiation.Unable as error:
            log.warning("the engine's events broke off: %s", negotiation.why(error))

    def _heard(self, action: str, actor: Mapping[str, Any], at: datetime | None = None) -> None:
        said = actor.get("Attributes") or {}
        if action.startswith(("exec_", "top")):
            return
        project, service = said.get(containers.PROJECT), str(said.get(containers.SERVICE, ""))
        served_as = [name for name, one in list(self._context.stacks.items()) if one.spec.project == project]
        if served_as and action == "die":
            self._remember_death(str(project), actor, said)
        container = containers.concerned_container(actor)
        for name, one in {(stack, service) for stack in served_as} | self._context.concerned.by(container):
            if at:
                self._context.repairs.heard(name, one, at)
            self.mark(name, [one], Trigger.EVENT)

    def _remember_death(self, project: str, actor: Mapping[str, Any], said: Mapping[str, Any]) -> None:
        service, code = str(said.get(containers.SERVICE)), containers.whole(said.get("exitCode"), 0)
        self._context.restarts.heard(project, service, str(actor.get("ID")), code)

    # Looks: one at a time for each stack, so that many events cost one look.

    def _looks(self) -> None:
        while not self._stopping.is_set():
            self._guard.run(Loop.LOOKS, self._hand_out)

    def _hand_out(self) -> None:
        self._inspections.wait()
        self._context.repairs.confirm(self._context.engine.now)
        self._stopping.wait(CALM_BUSY if self._context.under_way else CALM)
        for stack in self._inspections.hand_out():
            self._looking.submit(stack, partial(self._look_or_retry, stack))

    def _look_or_retry(self, stack: str) -> None:
        if failures := self._guard.run(Loop.LOOKS, partial(self._look, stack), stack):
            # One stack that cannot be looked at delays no other.
            self._inspections.retry(stack, backoff.seconds(failures, POLL_MOVING, LONGEST_PAUSE))

    def _look(self, stack: str) -> None:
        request = self._inspections.take(stack)
        if request is None:
            return
        if stack not in self._context.stacks:
            self._inspections.forget(stack)
            return
        began = time.monotonic()
        again = look(self._context, stack, request)
        moving = self.act(stack)
        now = self._context.engine.now()
        left = {name: (at - now).total_seconds() + 0.01 for name, at in again.items()}
        self._inspections.plan(stack, request, left, moving=moving, took=time.monotonic() - began)

    def act(self, stack: str) -> bool:
        """Hand out what is due on one stack; True while something there is on its way."""
        now, served = self._context.database.now(), self._context.stacks.get(stack)
        if served is None:
            return False
        spec = served.spec
        with self._context.database.read() as session:
            seen = services.of(session, stack)
            scene = StackSituation(session, spec, seen, rows.unfinished(session, stack), now)
            opening = [one for one in scene.windows if one.state == State.OPENING and one.deadline > now]
            starts = [one.id for one in opening if self._to_begin(stack, startable(spec, seen, one))]
            stops = self._to_begin(stack, stoppable(spec, seen, scene.held, now))
            owing = any(
                row.owed and row.role != Role.CORE and name not in scene.held for name, row in seen.items()
            )
        for window in starts:
            self.open_soon(window)
        if stops:
            self.close_soon(stack)
        return bool(opening) or owing

    def _to_begin(self, stack: str, names: Iterable[str]) -> list[str]:
        """Those that no call of this worker is under way for, nor queued."""
        queues = self._context.opening, self._context.closing
        return [name for name in names if not any((stack, name) in queue for queue in queues)]

    def open_soon(self, window: str) -> None:
        self._submit(self._opening, Loop.OPENING, attend_opening, window)

    def close_soon(self, stack: str) -> None:
        self._submit(self._closing, Loop.CLOSING, attend_closing, stack)

    def _submit(
        self, pool: ThreadPoolExecutor, loop: Loop, work: Callable[[WorkerContext, str], None], what: str
    ) -> None:
        if not self._stopping.is_set():
            pool.submit(self._guard.run, loop, partial(work, self._context, what), what)

    # The clock needs no engine and no broker, only the database.

    def _clock(self) -> None:
        while not self._stopping.is_set():
            liveness_file.beat()
            self._guard.run(Loop.CLOCK, self._tick_or_say_so)
            self._stopping.wait(self._until_stroke())

    def _until_stroke(self) -> float:
        """Seconds until the next tick, which does not come after the next deadline."""
        if self._stroke is None:
            return TICK
        left = (self._stroke + SWEPT - self._context.memory.now()).total_seconds()
        return min(TICK, max(left, 0.02))

    def _tick_or_say_so(self) -> None:
        """A tick that read and wrote all there was to is a sign of life of the database."""
        try:
            self._tick()
        except SQLAlchemyError:
            # Reading alone proves nothing: a full disk lets one read and write nothing.
            self._beat_at, self._stroke = 0.0, None
            self._context.memory.failed()
            raise
        self._context.memory.heard()

    def _unseeing(self) -> None:
        self._blind.loop(self._stopping)

    def _watching(self) -> None:
        self._watchdog.loop(self._stopping)

    def _tick(self) -> None:
        # Deadlines go by the clock, so what has become of that comes first.
        self._guard.isolate(Loop.CLOCK, "house clock", self._timekeeper.tend)
        now = self._context.database.now()
        # What was done without the database comes before what is concluded with it.
        self._guard.isolate(Loop.CLOCK, "journals", partial(recovery.take_in, self._context, now))
        self._guard.isolate(Loop.CLOCK, "deadlines", partial(self._expire, now))
        cancel = partial(outdated_calls.cancel_outdated, self._context)
        self._guard.isolate(Loop.CLOCK, "running calls", cancel)
        self._guard.isolate(Loop.CLOCK, "waiting windows", self._admit)
        self._guard.isolate(Loop.CLOCK, "untouched windows", partial(self._take_in_hand, now))
        if time.monotonic() >= self._beat_at:
            self._beat_at = time.monotonic() + BEAT
            self._guard.isolate(Loop.CLOCK, "sign of life", partial(self.beat, now))
        self._guard.isolate(Loop.CLOCK, "what is known", partial(self._refresh, now))

    def _refresh(self, now: datetime) -> None:
        for stack in self._context.memory.refresh(self._context.node, now):
            self.mark(stack, None, Trigger.START)

    def _admit(self) -> None:
        for window in self._heartbeat.admit():
            self.open_soon(window)

    def _expire(self, now: datetime) -> None:
        """Close what is due and was not swept: the sweep is late, or there is none."""
        with self._context.database.read() as session:
            self._stroke = deadline = rows.next_deadline(session, self._context.node)
        if deadline is None or deadline > now - SWEPT:
            return
        for stack in self._expired(now):
            self.close_soon(stack)

    def _expired(self, now: datetime) -> set[str]:
        """All that is due in one transaction or, where one window breaks that, each in its own."""
        stacks: set[str] = set()
        if not self._guard.isolate(
            Loop.CLOCK, "all that is due", partial(self._expire_some, now, None, stacks)
        ):
            with self._context.database.read() as session:
                due = rows.due_ids(session, now, self._context.node)
            for window in due:
                expire = partial(self._expire_some, now, window, stacks)
                self._guard.isolate(Loop.CLOCK, f"window {window}", expire)
        return stacks

    def _expire_some(self, now: datetime, window: str | None, stacks: set[str]) -> None:
        with self._context.database.write() as session:
            found = {one.stack for one in expiry.expire_due(session, now, self._context.node, window)}
        stacks.update(found)

    def _take_in_hand(self, now: datetime) -> None:
        with self._context.database.read() as session:
            left = rows.untouched(session, self._context.node, now - OVERDUE, now - ABANDONED)
        for window, stack, state in left:
            if state == State.OPENING:
                self.open_soon(window)
            else:
                self.close_soon(stack)

    def beat(self, now: datetime) -> None:
        """Give a sign of life, and see to what dead workers of this node left behind."""
        context = self._context
        self._heartbeat.beat()
        with context.database.read() as session:
            running = services.running_calls(session, context.node)
        self._report_failures()
        for call in running:
            self._guard.isolate(Loop.CLOCK, f"call {call.id}", partial(self._end_if_lost, call, now))

    def _report_failures(self) -> None:
        """Put on record how often the loops have failed since the last time."""
        counts = self._guard.take_counts()
        if not counts:
            return
        try:
            with self._context.database.write() as session:
                loop_failures.add(session, self._context.node, counts)
        except SQLAlchemyError:
            self._guard.give_back(counts)
            raise

    def _end_if_lost(self, running: Call, now: datetime) -> None:
        if not self._is_lost(running.id, running.worker):
            return
        self._end(running)
        with self._context.database.write() as session:
            call = session.get(Call, running.id)
            if call is None or not calls.lose_call(session, call, now):
                return
        log.warning("call %d (%s %s) was lost with its worker", running.id, running.action, running.service)
        self.mark(running.stack, [running.service], Trigger.CALL)

    # The files need neither engine nor database: what came of them is published with the next sign of life.

    def _files(self) -> None:
        while not self._stopping.wait(FILES):
            self._guard.run(Loop.FILES, self._reread)

    def _reread(self) -> None:
        asked = time.monotonic() - self._engine_asked_at
        if asked > ENGINE_ASKED or (asked > BEAT and not self._knows_engine()):
            self._engine_asked_at = time.monotonic()
            self._heartbeat.know_engine()
        changed = self._loading.look()
        if changed:
            self._beat_at = 0.0
        for stack in changed:
            self.mark(stack, None, Trigger.REQUEST)

    def _knows_engine(self) -> bool:
        return (
            bool(self._context.engine_id) and self._loading.engine_fault == self._context.engine.fault == ""
        )

    def _is_lost(self, call: int, worker: str) -> bool:
        context = self._context
        if worker == context.me.name:
            return call not in context.under_way and call not in context.journal.calls
        # Its journal is taken in first: it may tell how the call ended.
        return context.me.dead(worker) and worker not in recovery.others(context)

    def _end(self, call: Call) -> None:
        context, project = self._context, compose.project_of(call.argv)
        if project and identity.end_leftover(context.lock_dir, project, call.service, context.me.dead):
            log.warning("ended what a dead worker left running on %s/%s", call.stack, call.service)
