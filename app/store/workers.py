"""Named queries about workers: which are there, and one claim at a time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from app.domain import nodes
from app.domain.nodes import Heartbeat
from app.domain.throttling import CallLimit
from app.store.tables import Node, Stack, Worker

FORGOTTEN = timedelta(hours=1)
"""A worker that was not heard of for so long is struck off."""
_CLAIMING = 0x70775F6E
"""The number of the lock that a claim of a node or a stack holds to the end of its transaction."""


def lock_claims(session: Session) -> None:
    """Lock the claims of nodes and stacks until this transaction ends."""
    # SQLite's write lock, which this transaction has, is as good.
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_CLAIMING)))


def signs(session: Session) -> list[Heartbeat]:
    """The last sign of every worker that has not been struck off."""
    return [sign(row) for row in session.scalars(select(Worker).order_by(Worker.name))]


def sign(row: Worker) -> Heartbeat:
    """The row as a heartbeat."""
    return Heartbeat(
        row.name,
        row.node,
        row.engine_id,
        row.locks_id,
        tuple(row.stacks),
        row.started_at,
        row.seen_at,
        CallLimit(row.call_limit, row.call_limit_reason),
    )


def write(session: Session, mine: Heartbeat) -> None:
    """Insert or update the row of this worker."""
    session.merge(
        Worker(
            name=mine.worker,
            node=mine.node,
            engine_id=mine.engine_id,
            locks_id=mine.locks_id,
            stacks=sorted(mine.stacks),
            started_at=mine.started_at,
            seen_at=mine.seen_at,
            call_limit=mine.call_limit.number,
            call_limit_reason=mine.call_limit.reason,
        )
    )


def call_limits(session: Session, now: datetime) -> dict[str, int]:
    """How many compose calls may start at once on each node, by the workers that are heard of."""
    limits: dict[str, int] = {}
    for heartbeat in signs(session):
        if heartbeat.live(now):
            limits[heartbeat.node] = limits.get(heartbeat.node, 0) + heartbeat.call_limit.number
    return limits


def delete_workers(session: Session, names: Iterable[str]) -> None:
    """Delete the rows of these workers."""
    session.execute(delete(Worker).where(Worker.name.in_(list(names))))


def away(session: Session, stacks: Iterable[Stack], now: datetime) -> dict[str, datetime]:
    """Those of these stacks that no worker serves, and since when."""
    there = signs(session)
    seen_at = {node.name: node.seen_at for node in session.scalars(select(Node))}
    since = {
        one.name: nodes.away_since(one.name, one.node, seen_at.get(one.node), there, now) for one in stacks
    }
    return {name: at for name, at in since.items() if at is not None}


def is_away(session: Session, stack: Stack, now: datetime) -> datetime | None:
    """Since when no worker serves this stack; None where one does."""
    return away(session, [stack], now).get(stack.name)
