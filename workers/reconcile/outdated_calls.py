"""Cutting short the calls of this worker that have become pointless.

A start that no live window wants any more is ended, so that its stop can follow. A stop
that a client forces meanwhile is ended, so that the kill can follow. In both cases the
engine may go on by itself: what it did is looked up, never assumed.
"""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy.orm import Session

from app.domain.enums import Action
from app.domain.stack_id import StackId
from app.store import windows as rows
from workers.state.context import WorkerContext
from workers.state.running_calls import RunningCall

log = logging.getLogger(__name__)


def cancel_outdated(context: WorkerContext, stack: StackId | None = None) -> None:
    """End every running call, of one stack or of all, that the database says is not needed any more."""
    calls = [one for one in context.running.all() if stack in {None, one.stack} and not one.cancelled]
    if not calls:
        return
    now = context.database.now()
    with context.database.read() as session:
        reasons = [(call, _reason(session, call, now)) for call in calls]
    for call, reason in reasons:
        if reason:
            log.info("%s/%s: the %s is cut short: %s", call.stack, call.service, call.action, reason)
            call.cancellation.cancel(reason)


def _reason(session: Session, call: RunningCall, now: datetime) -> str:
    """Why a call is pointless now; empty where it is not."""
    if call.action is Action.KILL or rows.is_wanted(session, call.stack, call.service, now):
        return ""
    if call.action is Action.UP:
        return "no window wants the service any more"
    forced = not call.forced and rows.is_forced(session, call.stack, call.service)
    return "its window is closed by force" if forced else ""
