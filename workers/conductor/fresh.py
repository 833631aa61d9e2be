"""Removes the stopped containers of services, with their anonymous volumes, before a run with `fresh = true`.

Nothing that runs is removed, and no named volume: `docker compose rm` without `--stop` leaves what runs,
and its `-v` removes anonymous volumes alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

from app.domain.calls import CallOutcome, StartedCall
from app.domain.enums import Action, CallStatus
from app.store import locks
from app.store import windows as rows
from app.usecases.reconciliation import calls
from workers.engine import compose
from workers.stacks.stack_reader import Served
from workers.state import identity
from workers.state.context import WorkerContext

REMOVE_TIMEOUT = 60.0
"""Seconds that the removal of one service's containers may take."""
LOCK_WAIT = 10.0
"""Seconds for which a service that another call works on is waited for."""


class NotFresh(Exception):
    """A service cannot begin with new containers, for the reason given."""


def remove_stopped(context: WorkerContext, served: Served, services: Sequence[str]) -> list[int]:
    """Remove the containers of these services; return the ids of the calls. Raises NotFresh.

    Refused where a live window holds one of them, or one of them runs.
    """
    stack, project = served.spec.name, served.spec.project
    core = context.core.get(stack, frozenset())
    with context.database.read() as session:
        live = rows.live_leases(session, [stack], context.database.now())
    for service in services:
        holders = sorted(lease.window for lease in live if lease.service == service)
        if holders:
            raise NotFresh(f"{service} is held by window {', '.join(holders)}")
        if service in core:
            raise NotFresh(f"{service} is core")
    there = context.engine.containers(project, services)
    if running := sorted({one.service for one in there if one.alive}):
        raise NotFresh(f"{', '.join(running)} runs already; stop it, and run the scenario again")
    with_containers = {one.service for one in there}
    return [_remove(context, served, service) for service in services if service in with_containers]


def _remove(context: WorkerContext, served: Served, service: str) -> int:
    until = time.monotonic() + LOCK_WAIT
    while True:
        with locks.hold_lock(context.lock_dir, served.spec.project, service) as lock:
            if lock is not None:
                return _call(context, served, service, lock)
        if time.monotonic() > until:
            raise NotFresh(f"another call works on {service}")
        time.sleep(0.2)


def _call(context: WorkerContext, served: Served, service: str, lock: int) -> int:
    """Make the call under the service's lock, and record its beginning and its end."""
    command = compose.remove(served.spec.project, service)
    begun = StartedCall(
        stack=served.spec.name,
        service=service,
        action=Action.REMOVE,
        argv=command.argv,
        node=context.node,
        worker=context.me.name,
        window=None,
    )
    with context.database.write() as session:
        call = calls.start_call(session, begun, context.database.now())
        context.under_way.add(call)
    try:
        started = partial(identity.sign, context.me.name, lock)
        outcome = compose.run(command, REMOVE_TIMEOUT, lock=lock, started=started)
        with context.database.write() as session:
            calls.finish_call(session, call, outcome, context.database.now())
    finally:
        context.under_way.discard(call)
    _require_success(service, outcome)
    return call


def _require_success(service: str, outcome: CallOutcome) -> None:
    if outcome.status is not CallStatus.OK:
        raise NotFresh(f"the containers of {service} could not be removed: {outcome.stderr.strip()[-200:]}")
