"""Named queries about windows and the leases they hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from app.domain import leases
from app.domain.enums import CallStatus, State
from app.domain.stack_id import StackId
from app.store import paging
from app.store.tables import Call, IdempotencyKey, Lease, Window, insert_if_new

_LONGEST = timedelta(days=31)
"""Older windows are not looked for among those of a time, so that years of them cost nothing."""
_LIVE = (State.OPENING, State.OPEN)
_MOVING = (State.OPENING, State.CLOSING)


def get(session: Session, window: str) -> Window | None:
    """The window of this id, or None."""
    return session.get(Window, window)


def known_ids(session: Session, windows: Collection[str]) -> set[str]:
    """Those of these ids that have a window in the database."""
    return set(session.scalars(select(Window.id).where(Window.id.in_(windows))))


def lock_window(session: Session, window: str) -> Window | None:
    """The window, with its row locked where the database locks rows."""
    query = select(Window).where(Window.id == window).with_for_update()
    return session.execute(query, execution_options={"populate_existing": True}).scalar_one_or_none()


def page(
    session: Session,
    *,
    state: State | None = None,
    stack: StackId | None = None,
    before: paging.RowPlace | None = None,
    limit: int = 50,
) -> list[Window]:
    """Windows, newest first, from beyond `before` (created_at, id)."""
    query = paging.newest_first(select(Window), Window, before, limit)
    if state is not None:
        query = query.where(Window.state == state)
    if stack is not None:
        query = query.where(Window.stack == stack if state is None else _of(stack))
    return list(session.scalars(query))


def between(session: Session, since: datetime, until: datetime, limit: int) -> list[Window]:
    """Windows that lived at some time between two moments, newest first; none from months before."""
    query = select(Window).where(
        Window.created_at < until,
        Window.created_at > since - _LONGEST,
        Window.closed_at.is_(None) | (Window.closed_at > since),
    )
    return list(session.scalars(paging.newest_first(query, Window, None, limit)))


def _of(stack: StackId) -> ColumnElement[bool]:
    """Is it of this stack? Said so that no index by stack is taken, over all its windows that ever were.

    SQLite knows no numbers and would think that the better one; by state there are always few.
    """
    return Window.stack + "" == stack


def unfinished_windows(session: Session, stack: StackId) -> list[Window]:
    """Everything of a stack that still moves or holds, oldest first, each row locked."""
    query = (
        select(Window)
        .where(_of(stack), Window.state.in_((*_LIVE, State.CLOSING)))
        .order_by(Window.id)
        .with_for_update()
    )
    return list(session.scalars(query, execution_options={"populate_existing": True}))


def moving_of(session: Session, stack: StackId) -> list[Window]:
    """The same as `unfinished`, to be shown only: nothing is locked."""
    query = select(Window).where(_of(stack), Window.state.in_((*_LIVE, State.CLOSING)))
    return list(session.scalars(query.order_by(Window.id)))


def blocked_leases(session: Session, stack: StackId, since: datetime) -> list[Lease]:
    """Leases whose service a dependency keeps from starting, of windows that move or began after `since`."""
    moving = select(Window.id).where(_of(stack), Window.state.in_((*_LIVE, State.CLOSING)))
    recent = select(Window.id).where(Window.stack == stack, Window.created_at > since)
    ids = {*session.scalars(moving), *session.scalars(recent)}
    query = select(Lease).where(Lease.window_id.in_(ids), Lease.blocked != "")
    return list(session.scalars(query.order_by(Lease.window_id, Lease.service))) if ids else []


def due(session: Session, now: datetime, node: str | None = None, only: str | None = None) -> list[Window]:
    """Live windows whose time is up, claimed for this transaction; another's claims are passed over."""
    query = select(Window).where(Window.state.in_(_LIVE), Window.deadline <= now, *_on(node))
    if only is not None:
        query = query.where(Window.id == only)
    return list(session.scalars(query.order_by(Window.id).with_for_update(skip_locked=True)))


def due_ids(session: Session, now: datetime, node: str) -> list[str]:
    """The ids of a node's live windows whose time is up; nothing else of their rows is read."""
    query = select(Window.id).where(Window.state.in_(_LIVE), Window.deadline <= now, *_on(node))
    return list(session.scalars(query.order_by(Window.id)))


