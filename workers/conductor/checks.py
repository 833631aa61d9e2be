"""Make one try of one check, of any kind. Never raises."""

from __future__ import annotations

import logging
from datetime import datetime

from app.domain.scenarios import (
    Check,
    ExecCheck,
    FileCheck,
    HttpCheck,
    LogCheck,
    MetricCheck,
    ScenarioStep,
    TcpCheck,
)
from app.store import windows
from app.store.tables import Window
from workers.conductor import container_checks, network_checks
from workers.conductor.network_checks import Verdict
from workers.conductor.statistics import UsageCollector
from workers.engine import negotiation, stack_secrets
from workers.engine.negotiation import Unable
from workers.reconcile.logs import engine_time
from workers.stacks.stack_reader import Served
from workers.state.context import WorkerContext

log = logging.getLogger(__name__)


class CheckScene:
    """The open window that the checks of one run look at."""

    def __init__(self, context: WorkerContext, served: Served, window: str, usage: UsageCollector) -> None:
        self._context, self._served, self._window, self._usage = context, served, window, usage

    def try_check(self, step: ScenarioStep) -> Verdict:
        """Try the check of a step once; the detail has no secret of the stack."""
        try:
            passed, detail = self._try(step.check, step.timeout)
        except Unable as error:
            passed, detail = False, negotiation.why(error)
        except Exception as error:
            log.error("step %s broke", step.name, exc_info=error)
            passed, detail = False, f"the check broke: {type(error).__name__}: {error}"
        return passed, stack_secrets.redact(self._served.spec.project, detail)

    def _try(self, check: Check, timeout: float) -> Verdict:
        context, project = self._context, self._served.spec.project
        match check:
            case HttpCheck():
                return network_checks.check_http(check, timeout)
            case TcpCheck():
                return network_checks.check_tcp(check, timeout)
            case ExecCheck():
                return container_checks.check_exec(context, project, check, timeout)
            case LogCheck():
                return container_checks.check_log(
                    context, project, check, engine_time(context, self._since())
                )
            case MetricCheck():
                return container_checks.check_metric(check, self._usage.of, self._start_sec(check.service))
            case FileCheck():
                return container_checks.check_file(context, project, check)

    def _row(self) -> Window:
        with self._context.database.read() as session:
            window = windows.get(session, self._window)
        assert window is not None
        return window

    def _since(self) -> datetime:
        window = self._row()
        return window.opening_at or window.created_at

    def _start_sec(self, service: str) -> float | None:
        window = self._row()
        ready = next((one.ready_at for one in window.leases if one.service == service), None)
        return (ready - window.opening_at).total_seconds() if ready and window.opening_at else None
