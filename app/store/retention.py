"""Find and delete what is old enough to be archived, in short transactions.

Entries go from the beginning of a chain only, and the head remembers up to where and
with which hash, so the rest still proves itself. The database refuses to let go of
anything else.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from app.domain.enums import CallStatus, State
from app.store import audit
from app.store.tables import Call, ChainHead, Diagnosis, Entry, IdempotencyKey, Lease, Table, Window


class Overtaken(Exception):
    """Another process has archived this part at the same time."""


def heads(session: Session) -> list[ChainHead]:
    """The heads of all chains, by name."""
    return list(session.scalars(select(ChainHead).order_by(ChainHead.chain)))


def cut_sequence(session: Session, head: ChainHead, before: datetime) -> int:
    """The last entry of a chain that may go: older than `before`, and no window's that has not finished."""
    mine = select(Entry.seq).where(Entry.chain == head.chain)
    young = session.scalar(mine.where(Entry.at >= before).order_by(Entry.seq).limit(1))
    unfinished = select(Window.id).where(Window.state != State.CLOSED)
    held = session.scalar(
        select(func.min(Entry.seq)).where(Entry.chain == head.chain, Entry.window_id.in_(unfinished))
    )
    return min(seq for seq in (young, held, head.seq + 1) if seq is not None) - 1


def entry(session: Session, chain: str, seq: int) -> Entry | None:
    """One entry of a chain, or None where it is not in the database."""
    return session.scalar(select(Entry).where(Entry.chain == chain, Entry.seq == seq))


def page(session: Session, chain: str, after: int, upto: int, limit: int) -> list[Entry]:
    """Entries of a chain with numbers over `after` and up to `upto`, at most `limit`."""
    query = select(Entry).where(Entry.chain == chain, Entry.seq > after, Entry.seq <= upto)
    return list(session.scalars(query.order_by(Entry.seq).limit(limit)))


def delete_archived(session: Session, chain: str, after: int, upto: int, now: datetime) -> None:
    """Delete the archived entries beyond `after`, up to `upto`. Raises Overtaken."""
    # The archive's own entry goes to the chain `house`: heads are locked in name order, here as everywhere.
    heads = {name: audit.lock_head(session, name, now) for name in sorted({chain, audit.SYSTEM_CHAIN})}
    head, last = heads[chain], entry(session, chain, upto)
    if head.archived_seq != after or last is None:
        raise Overtaken(chain)
    head.archived_seq, head.archived_hash = upto, last.hash
    session.flush()
    session.execute(delete(Entry).where(Entry.chain == chain, Entry.seq <= upto))


def finished_windows(
    session: Session, before: datetime, keyed: datetime, after: str, limit: int
) -> list[str]:
    """Windows beyond `after` that closed before then; none that a call is being made for.

    One that an Idempotency-Key since `keyed` stands for stays, since a repeat is answered with it.
    """
    making = select(Call.window_id).where(Call.status == CallStatus.RUNNING, Call.window_id.is_not(None))
    query = select(Window.id).where(
        Window.state == State.CLOSED,
        Window.closed_at < before,
        Window.id > after,
        Window.id.not_in(select(IdempotencyKey.window_id).where(IdempotencyKey.created_at > keyed)),
        Window.id.not_in(making),
    )
    return list(session.scalars(query.order_by(Window.id).limit(limit)))


def windows_with_calls(session: Session, ids: Sequence[str]) -> list[dict[str, Any]]:
    """These windows with their leases and calls, as they stand in the tables."""
    windows = session.scalars(select(Window).where(Window.id.in_(ids)).order_by(Window.id))
    calls: dict[str, list[dict[str, Any]]] = {}
    for call in session.scalars(select(Call).where(Call.window_id.in_(ids)).order_by(Call.id)):
        calls.setdefault(call.window_id or "", []).append(_row(call))
    return [
        {"window": _row(one), "leases": [_row(lease) for lease in one.leases], "calls": calls.get(one.id, [])}
        for one in windows
    ]


def _row(row: Table) -> dict[str, Any]:
    return {column.name: _plain(getattr(row, column.key)) for column in row.__table__.columns}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def delete_windows(session: Session, ids: Collection[str]) -> None:
    """Delete those of these windows that are closed, with their leases, calls and diagnoses."""
    closed = select(Window.id).where(Window.id.in_(ids), Window.state == State.CLOSED)
    session.execute(delete(Call).where(Call.window_id.in_(closed)))
    session.execute(delete(Diagnosis).where(Diagnosis.window_id.in_(closed)))
    session.execute(delete(Lease).where(Lease.window_id.in_(closed)))
    session.execute(delete(Window).where(Window.id.in_(ids), Window.state == State.CLOSED))
