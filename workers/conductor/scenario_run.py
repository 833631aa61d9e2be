"""Conducts one run from its beginning to its end: fresh, open, await, check, close, prove, report.

After any error in between, the window is closed and the run is finished. Where this worker dies, the
window's deadline stops its services, and the next worker ends the run as cut.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.domain import planning
from app.domain.enums import State, Status
from app.domain.errors import Refusal
from app.domain.scenarios import RunOutcome, Scenario, ScenarioStep
from app.settings import ConfigError
from app.settings.scenario_toml import parse_scenario
from app.store import runs as rows
from app.store import windows
from app.store.tables import ScenarioRun, Window
from app.usecases import jobs, runs
from workers.conductor import fresh, report, unready
from workers.conductor.checks import CheckScene
from workers.conductor.fresh import NotFresh
from workers.conductor.images import check_images
from workers.conductor.monitor import RunMonitor
from workers.conductor.report import RunEnd
from workers.conductor.run_record import RunRecord
from workers.conductor.statistics import UsageCollector
from workers.conductor.step_runner import run_steps, skip_rest
from workers.engine import negotiation
from workers.jobs.converging import Converging
from workers.jobs.database_retry import Result, retry_while_away
from workers.jobs.job_window import JobFailed, open_window, read_window
from workers.stacks.stack_reader import Served
from workers.state.context import WorkerContext

log = logging.getLogger(__name__)

DIAGNOSIS_WAIT = 5.0
"""Seconds that a report waits for the diagnoses of services that failed."""
CLOSE_WAIT = 120.0
"""Seconds for which the end of the window is awaited on top of the longest stop of its services."""
STOPPED_PHASE = "waits for its services to stop, since its worker was stopped"
"""The phase of a run that a worker which ends may leave to the next one."""
_PAUSE = 0.2


@dataclass(frozen=True, slots=True)
class WorkerEnd:
    """Whether the worker is about to end, and whether it waits no longer."""

    has_begun: Callable[[], bool]
    is_over: Callable[[], bool]


class LeftToNextWorker(Exception):
    """The worker ends before the services of the run are off. The run is not finished."""


class ConductedRun:
    """One run, conducted in the thread that calls `conduct` or `end_left_over`."""

    def __init__(
        self, context: WorkerContext, converging: Converging, row: ScenarioRun, ending: WorkerEnd
    ) -> None:
        self._context, self._converging, self._ending = context, converging, ending
        self.id, self._stack, self._name = row.id, row.stack, row.name
        self._actor, self._document = row.actor, row.document
        self._record = RunRecord(row.steps)
        self._monitor = RunMonitor(context, row.id, self._record, ending.has_begun)
        self._usage: UsageCollector | None = None
        self._removals: list[int] = []
        self._held: list[str] = []

    def conduct(self) -> None:
        """Conduct the run to its end."""
        self._monitor.start()
        try:
            outcome, detail = self._try()
            self._persist(self._close)
            self._finish(outcome, detail)
        except LeftToNextWorker:
            log.warning("run %s is left to the next worker: its services are not off yet", self.id)
        finally:
            self._stop_threads()

    def end_left_over(self, reason: str) -> None:
        """Close the window of a run whose worker is dead, and finish the run as cut."""
        self._record.note(f"this run was cut: {reason}; the window was closed by the next worker")
        self._monitor.expect_closing()
        self._monitor.start()
        try:
            self._persist(self._close)
            skip_rest(self._record, "the run was cut", self._now())
            self._finish(RunOutcome.CUT, reason)
        except LeftToNextWorker:
            log.warning("run %s is left to the next worker: its services are not off yet", self.id)
        finally:
            self._stop_threads()

    def _stop_threads(self) -> None:
        if self._usage:
            self._usage.stop()
        self._monitor.stop()

    def _try(self) -> tuple[RunOutcome, str]:
        """The outcome of everything before the window is closed."""
        try:
            passed, detail = self._open_and_check()
        except JobFailed as failed:
            passed, detail = False, str(failed)
        except Exception as error:
            log.error("run %s failed", self.id, exc_info=error)
            passed, detail = False, f"the run broke off: {type(error).__name__}: {error}"
        if self._usage:
            self._usage.collect_quietly()
        if self._monitor.interrupted.is_set() and not self._monitor.window_failed:
            return RunOutcome.CUT, self._monitor.reason
        if not passed:
            self._record.note_failure("run", detail, self._now())
        return (RunOutcome.PASSED if passed else RunOutcome.FAILED), detail

    def _open_and_check(self) -> tuple[bool, str]:
        scenario, served = self._read_scenario()
        self._held = sorted(planning.closure(served.spec, scenario.services))
        if scenario.fresh:
            self._begin_phase("removes old containers")
            self._remove_old(served)
        engine, project = self._context.engine, served.spec.project
        check_images(engine, project, scenario.images)
        self._begin_phase("opens its window")
        window = self._open(scenario)
        self._usage = UsageCollector(self._context, served.spec.project, self._held)
        self._usage.start()
        self._begin_phase("waits for its services")
        self._await_ready(window)
        check_images(engine, project, scenario.images, window)
        self._begin_phase("runs its steps")
        scene = CheckScene(self._context, served, window, self._usage)
        try_check: Callable[[ScenarioStep], tuple[bool, str]] = scene.try_check
        passed = run_steps(scenario, self._record, try_check, self._monitor.interrupted, self._now)
        failed = [one["name"] for one in self._record.step_rows() if one["status"] == "failed"]
        return passed, "every step passed" if passed else f"failed: {', '.join(failed)}"

    def _read_scenario(self) -> tuple[Scenario, Served]:
        """Return the scenario from this worker's own files; the row's copy is ignored. Raises JobFailed."""
        served = self._context.stacks.get(self._stack)
        if served is None or served.place is None:
            raise JobFailed(f"stack {self._stack} is not served here")
        try:
            scenario = parse_scenario(self._document, "scenario")
            planning.check_asked(served.spec, scenario.services)
            runs.check_scope(served.spec, scenario)
            runs.check_images(served.spec, scenario)
        except (ConfigError, Refusal) as error:
            raise JobFailed(str(error)) from error
        return scenario, served

    def _remove_old(self, served: Served) -> None:
        try:
            self._removals = fresh.remove_stopped(self._context, served, self._held)
        except NotFresh as error:
            raise JobFailed(f"it cannot begin afresh: {error}") from error
        except negotiation.Unable as error:
            raise JobFailed(f"it cannot begin afresh: {negotiation.why(error)}") from error
        if not self._removals:
            return
        services = "1 service" if len(self._removals) == 1 else f"{len(self._removals)} services"
        self._record.note(f"began afresh: the containers of {services} were removed")

    def _open(self, scenario: Scenario) -> str:
        def open_in(session: Session, now: datetime) -> Window | None:
            return runs.open_run_window(session, self.id, scenario, now)

        window = open_window(self._context.database, open_in, self._monitor.read)
        self._converging.open_soon(window)
        return window

    def _await_ready(self, window_id: str) -> None:
        """Wait until the window is open with every service ready; raises JobFailed where it cannot be."""
        while not self._monitor.interrupted.is_set():
            window = self._window(window_id)
            if window.state == State.OPEN and window.status is not None:
                break
            if window.state in {State.CLOSING, State.CLOSED}:
                break
            self._monitor.interrupted.wait(_PAUSE)
        else:
            if self._monitor.window_failed:
                raise JobFailed(self._describe_unready(window_id))
            raise JobFailed(self._monitor.reason)
        if window.state != State.OPEN or window.status != Status.OK:
            raise JobFailed(self._describe_unready(window_id))

    def _describe_unready(self, window_id: str) -> str:
        window = unready.await_output(partial(self._window, window_id))
        return unready.describe_unready(window, self._record, self._now())

    def _close(self) -> None:
        """Begin to close the window of the run, where it has one."""
        self._monitor.expect_closing()
        self._begin_phase("closes its window")
        with self._context.database.write() as session:
            row = rows.get(session, self.id)
            if row is not None:
                reason = f"run {self.id} is over"
                jobs.close_job_window(session, row, reason, self._actor, self._context.database.now())
        self._converging.close_soon(self._stack)

    def _finish(self, outcome: RunOutcome, detail: str) -> None:
        """Wait until the window has closed, prove by the engine what runs, and store the report."""
        self._persist(self._await_closed)
        self._begin_phase("asks the engine what runs")
        proof = self._persist(self._prove)
        self._stop_threads()
        skip_rest(self._record, "the run ended before it", self._now())
        if outcome is RunOutcome.PASSED and not proof["released"]:
            outcome, detail = RunOutcome.FAILED, proof["detail"]
            self._record.note_failure("proof", detail, self._now())
        end = RunEnd(outcome, detail[: jobs.LONGEST_JOB_DETAIL], self._now())
        self._persist(partial(self._store, proof, end))
        log.info("run %s (%s) of stack %s: %s: %s", self.id, self._name, self._stack, outcome, detail)

    def _prove(self) -> dict[str, Any]:
        held = self._held or self._leased_services()
        return report.prove_only_core(self._context, self._stack, held)

    def _leased_services(self) -> list[str]:
        with self._context.database.read() as session:
            row = rows.get(session, self.id)
            window = windows.get(session, row.window_id) if row and row.window_id else None
            return [lease.service for lease in window.leases] if window else []

    def _store(self, proof: dict[str, Any], end: RunEnd) -> None:
        context, steps = self._context, self._record.step_rows()
        if end.outcome is not RunOutcome.PASSED:
            context.diagnosing.await_finished(self._stack, DIAGNOSIS_WAIT)
        built = report.build_report(
            context, self.id, self._record, end, usage=self._usage, proof=proof, extra_calls=self._removals
        )
        with context.database.write() as session:
            now = context.database.now()
            runs.finish_run(session, self.id, end.outcome, end.detail, report=built, now=now, steps=steps)

    def _await_closed(self) -> None:
        """Wait until the window has closed; a stop that takes longer than it may goes on without the run.

        Raises LeftToNextWorker where this worker ends before.
        """
        served = self._context.stacks.get(self._stack)
        specs = served.spec.services if served else {}
        longest = max((specs[name].stop_timeout for name in self._held if name in specs), default=20.0)
        until = time.monotonic() + CLOSE_WAIT + longest
        while time.monotonic() < until:
            with self._context.database.read() as session:
                row = rows.get(session, self.id)
                window = windows.get(session, row.window_id) if row and row.window_id else None
            if window is None or window.state == State.CLOSED:
                return
            self._check_worker()
            time.sleep(_PAUSE)
        self._record.note("the window had not closed when the run ended; its stops go on without it")

    def _check_worker(self) -> None:
        """Note that this worker is about to end; raise LeftToNextWorker where it waits no longer."""
        if self._ending.has_begun() and self._record.phase != STOPPED_PHASE:
            self._begin_phase(STOPPED_PHASE)
        if self._ending.is_over():
            raise LeftToNextWorker

    def _persist(self, work: Callable[[], Result]) -> Result:
        """Do this, again while the database is away. Raises LeftToNextWorker where the worker ends."""
        try:
            return retry_while_away(work, f"run {self.id}", self._ending.is_over)
        except SQLAlchemyError as error:
            raise LeftToNextWorker from error

    def _window(self, window_id: str) -> Window:
        return read_window(self._context.database, window_id)

    def _begin_phase(self, phase: str) -> None:
        self._record.begin_phase(phase, self._now())

    def _now(self) -> datetime:
        return self._context.database.now()
