"""Opens and reads the window of a job."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from app.domain.errors import Refusal
from app.store import windows
from app.store.database import Database
from app.store.tables import Window


class JobFailed(Exception):
    """The job cannot go on, for the reason given."""


def open_window(
    database: Database, open_in: Callable[[Session, datetime], Window | None], read_job: Callable[[], None]
) -> str:
    """Open the window of a job in a transaction of its own; return its id.

    `open_in` returns None where the job was cancelled before; `read_job` then notes who cancelled it. Raises
    JobFailed where the window was refused, or the job cancelled.
    """
    try:
        with database.write() as session:
            window = open_in(session, database.now())
    except Refusal as refusal:
        raise JobFailed(f"its window was refused: {refusal}") from refusal
    if window is None:
        read_job()
        raise JobFailed("it was cancelled before its window was opened")
    return window.id


def read_window(database: Database, window_id: str) -> Window:
    """The window of this id as it is now; raises JobFailed where it is gone."""
    with database.read() as session:
        window = windows.get(session, window_id)
    if window is None:
        raise JobFailed("its window is gone")
    return window