def waiting(session: Session, node: str) -> list[Window]:
    """Windows that wait for this node, oldest first."""
    query = select(Window).where(Window.state == State.WAITING, Window.node == node)
    return list(session.scalars(query.order_by(Window.created_at, Window.id)))


def not_begun(session: Session, stack: StackId) -> list[Window]:
    """Windows that wait, or open with nothing of theirs on or tried yet, each row locked."""
    query = select(Window).where(_of(stack), Window.state.in_((State.WAITING, State.OPENING)))
    waiting = session.scalars(
        query.order_by(Window.id).with_for_update(), execution_options={"populate_existing": True}
    )
    return [one for one in waiting if not any(lease.tried_at or lease.ready for lease in one.leases)]


def replace_leases(session: Session, window: Window, fresh: Iterable[Lease]) -> None:
    """Give a window other leases in place of those it has."""
    session.execute(delete(Lease).where(Lease.window_id == window.id))
    for lease in fresh:
        lease.window_id = window.id
        session.add(lease)
    session.flush()
    session.expire(window, ["leases"])


def claim_unopened(session: Session, now: datetime) -> list[Window]:
    """Windows whose deadline passed while they waited, each locked for this transaction."""
    query = select(Window).where(Window.state == State.WAITING, Window.deadline <= now)
    return list(session.scalars(query.order_by(Window.id).with_for_update(skip_locked=True)))


def lock_forced(session: Session) -> list[Window]:
    """Windows whose close was forced and that are not closed yet, locked for this transaction."""
    query = select(Window).where(Window.state == State.CLOSING, Window.forced)
    return list(session.scalars(query.order_by(Window.id).with_for_update(skip_locked=True)))


def move(session: Session, stack: StackId, node: str) -> None:
    """Give a stack's unfinished windows, and calls that have not ended, to another node."""
    unfinished = update(Window).where(_of(stack), Window.state != State.CLOSED)
    session.execute(unfinished.values(node=node))
    running = update(Call).where(Call.stack == stack, Call.status == CallStatus.RUNNING)
    session.execute(running.values(node=node))


def next_deadline(session: Session, node: str | None = None) -> datetime | None:
    """When the next live or waiting window ends, past deadlines that were not acted on included."""
    query = select(Window.deadline).where(Window.state.in_((State.WAITING, *_LIVE)), *_on(node))
    return session.scalar(query.order_by(Window.deadline).limit(1))


def find_unattended(
    session: Session, node: str, since: datetime, abandoned: datetime
) -> list[tuple[str, StackId, State]]:
    """(window, stack, state) of a node's moving windows that no worker has attended to since they last moved.

    Those attended to before `abandoned` count too: the worker may be dead.
    """
    moved = func.coalesce(Window.closing_at, Window.opening_at, Window.created_at)
    never = Window.attended_at.is_(None) & (moved <= since)
    query = select(Window.id, Window.stack, Window.state).where(
        Window.state.in_(_MOVING), Window.node == node, never | (Window.attended_at <= abandoned)
    )
    return [(window, stack, State(state)) for window, stack, state in session.execute(query)]


def touch(session: Session, window: str, now: datetime) -> None:
    """Record that a worker has attended to this window."""
    session.execute(update(Window).where(Window.id == window).values(attended_at=now))


def live_leases(session: Session, stacks: Collection[StackId], now: datetime) -> list[leases.HeldLease]:
    """Every live lease of these stacks: all that desired power is computed from."""
    query = (
        select(Window.id, Lease.service, Window.state, Window.deadline)
        .join(Lease, Lease.window_id == Window.id)
        .where(Window.stack.in_(stacks), Window.state.in_(_LIVE), Window.deadline > now)
    )
    return [
        leases.HeldLease(window, service, State(state), at)
        for window, service, state, at in session.execute(query)
    ]


def untried_since(session: Session, stack: StackId, now: datetime) -> dict[str, datetime]:
    """By held service that no live window has tried to start: when the first of them was asked for."""
    query = (
        select(Lease.service, func.min(Window.created_at), func.count(Lease.tried_at))
        .join(Window, Lease.window_id == Window.id)
        .where(Window.stack == stack, Window.state.in_(_LIVE), Window.deadline > now)
        .group_by(Lease.service)
    )
    return {service: since for service, since, tried in session.execute(query) if not tried}


def is_wanted(session: Session, stack: StackId, service: str, now: datetime) -> bool:
    """Does any live lease hold this service?"""
    return leases.is_wanted(live_leases(session, [stack], now), service, now)


