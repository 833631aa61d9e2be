"""The `pre_stop` hooks of a service, which only Compose runs, and only for a stop by the files.

A stop by the files is made first, for no longer than one stop may take, and recorded as
a call of its own. It decides nothing: after any outcome the worker decides again and
the plain stop, which needs no file, follows at once. A forced close skips the hooks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from app.domain.calls import CallOutcome
from app.domain.decisions import Decision
from app.domain.enums import Action, CallStatus
from app.domain.planning import ServiceSpec
from workers.engine import compose
from workers.engine.compose import Command, ComposeFiles

log = logging.getLogger(__name__)
FILES_MISSING = (
    "the pre_stop hook was not run: the worker has no compose files of this stack; a plain stop follows"
)


def before(decision: Decision, spec: ServiceSpec, *, alive: bool) -> Decision:
    """The hooks, where a plain stop is due of a service that has some and runs; else the same decision."""
    if decision.action is not Action.STOP or not spec.pre_stop or not alive:
        return decision
    return replace(decision, action=Action.PRE_STOP, why=f"{decision.why}; its pre_stop hook comes first")


def command(place: ComposeFiles | None, service: str) -> Command:
    """The stop by the files; a command of no words where there are no files."""
    return compose.pre_stop(place, service) if place else Command(Action.PRE_STOP, (), Path("/"))


def run(command: Command, timeout: float, call: Callable[[], CallOutcome]) -> CallOutcome:
    """Make the call, which ends after `timeout` seconds, and say what its end means for the hooks."""
    if not command.argv:
        log.warning(FILES_MISSING)
        return CallOutcome(CallStatus.FAIL, None, 0, stderr=FILES_MISSING)
    outcome = call()
    message = {
        CallStatus.FAIL: "the pre_stop hook failed, or could not be run; a plain stop follows",
        CallStatus.TIMEOUT: f"the pre_stop hook and the stop took over {timeout:g} s; a plain stop follows",
    }.get(outcome.status)
    if message is None:
        return outcome
    log.warning("%s: %s", command, message)
    return replace(outcome, stderr=f"{outcome.stderr.rstrip()}\n{message}".lstrip())
