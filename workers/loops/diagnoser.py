"""Diagnose failing services: collect evidence, apply the rules, and store the result.

The diagnoser has its own thread, so no inspection and no call waits for it. A request that fails is
logged and dropped: the next change of the service makes another one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from app.domain import untrusted_text
from app.domain.diagnosis.conditions import Facts
from app.domain.diagnosis.evidence import Evidence
from app.domain.diagnosis.rules import UNKNOWN_CAUSE, Diagnosis, diagnose
from app.domain.enums import Loop
from app.host.periodic_thread import PeriodicThread
from app.settings import diagnosis_rules
from app.settings.diagnosis_rules import RuleSet
from app.store import diagnoses, services
from app.store import windows as rows
from workers.engine import stack_secrets
from workers.engine.negotiation import Unable
from workers.reconcile import blocked_evidence, container_lives, diagnosis_requests
from workers.reconcile import evidence as collecting
from workers.stacks import patches
from workers.stacks.stack_reader import Served
from workers.state.context import WorkerContext
from workers.state.diagnosis_queue import DiagnosisRequest

log = logging.getLogger(__name__)

_PAUSE = 0.5
"""Seconds between two looks at whether the loop is to stop."""
_LATER = 1.0
"""Seconds after which a container without a known cause is looked at once more."""
_LINE = 500
"""Characters of one line that is stored."""


class RuleFiles:
    """The rules in force. The files in `diagnosis.d/` are read again when they change."""

    def __init__(self, config: Path) -> None:
        """`config`: the path of power.toml, beside which `diagnosis.d/` is looked for."""
        self._folder = config.absolute().parent
        self._stamp: tuple[tuple[str, int, int], ...] | None = None
        self._rules = RuleSet(())

    def current(self) -> RuleSet:
        """The rules as the files have them now. Faults are logged when they are new."""
        stamp = tuple(self._stamps())
        if stamp != self._stamp:
            self._stamp, self._rules = stamp, diagnosis_rules.read_rules(self._folder)
            for fault in self._rules.faults:
                log.error("%s", fault)
        return self._rules

    def _stamps(self) -> Sequence[tuple[str, int, int]]:
        try:
            paths = sorted((self._folder / diagnosis_rules.USER_FOLDER).glob("*.toml"))
            stats = [(path.name, path.stat()) for path in paths]
        except OSError:
            return ()
        return [(name, status.st_mtime_ns, status.st_size) for name, status in stats]


class Diagnoser:
    """The diagnosing loop of one worker."""

    def __init__(self, context: WorkerContext, config: Path, stopping: threading.Event) -> None:
        self._context = context
        self._files = RuleFiles(config)
        self._config, self._stopping = config, stopping
        self._thread = PeriodicThread(
            "diagnoser", self._run_round, lambda: 0.0, stopping=stopping, pause_first=False
        )

    def start(self) -> None:
        """Start the loop's thread."""
        self._thread.start()

    def _run_round(self) -> None:
        request = self._context.diagnosing.take(_PAUSE)
        if request is None:
            return
        try:
            if not self._context.snapshot.away:
                work = partial(self._diagnose_if_shown, request)
                self._context.guard.run(Loop.DIAGNOSES, work, "/".join(request.key))
        finally:
            self._context.diagnosing.finish()

    def _diagnose_if_shown(self, request: DiagnosisRequest, *, late: bool = False) -> None:
        try:
            if not (late and self._stopping.is_set()):
                self.diagnose(request, late=late)
        except Unable as error:
            log.info("%s/%s is not diagnosed: %s", *request.key, str(error).partition("\n")[0])

    def diagnose(self, request: DiagnosisRequest, *, late: bool = False) -> None:
        """Diagnose one service or refused stack, and store what the rules say.

        Without a known cause an ended container is looked at once more, a little later; `late` is that time.
        """
        served = self._context.stacks.get(request.stack)
        if request.faults:
            collected = collecting.collect_refusal(request)
        elif served is None:
            return
        elif request.blocked:
            collected = blocked_evidence.collect_blocked(self._context, served, request)
        elif (recent := container_lives.of_this_window(self._context, request)) is None:
            return
        else:
            collected = collecting.collect_evidence(self._context, served, recent)
        if _is_well(collected):
            return
        spoken = diagnose(Facts.of(collected), self._files.current().rules)
        if not spoken[0].is_known and not _fails(collected):
            return
        if not spoken[0].is_known and collected.ended and not late:
            # The engine may read a container's last lines after it has reported its end.
            self._later(request)
        clean = partial(stack_secrets.redact, served.spec.project if served else "")
        causes = [_as_json(one, self._patch(served, collected, one), clean) for one in spoken]
        self._store(request, causes)
        log.info("%s/%s: %s (%s)", *request.key, spoken[0].title, spoken[0].rule or spoken[0].cause)

    def _later(self, request: DiagnosisRequest) -> None:
        work = partial(self._diagnose_if_shown, request, late=True)
        run = partial(self._context.guard.run, Loop.DIAGNOSES, work, "/".join(request.key))
        timer = threading.Timer(_LATER, run)
        timer.daemon = True
        timer.start()

    def _patch(self, served: Served | None, collected: Evidence, one: Diagnosis) -> patches.Patch | None:
        """The change that a diagnosis suggests, made from the real files; None where that is not certain."""
        if one.change is None or served is None:
            return None
        config = collecting.configuration(served)
        target = patches.PatchTarget(served, collected, config, self._config)
        try:
            return patches.make_patch(target, one.change)
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.info("%s/%s: no patch: %s", collected.stack, collected.service, error)
            return None

    def _store(self, request: DiagnosisRequest, causes: list[dict[str, Any]]) -> None:
        database, (stack, service) = self._context.database, request.key
        with database.write() as session:
            now, window = database.now(), _window(session, request)
            before = diagnoses.causes_of(session, stack, service, window)
            combined = _combine(before, causes, added=request.stopped_in is not None)
            if combined != before:
                diagnoses.record(
                    session,
                    stack=stack,
                    service=service,
                    window=window,
                    node=self._context.node,
                    causes=combined,
                    now=now,
                )
                diagnosis_requests.after_diagnosis(self._context, session, stack, service, now)
            diagnoses.forget(session, now - diagnoses.DIAGNOSIS_RETENTION)


