"""Read windows from the database and describe them as JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.domain.enums import Action, Event, State
from app.domain.errors import UnknownWindow
from app.domain.windows import ENDED
from app.store import audit, stacks, windows, workers
from app.store.tables import Call, Window
from app.web import diagnosis_views, request_parsing, row_views, schemas
from app.web.context import WebContext
from app.web.response_cache import CachedRead


def read_window(context: WebContext, window: str) -> dict[str, Any]:
    """One window as JSON; raises UnknownWindow."""
    require_window_id(window)

    def read() -> CachedRead:
        with context.database.read() as session:
            row = windows.get(session, window)
            if row is None:
                raise UnknownWindow(window)
            payload = describe_windows(session, [row], context.database.now())[0]
            return CachedRead(payload, State(row.state), row.deadline)

    return context.response_cache.of(window, read).at(context.database.now())


def describe_windows(session: Session, window_rows: Sequence[Window], now: datetime) -> list[dict[str, Any]]:
    """Windows as JSON, each with its calls."""
    calls = windows.calls(session, [row.id for row in window_rows])
    away = _away(session, window_rows, now)
    described = [
        row_views.window(
            row, calls[row.id], now, _once_ready(session, row, calls[row.id]), away=away.get(row.stack)
        )
        for row in window_rows
    ]
    _add_diagnoses(session, window_rows, described)
    return described


def _add_diagnoses(session: Session, window_rows: Sequence[Window], described: list[dict[str, Any]]) -> None:
    """Say of each service that is not ready why it failed under its window, where that was diagnosed."""
    diagnosed = diagnosis_views.of_windows(session, window_rows)
    for window in described:
        for name, diagnosis in diagnosed[window["id"]].items():
            health = window["health"].get(name)
            if health and not health["ready"]:
                health["diagnosis"] = diagnosis


def _away(session: Session, window_rows: Sequence[Window], now: datetime) -> dict[str, datetime]:
    """Of the stacks of these windows: those that no worker serves, and since when."""
    moving = {row.stack for row in window_rows if row.state not in {State.WAITING, State.CLOSED}}
    if not moving:
        return {}
    return workers.away(session, [row for row in stacks.every(session) if row.name in moving], now)


def _once_ready(session: Session, row: Window, calls: Sequence[Call]) -> set[str]:
    """The services that were ready under a window that has ended, from its audit entries."""
    idle = {lease.service for lease in row.leases} - {
        call.service for call in calls if call.action == Action.UP
    }
    if row.state not in ENDED or not idle:
        return set()
    trail = audit.entries(session, window=row.id, limit=schemas.DEFAULT_LIMIT)
    return {entry.service for entry in trail if entry.service and entry.event == Event.SERVICE_READY}


def require_window_id(window: str) -> None:
    """Raise UnknownWindow for text that cannot be an id; some databases fail on it."""
    request_parsing.check_id(window, UnknownWindow)
