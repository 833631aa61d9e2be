"""An error that keeps a call from being made is recorded as a call that failed.

A full disk, no file descriptors left or no Compose raise before there is a process. Without a
record the attempt would be repeated at once and for ever, and its window would never say why;
with one it waits, gets stuck and is shown like any other failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from app.domain.calls import CallOutcome, StartedCall
from app.domain.enums import CallStatus
from app.store.database import is_outage
from app.usecases.reconciliation import calls
from workers.state.context import WorkerContext
from workers.state.diagnosis_queue import DiagnosisRequest
from workers.state.inspection_queue import Trigger

Attempt = Callable[[Session], StartedCall | None]
"""The call that was to be made, by this transaction; None if none is due any more."""


@contextmanager
def failure_recorded(context: WorkerContext, attempt: Attempt) -> Iterator[None]:
    """Record every exception inside as the failure of `attempt`, and raise it again.

    While the database is away nothing can be recorded, and nothing is tried again until it is back.
    """
    try:
        yield
    except Exception as error:
        if not is_outage(error):
            _record(context, attempt, f"it could not be tried: {type(error).__name__}: {error}")
        raise


def _record(context: WorkerContext, attempt: Attempt, why: str) -> None:
    with context.database.write() as session:
        begun = attempt(session)
        if begun is None:
            return
        call = calls.start_call(session, begun, context.database.now())
        outcome = CallOutcome(CallStatus.FAIL, None, 0, stderr=why)
        calls.finish_call(session, call, outcome, context.database.now())
    context.diagnosing.submit(DiagnosisRequest(begun.stack, begun.service), again=True)
    context.look_again(begun.stack, [begun.service], Trigger.CALL)
