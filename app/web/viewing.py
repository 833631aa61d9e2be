"""The viewer of the request that this thread answers, and the database as that viewer sees it.

Routes and pages open their sessions by `WebContext.database`. Once a request is authenticated those sessions
have the rows of the caller's namespace only, so that no route can forget to ask.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from sqlalchemy.orm import Session

from app.domain.viewer import OPERATOR, Viewer
from app.store.database import Database
from app.store.namespace_rows import limit_session

_VIEWER: ContextVar[Viewer] = ContextVar("viewer", default=OPERATOR)


def current_viewer() -> Viewer:
    """The viewer of this request; an operator before the request is authenticated."""
    return _VIEWER.get()


def set_viewer(viewer: Viewer) -> None:
    """Restrict reads to what this viewer sees, until the request or the enclosing `as_viewer` ends."""
    _VIEWER.set(viewer)


@contextmanager
def as_viewer(viewer: Viewer) -> Iterator[None]:
    """Restrict reads to what this viewer sees during the block."""
    before = _VIEWER.set(viewer)
    try:
        yield
    finally:
        _VIEWER.reset(before)


def keep_viewer(lines: Generator[str]) -> Generator[str]:
    """The same lines, each made for the viewer of this request, although it has been answered by then."""
    viewer = current_viewer()
    return lines if viewer.is_operator else _each_as(viewer, lines)


def _each_as(viewer: Viewer, lines: Generator[str]) -> Generator[str]:
    try:
        while True:
            with as_viewer(viewer):
                line = next(lines, None)
            if line is None:
                return
            yield line
    finally:
        lines.close()


class ViewerDatabase:
    """The database as the viewer of the request sees it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def read(self, *, patient: bool = False) -> Iterator[Session]:
        """A session that changes nothing, as `Database.read`."""
        with self._database.read(patient=patient) as session:
            _limit(session)
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction, as `Database.write`."""
        with self._database.write() as session:
            _limit(session)
            yield session

    def now(self) -> datetime:
        """The time by the shared clock."""
        return self._database.now()


def _limit(session: Session) -> None:
    viewer = current_viewer()
    if not viewer.is_operator:
        limit_session(session, viewer.namespace)
