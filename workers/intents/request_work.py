"""Attends to one request from its beginning to its end: build, open, wait, check.

Where this worker dies, the window's deadline stops its services, and the next worker ends the request.
A window that is open stays open when a check fails, so that it can be looked at.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial

from sqlalchemy.orm import Session

from app.domain import planning
from app.domain.enums import Power, State, Status
from app.domain.intents import Intent, IntentOutcome, IntentState
from app.domain.scenarios import CheckKind, Scenario
from app.store.tables import IntentRequest, Window, stamp
from app.usecases import intents, runs
from workers.conductor.checks import CheckScene
from workers.conductor.run_record import RunRecord
from workers.conductor.statistics import UsageCollector
from workers.conductor.step_runner import run_steps
from workers.engine import negotiation
from workers.intents.image_builds import BuildFailed, ImageBuilds, end_left_builds
from workers.intents.progress import RequestMonitor, RequestProgress
from workers.jobs.converging import Converging
from workers.jobs.database_retry import retry_while_away
from workers.jobs.job_window import JobFailed, open_window, read_window
from workers.stacks.stack_reader import Served
from workers.state.context import WorkerContext

log = logging.getLogger(__name__)

_PAUSE = 0.2


class WindowFailed(JobFailed):
    """None of its services came up, so that its window ended by itself."""


class RequestWork:
    """One request, attended to in the thread that calls `carry_out` or `end_left_over`."""

    def __init__(
        self,
        context: WorkerContext,
        converging: Converging,
        row: IntentRequest,
        *,
        build_lock: threading.Lock,
        stopping: Callable[[], bool],
    ) -> None:
        """The one build of this node holds `build_lock`; `stopping` returns whether the worker ends."""
        self._context, self._converging, self._stopping = context, converging, stopping
        self._build_lock = build_lock
        self.id, self._stack, self._intent, self._actor = row.id, row.stack, row.intent, row.actor
        self._left_builds = [str(one["service"]) for one in row.builds]
        self._left_state, self._window_id = str(row.state), row.window_id
        self._progress = RequestProgress(row.builds)
        self._monitor = RequestMonitor(context, row.id, self._progress, stopping)
        self._was_on: list[str] = []

    def carry_out(self) -> None:
        """Attend to the request until it is finished."""
        self._monitor.start()
        try:
            outcome, detail = self._try()
        finally:
            self._monitor.stop()
        retry_while_away(partial(self._finish, outcome, detail), f"request {self.id}", self._stopping)

    def end_left_over(self, reason: str) -> None:
        """End the request of a dead worker; what it was building is ended, its window is left as it is."""
        served = self._context.stacks.get(self._stack)
        project = served.spec.project if served else ""
        if ended := end_left_builds(self._context, project, self._left_builds):
            log.warning("request %s: ended the build of %s", self.id, ", ".join(ended))
        left = f"; window {self._window_id} stays until its deadline" if self._window_id else ""
        detail = f"{reason} while it was {self._left_state}{left}"
        with self._context.database.write() as session:
            now = self._context.database.now()
            intents.finish_request(session, self.id, IntentOutcome.CUT, detail, now)

    def _try(self) -> tuple[IntentOutcome, str]:
        try:
            detail = self._build_open_check()
        except (JobFailed, BuildFailed) as failed:
            if self._monitor.interrupted.is_set() and not isinstance(failed, WindowFailed):
                return IntentOutcome.CUT, self._monitor.reason
            return IntentOutcome.FAILED, str(failed)
        except Exception as error:
            log.error("request %s failed", self.id, exc_info=error)
            return IntentOutcome.FAILED, f"it broke off: {type(error).__name__}: {error}"
        return IntentOutcome.PASSED, detail

    def _build_open_check(self) -> str:
        """The detail of a request that has passed; raises JobFailed or BuildFailed."""
        served, intent, scenario = self._read_intent()
        if intent.build:
            self._progress.begin_state(IntentState.BUILDING, "builds what has changed")
            builds = ImageBuilds(self._context, served, self.id, self._progress, self._monitor)
            builds.build_all(intent, self._build_lock)
            self._note_running(served)
        self._progress.begin_state(IntentState.OPENING, "opens its window")
        window = self._await_open(self._open())
        if scenario.steps:
            self._progress.begin_state(IntentState.CHECKING, "runs its checks")
            self._check(served, intent, scenario, window.id)
        passed = "; every check passed" if scenario.steps else ""
        return f"open until {stamp(window.deadline)}{passed}{self._old_images()}"

    def _read_intent(self) -> tuple[Served, Intent, Scenario]:
        """The intent by what this worker itself serves, whatever the row says. Raises JobFailed."""
        served = self._context.stacks.get(self._stack)
        if served is None or served.place is None:
            raise JobFailed(f"stack {self._stack} is not served here")
        intent, scenario = served.spec.intents.get(self._intent), served.intent_checks.get(self._intent)
        if intent is None or scenario is None:
            raise JobFailed(f"power.toml has no intent {self._intent} for stack {self._stack} any more")
        self._progress.plan_checks(RunRecord(runs.initial_steps(scenario)))
        return served, intent, scenario

    def _note_running(self, served: Served) -> None:
        """Remember which services run already: they are not recreated, whatever was built."""
        built = self._progress.built()
        try:
            there = self._context.engine.containers(served.spec.project, built) if built else []
        except negotiation.Unable:
            there = []
        self._was_on = sorted({one.service for one in there if one.alive})

    def _old_images(self) -> str:
        if not self._was_on:
            return ""
        return f"; {', '.join(self._was_on)} ran already and keeps its old image until it is stopped"

    def _open(self) -> str:
        def open_in(session: Session, now: datetime) -> Window | None:
            return intents.open_request_window(session, self.id, now)

        self._stop_if_interrupted()
        window = open_window(self._context.database, open_in, self._monitor.read)
        self._converging.open_soon(window)
        return window

    def _await_open(self, window_id: str) -> Window:
        """The window once every service is ready; raises JobFailed where it cannot be."""
        while True:
            window = read_window(self._context.database, window_id)
            if window.state in {State.CLOSING, State.CLOSED} and window.status == Status.FAIL:
                raise WindowFailed(_unready(window))
            if window.state == State.OPEN and window.status is not None:
                break
            self._stop_if_interrupted()
            self._monitor.interrupted.wait(_PAUSE)
        if window.status != Status.OK:
            raise JobFailed(_unready(window))
        return window

    def _check(self, served: Served, intent: Intent, scenario: Scenario, window: str) -> None:
        held = sorted(planning.closure(served.spec, intent.services))
        usage = UsageCollector(self._context, served.spec.project, held)
        measured = any(step.kind is CheckKind.METRIC for step in scenario.steps.values())
        if measured:
            usage.start()
        scene = CheckScene(self._context, served, window, usage)
        record, now = self._progress.record, self._context.database.now
        try:
            passed = run_steps(scenario, record, scene.try_check, self._monitor.interrupted, now)
        finally:
            if measured:
                usage.stop()
        self._stop_if_interrupted()
        if not passed:
            bad = [
                f"{one['name']}: {one['detail']}" for one in record.step_rows() if one["status"] == "failed"
            ]
            raise JobFailed(f"the window is open, and a check failed: {'; '.join(bad)}")

    def _stop_if_interrupted(self) -> None:
        if self._monitor.interrupted.is_set():
            raise JobFailed(self._monitor.reason)

    def _finish(self, outcome: IntentOutcome, detail: str) -> None:
        builds, checks = self._progress.builds(), self._progress.record.step_rows()
        with self._context.database.write() as session:
            now = self._context.database.now()
            intents.finish_request(session, self.id, outcome, detail, now, builds=builds, checks=checks)
        log.info("request %s (%s) of stack %s: %s: %s", self.id, self._intent, self._stack, outcome, detail)


def _unready(window: Window) -> str:
    """Which services are not ready, each with the first line of why."""
    bad = [lease for lease in window.leases if lease.power not in {Power.ON, Power.DONE}]
    why = [f"{one.service}: {(one.detail.splitlines() or [str(one.power)])[0]}" for one in bad]
    return f"not ready: {'; '.join(why) or window.close_detail}"