def _window(session: Session, request: DiagnosisRequest) -> str | None:
    """The newest window that holds the service; else the one of its last call."""
    if request.window:
        return request.window
    moving = rows.moving_of(session, request.stack)
    held = [one for one in moving if request.service in {lease.service for lease in one.leases}]
    if newest := max(held, key=lambda one: one.created_at, default=None):
        return newest.id
    call = services.last_calls(session, [request.stack]).get(request.key) if request.service else None
    return call.window_id if call else None


def _combine(
    before: list[dict[str, Any]], causes: list[dict[str, Any]], *, added: bool
) -> list[dict[str, Any]]:
    """The causes to keep.

    A known one is not given up for an unknown. What a stop shows is `added`: it is no cause of a failure
    before the stop, whether that has a known cause or not.
    """
    causes_before = [one for one in before if one["cause"] != UNKNOWN_CAUSE]
    if causes[0]["cause"] == UNKNOWN_CAUSE:
        return before if causes_before else causes
    if not added:
        return causes
    new = {one["cause"] for one in causes}
    return [*(one for one in before if one["cause"] not in new), *causes]


def _is_well(collected: Evidence) -> bool:
    """Is the service healthy with no verdict against it, and was it ready in the time that it is given?"""
    return collected.is_well and not collected.detail and collected.health.recovered_sec is None


def _fails(collected: Evidence) -> bool:
    """Is there anything wrong that an `unknown` would be an answer to?"""
    if collected.is_well or collected.health.recovered_sec is not None:
        return False
    return not (collected.call.action in {"stop", "pre_stop"} and collected.call.status == "ok")


def _as_json(one: Diagnosis, patch: patches.Patch | None, clean: Callable[[str], str]) -> dict[str, Any]:
    return {
        "cause": one.cause,
        "title": _line(clean(one.title)),
        "confidence": one.confidence,
        "evidence": [_line(clean(line)) for line in one.evidence],
        "suggestion": _line(clean(one.suggestion)),
        "rule": one.rule,
        "source": one.source,
        "patch": None
        if patch is None
        else {"file": patch.file, "diff": patch.diff, "directory": patch.directory},
    }


def _line(text: str) -> str:
    return untrusted_text.storable(untrusted_text.shorten(untrusted_text.harmless(text), _LINE))
