"""Stacks that this node served and that power.toml no longer gives to it.

Such a stack starts nothing more. Its services are turned off when their windows end, and its row
is released when all of them have stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from sqlalchemy.orm import Session

from app.domain.enums import Loop
from app.domain.nodes import Heartbeat
from app.domain.stack_id import StackId
from app.settings import PowerToml
from app.store import stacks as known
from app.store.tables import Stack
from app.usecases.nodes import claims, published_stacks
from workers.loops.stack_publisher import AfterCommit, NotYet, StackPublisher
from workers.stacks.stack_reader import Served
from workers.state.context import WorkerContext

log = logging.getLogger(__name__)


class RemovedStacks:
    """Stop the services of removed stacks, then drop these stacks."""

    def __init__(
        self,
        context: WorkerContext,
        publisher: StackPublisher,
        path: Path,
        forget_reading: Callable[[StackId], object],
    ) -> None:
        self._context, self._publisher, self._path = context, publisher, path
        self._forget_reading = forget_reading
        """Drops what the loader remembers of a stack's files."""

    def drop(self, name: StackId, toml: PowerToml) -> None:
        """Stop serving a stack that `toml` does not give to this node; publish that it is removed."""
        served = self._context.stacks.get(name)
        if served is not None and served.place is not None:
            log.warning(
                "stack %s is no longer in %s; it is turned off when its windows end", name, self._path
            )
            self._context.stacks[name] = replace(served, place=None)
        self._publisher.tell(name, partial(self._release, name=name, toml=toml))

    def drop_unlisted(self, session: Session, toml: PowerToml) -> None:
        """Drop the stacks that the database assigns to this node and `toml` does not."""
        mine = toml.on_node(self._context.node)
        for row in claims.stacks_of_node(session, self._context.node):
            if toml.sets_apart(row.name):
                self._serve_for_stopping(row)
            elif row.name not in mine:
                take_over = partial(self._take_over, row, toml)
                self._context.guard.isolate(Loop.CLOCK, f"stack {row.name}", take_over)

    def _release(self, session: Session, mine: Heartbeat, name: StackId, toml: PowerToml) -> AfterCommit:
        """Release the stack's row; raise NotYet while one of its services may still be on."""
        row = known.stack_by_name(session, name)
        if row is not None and row.node == self._context.node:
            unreached = self._publisher.follow(session, row, mine)
            if name in toml.stacks and not claims.is_idle(session, name):
                raise NotYet
            gone = f"{self._path}: is no longer there; its services are turned off when their windows end"
            now = self._context.database.now()
            if name not in toml.stacks and not published_stacks.forget_stack(
                session, row, unreached or gone, now
            ):
                # The commit keeps the faults that were recorded. The next heartbeat tries again.
                session.commit()
                raise NotYet
        return partial(self._forget, name)

    def _forget(self, name: StackId) -> None:
        self._context.forget(name)
        self._context.core.pop(name, None)
        self._forget_reading(name)
        self._publisher.forget([name])

    def _take_over(self, row: Stack, toml: PowerToml) -> None:
        self._serve_for_stopping(row)
        self.drop(row.name, toml)

    def _serve_for_stopping(self, row: Stack) -> None:
        """Serve the published version of a stack, without files to start from."""
        self._context.stacks.setdefault(row.name, Served(row.spec))
        self._context.claimed.add(row.name)