def ready_since(session: Session, stack: StackId, service: str, moment: datetime) -> bool:
    """Was the service ready under any window after this moment?"""
    later = select(Lease.window_id).where(
        Lease.stack == stack, Lease.service == service, Lease.ready_at > moment
    )
    return session.scalar(later.limit(1)) is not None


def is_forced(session: Session, stack: StackId, service: str) -> bool:
    """Does a window that holds this service close by force?"""
    query = select(Window.id).join(Lease, Lease.window_id == Window.id)
    those = query.where(Lease.stack == stack, Lease.service == service)
    return session.scalar(those.where(Window.state == State.CLOSING, Window.forced).limit(1)) is not None


def live_of(session: Session, actor: str, now: datetime) -> list[Window]:
    """The live windows of an actor, oldest first."""
    query = select(Window).where(Window.actor == actor, Window.state.in_(_LIVE), Window.deadline > now)
    return list(session.scalars(query.order_by(Window.created_at)))


def counts(session: Session) -> dict[str, int]:
    """How many windows are in each state that is not final, by an index and never over the closed ones."""
    query = select(Window.state).where(Window.state.in_((State.WAITING, *_LIVE, State.CLOSING)))
    states = [str(state) for state in session.scalars(query)]
    return {state: states.count(state) for state in (State.WAITING, *_LIVE, State.CLOSING)}


def openings(session: Session, those: Collection[str]) -> dict[str, datetime]:
    """When each of these windows began to open, where it did."""
    query = select(Window.id, Window.opening_at).where(Window.id.in_(those))
    return {window: began for window, began in session.execute(query) if began}


def stuck(session: Session) -> list[str]:
    """The stack of every window that is stuck."""
    query = select(Window.stack).where(Window.state == State.CLOSING, Window.stuck.is_(True))
    return list(session.scalars(query))


def calls(session: Session, windows: Iterable[str]) -> dict[str, list[Call]]:
    """The calls made for each of these windows, oldest first."""
    calls_of: dict[str, list[Call]] = {window: [] for window in windows}
    query = select(Call).where(Call.window_id.in_(calls_of)).order_by(Call.id)
    for call in session.scalars(query):
        calls_of[call.window_id or ""].append(call)
    return calls_of


def key(session: Session, token: str, text: str) -> IdempotencyKey | None:
    """The idempotency key of this text and token, or None."""
    return session.get(IdempotencyKey, (token, text))


def _on(node: str | None) -> list[ColumnElement[bool]]:
    return [] if node is None else [Window.node == node]


def claim(session: Session, token: str, text: str, *, body: str, window: str, now: datetime) -> bool:
    """Take a key for a window; False where another window has it, perhaps since a moment ago."""
    key = {"token": token, "key": text, "body": body, "window_id": window, "created_at": now}
    return bool(
        session.scalar(insert_if_new(session, IdempotencyKey).values(key).returning(IdempotencyKey.key))
    )


def forget_keys(session: Session, before: datetime) -> None:
    """Delete idempotency keys made before then, except those that another transaction is deleting."""
    old = (
        select(IdempotencyKey.token, IdempotencyKey.key)
        .where(IdempotencyKey.created_at <= before)
        .with_for_update(skip_locked=True)
    )
    for token, text in session.execute(old).all():
        session.execute(
            delete(IdempotencyKey).where(IdempotencyKey.token == token, IdempotencyKey.key == text)
        )


def record_kill(session: Session, stack: StackId, service: str) -> None:
    """Record for every closing window that it has killed this service once."""
    closing = select(Window.id).where(_of(stack), Window.state == State.CLOSING)
    those = update(Lease).where(Lease.window_id.in_(closing), Lease.service == service)
    session.execute(those.values(killed=True))


def holding(session: Session, stack: StackId, service: str, at: datetime) -> list[Window]:
    """The windows that held a service at a moment that has passed, by all that is known of them now."""
    began = func.coalesce(Window.opening_at, Window.created_at)
    query = (
        select(Window)
        .join(Lease, Lease.window_id == Window.id)
        .where(Lease.stack == stack, Lease.service == service)
        .where(Window.state != State.WAITING, began <= at, Window.deadline > at)
        .where(Window.closing_at.is_(None) | (Window.closing_at > at))
    )
    return list(session.scalars(query.order_by(Window.id)))
