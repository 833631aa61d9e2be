"""What runs of scenarios and requests for intents share: room on the node, claim, window, cancellation, end.

Both are jobs: one worker of the stack's node claims the row and carries it out. The job's window is an
ordinary window with the job's actor, so its services stop at the deadline whatever becomes of the job.
Every function belongs to a transaction of its caller.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from app.domain.enums import Event
from app.domain.errors import Conflict, NodeAway
from app.store import audit, jobs, windows, workers
from app.store.jobs import JobRow
from app.store.tables import IntentRequest, ScenarioRun, Stack, Window
from app.usecases.windows import close as closing
from app.usecases.windows import open as opening
from app.usecases.windows.open import OpenRequest

MOST_UNFINISHED = 50
"""Jobs of one kind and node that are not finished, at most."""
LONGEST_JOB_DETAIL = 1000
"""Characters of why a job ended, at most."""
AWAITS_WORKER = "waits for its worker"


def check_node(
    session: Session,
    table: type[JobRow],
    stack: Stack,
    too_many: Callable[[str, int], Conflict],
    now: datetime,
) -> None:
    """Raise NodeAway, or `too_many` where the node already has MOST_UNFINISHED jobs of this kind."""
    if away := workers.is_away(session, stack, now):
        raise NodeAway(stack.name, stack.node, away)
    if jobs.count_unfinished(session, table, stack.node) >= MOST_UNFINISHED:
        raise too_many(stack.node, MOST_UNFINISHED)


def claim_job(
    session: Session, table: type[JobRow], job_id: str, worker: str, now: datetime, *, queued: StrEnum
) -> JobRow | None:
    """Claim a queued job for this worker; the caller sets its new state. None where it is not queued."""
    job = jobs.lock_job(session, table, job_id)
    if job is None or job.state != queued:
        return None
    job.worker, job.started_at = worker, now
    return job


def lock_to_open(session: Session, table: type[JobRow], job_id: str) -> JobRow | None:
    """The job, locked so that a cancellation comes before its window or finds it; None where it has ended."""
    job = lock_unfinished(session, table, job_id)
    return None if job is None or job.cancelled_by is not None else job


def lock_unfinished(session: Session, table: type[JobRow], job_id: str) -> JobRow | None:
    """The job with its row locked; None where it is finished."""
    job = jobs.lock_job(session, table, job_id)
    return job if job is not None and job.state in job.UNFINISHED else None


def open_job_window(
    session: Session, job: ScenarioRun | IntentRequest, ask: OpenRequest, now: datetime
) -> Window:
    """Open the window of a job as the job's actor; raises what opening a window raises."""
    window, _new = opening.open_window(session, ask, actor=job.actor, now=now, wait_for_node=False)
    job.window_id = window.id
    return window


def close_job_window(
    session: Session, job: ScenarioRun | IntentRequest, reason: str, actor: str, now: datetime
) -> None:
    """Begin to close the window of a job, where it has one."""
    if job.window_id and windows.get(session, job.window_id):
        closing.close(session, job.window_id, actor=actor, now=now, reason=reason)


def cancel_job(
    session: Session,
    table: type[JobRow],
    job_id: str,
    *,
    word: str,
    actor: str,
    now: datetime,
    cut: Callable[[str], object],
) -> JobRow | None:
    """Cancel a job and close its window; a finished one stays as it is. None where there is no such job.

    A job that no worker has claimed is finished here, by `cut`, which is called with the detail. Any other
    is finished by its worker. `word` is the kind of job in the reason of the window's end.
    """
    seen = session.get(table, job_id)
    # Windows are locked before jobs, here as everywhere.
    if seen is not None and seen.state in seen.UNFINISHED:
        close_job_window(session, seen, f"{word} {job_id} was cancelled by {actor}", actor, now)
    job = jobs.lock_job(session, table, job_id)
    if job is None or job.state not in job.UNFINISHED:
        return job
    if not job.worker:
        job.cancelled_by = actor
        cut(f"cancelled by {actor} before it began")
    elif job.cancelled_by is None:
        job.cancelled_by, job.detail = actor, f"is being cancelled by {actor}"
    return job


def record_job_entry(
    session: Session, job: ScenarioRun | IntentRequest, event: Event, actor: str, now: datetime, **facts: Any
) -> None:
    """Write an audit entry about a job, with its stack, its window and what names it."""
    audit.record(
        session,
        event,
        actor=actor,
        now=now,
        stack=job.stack,
        window=job.window_id,
        **job.audit_facts(),
        **facts,
    )
