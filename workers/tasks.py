"""The tasks: a few lines each. Arguments are ids, and every task may run twice, late or never.

A message carries no order: the task reads the database and the worker's own stacks, so a
forged message can at most cause an inspection.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from celery import current_task, signals

from app import task_queue, tracing
from app.domain.enums import Loop
from app.store import windows
from app.store.database import is_outage
from app.usecases.windows import expire as expiry
from workers import runtime
from workers.celery import app
from workers.reconcile import logs
from workers.reconcile.attend import attend_closing, attend_opening

log = logging.getLogger(__name__)

REFUSED = 1
"""The exit code of a worker whose node is another's."""


def ends_in_outage(work: Callable[..., None]) -> Callable[..., None]:
    """End the task where the database is away: the row is the queue, so the work is not lost.

    The log has one line an outage, in place of a traceback for each message.
    """
    item = f"task {work.__name__}"

    @wraps(work)
    def run(*arguments: object, **named: object) -> None:
        guard = runtime.context().guard
        try:
            work(*arguments, **named)
        except Exception as error:
            if not is_outage(error):
                raise
            guard.record_failure(Loop.TASKS, error, item)
        else:
            guard.record_success(Loop.TASKS, item)

    return run


@app.task(name=task_queue.OPEN)
@ends_in_outage
def open_window(window_id: str) -> None:
    """Look at an opening window and start what may start now."""
    with tracing.span(task_queue.OPEN, _trace(), power__window=str(window_id)):
        attend_opening(runtime.context(), str(window_id))


@app.task(name=task_queue.CLOSE)
@ends_in_outage
def close_window(window_id: str) -> None:
    """Stop the services of a closing window's stack that no live window holds."""
    context = runtime.context()
    with context.database.read() as session:
        window = windows.get(session, str(window_id))
    if window is not None:
        with tracing.span(task_queue.CLOSE, _trace(), power__window=window.id, power__stack=window.stack):
            attend_closing(context, window.stack)


@app.task(name=task_queue.SWEEP)
@ends_in_outage
def sweep() -> None:
    """Start closing every window whose deadline has passed, and notify the nodes of these windows."""
    database = runtime.context().database
    with database.read() as session:
        deadline = windows.next_deadline(session)
    if deadline is None or deadline > database.now():
        return
    with database.write() as session:
        due = expiry.expire_due(session, database.now())
        # One look sees to a whole stack, so one nudge for each is enough.
        nudges = {
            one.stack: (one.id, one.node, task_queue.about(one.id, one.stack, one.services)) for one in due
        }
    for stack, (window, node, label) in nudges.items():
        # What is this node's own need not go through the broker once more.
        if not runtime.close_soon(stack):
            task_queue.Dispatch(app).closing(window, node, label)


@app.task(name=task_queue.RESYNC)
@ends_in_outage
def resync(node: str | None = None) -> None:
    """Compare everything with the engine and repair; without a node, send this task to every node."""
    if node is None:
        for name in runtime.nodes():
            task_queue.Dispatch(app).nudge(task_queue.RESYNC, [name], task_queue.queue(name), f"node {name}")
    elif node == runtime.context().node:
        runtime.resync()


@app.task(name=task_queue.READ_LOGS)
@ends_in_outage
def read_logs(read_id: str) -> None:
    """Fetch the logs that a `log_reads` row requests and store them in that row."""
    logs.answer(runtime.context(), str(read_id))


@app.task(name=task_queue.RUN_SCENARIO)
@ends_in_outage
def run_scenario(_run_id: str) -> None:
    """Have the conductor look at the unfinished runs of this node now."""
    runtime.conduct_soon()


def _trace() -> object:
    """What the message says of a trace, which may be anything."""
    return getattr(current_task.request, tracing.HEADER, None) if current_task else None


@signals.worker_init.connect
def _begin(**_: object) -> None:
    try:
        runtime.begin()
    except Exception as error:
        # Celery would log it and go on, and a worker that has not begun would look alive and do nothing.
        log.exception("the worker cannot begin")
        raise SystemExit(1) from error


@signals.worker_shutdown.connect
def _end(sender: Any, **_: object) -> None:
    if not runtime.end():
        # Celery takes every end by a signal for a good one; a service manager must see that this is none.
        sender.exitcode = REFUSED
