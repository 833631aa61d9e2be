"""Named queries about notices: those that are due, those that were delivered, and their deliveries."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from app.domain import untrusted_text
from app.domain.enums import State
from app.domain.stack_id import StackId
from app.store import paging
from app.store.tables import (
    LONGEST_MS,
    ChainHead,
    Delivery,
    Entry,
    Link,
    Notice,
    NoticePlace,
    Window,
    insert_if_new,
)

PENDING, DELIVERED, GIVEN_UP_STATE = "pending", "delivered", "given_up"
SAID = 300
"""Characters kept of what a sink answered."""
_AT_ONCE = 200


def behind(session: Session, node: str, sink: str, chains: Sequence[str]) -> list[str]:
    """Those of these chains that have entries which this sink has not read, or that it has no place in."""
    places = {one.chain: one.seq for one in _places(session, node, sink)}
    heads = {
        one.chain: one.seq for one in session.scalars(select(ChainHead).where(ChainHead.chain.in_(chains)))
    }
    return [chain for chain in chains if chain not in places or heads.get(chain, 0) > places[chain]]


def _places(session: Session, node: str, sink: str) -> list[NoticePlace]:
    query = select(NoticePlace).where(NoticePlace.node == node, NoticePlace.sink == sink)
    return list(session.scalars(query))


def next_entries(session: Session, node: str, sink: str, chain: str) -> list[Entry]:
    """The entries of a chain after a sink's place, which moves behind them. A new sink begins at the end."""
    newest = session.scalar(select(ChainHead.seq).where(ChainHead.chain == chain)) or 0
    session.execute(insert_if_new(session, NoticePlace).values(node=node, sink=sink, chain=chain, seq=newest))
    key = {"node": node, "sink": sink, "chain": chain}
    place = session.get_one(NoticePlace, key, with_for_update=True, populate_existing=True)
    query = select(Entry).where(Entry.chain == chain, Entry.seq > place.seq).order_by(Entry.seq)
    entries = list(session.scalars(query.limit(_AT_ONCE)))
    if entries:
        place.seq = entries[-1].seq
    return entries


def ending(session: Session, stacks: Sequence[StackId], now: datetime, longest: timedelta) -> list[Window]:
    """Live windows of these stacks whose deadline comes within so long."""
    query = select(Window).where(
        Window.state.in_((State.OPENING, State.OPEN)),
        Window.stack.in_(stacks),
        Window.deadline > now,
        Window.deadline <= now + longest,
    )
    return list(session.scalars(query.order_by(Window.deadline)))


def known_keys(session: Session, node: str, sink: str, keys: Sequence[str]) -> set[str]:
    """Those of the keys for which this node's sink has a notification already."""
    query = select(Notice.key).where(Notice.node == node, Notice.sink == sink, Notice.key.in_(keys))
    return set(session.scalars(query))


def note(session: Session, node: str, sink: str, key: str, *, body: dict[str, Any], now: datetime) -> None:
    """Add a notice for a sink; one with the same key is added once."""
    row = {
        "id": secrets.token_hex(16),
        "node": node,
        "sink": sink,
        "key": key,
        "event": body["event"],
        "stack": body["stack"],
        "window_id": body.get("window"),
        "body": body,
        "state": PENDING,
        "attempts": 0,
        "next_at": now,
        "created_at": now,
    }
    session.execute(insert_if_new(session, Notice).values(**row))


def due(session: Session, node: str, now: datetime, limit: int, *, but: Sequence[str] = ()) -> list[Notice]:
    """What is due now, oldest first; locked; skipped where another transaction has the lock.

    `but` names sinks that get nothing more for now.
    """
    query = (
        select(Notice)
        .where(Notice.state == PENDING, Notice.next_at <= now, Notice.node == node)
        .where(Notice.sink.not_in(but))
        .order_by(Notice.next_at, Notice.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list(session.scalars(query))


def anything_due(session: Session, node: str, now: datetime) -> bool:
    """True where a delivery of this node is due."""
    query = select(Notice.id).where(Notice.state == PENDING, Notice.next_at <= now, Notice.node == node)
    return session.scalar(query.limit(1)) is not None


def record_delivery(
    session: Session, notice: str, at: datetime, elapsed_ms: int, *, ok: bool, answer: str
) -> None:
    """Record one try of a delivery: how long it took, and what the sink answered."""
    answer = untrusted_text.shorten(answer, SAID)
    session.add(Delivery(notice_id=notice, at=at, elapsed_ms=min(elapsed_ms, LONGEST_MS), ok=ok, said=answer))


def page(session: Session, *, state: str | None, before: paging.RowPlace | None, limit: int) -> list[Notice]:
    """Notices, newest first."""
    query = paging.newest_first(select(Notice), Notice, before, limit)
    return list(session.scalars(query if state is None else query.where(Notice.state == state)))


def lock_notice(session: Session, notice: str) -> Notice | None:
    """The notification of this id, with its row locked where the database locks rows."""
    query = select(Notice).where(Notice.id == notice).with_for_update()
    return session.execute(query, execution_options={"populate_existing": True}).scalar_one_or_none()


def counts(session: Session) -> dict[str, int]:
    """How many notifications are in each state."""
    query = select(Notice.state, func.count()).group_by(Notice.state)
    return {state: int(number) for state, number in session.execute(query)}


def deliveries(session: Session, notices: Sequence[str]) -> list[Delivery]:
    """The tries of these notifications, oldest first."""
    return list(
        session.scalars(select(Delivery).where(Delivery.notice_id.in_(notices)).order_by(Delivery.id))
    )


def forget(session: Session, before: datetime) -> None:
    """Delete what ended before this moment, with its attempts, and links that are over."""
    old = select(Notice.id).where(Notice.state != PENDING, Notice.ended_at < before)
    session.execute(delete(Delivery).where(Delivery.notice_id.in_(old)))
    session.execute(delete(Notice).where(Notice.state != PENDING, Notice.ended_at < before))
    session.execute(delete(Link).where(Link.expires_at < before))


# Links.


def add_link(
    session: Session, text: str, window: str, *, sink: str, more: float, expires_at: datetime
) -> None:
    """Store a one-tap link by its digest; `more` is the length that it gives, in seconds."""
    place = {"digest": _digest(text), "window_id": window, "sink": sink}
    query = insert_if_new(session, Link)
    session.execute(query.values(**place, ttl_sec=more, expires_at=expires_at))


def link(session: Session, text: str, *, locked: bool = False) -> Link | None:
    """The one-tap link of this text, or None; `locked` locks its row."""
    query = select(Link).where(Link.digest == _digest(text))
    return session.scalar(query.with_for_update() if locked else query)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()
