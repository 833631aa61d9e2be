"""The audit trail: append-only, chained by hashes, written in the transaction of the change.

`record` notes an entry; `write_down`, called once at the end of every write
transaction, gives the noted entries their place. The heads are locked there and in
name order, so they are locked last, briefly, and never in a circle. There is one
chain per stack and one for what belongs to no stack, named `house`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, insert, select, tuple_
from sqlalchemy.orm import Session

from app.domain.enums import Event
from app.domain.stack_id import StackId, namespace_of, qualify
from app.store.tables import ChainHead, Entry, insert_if_new, stamp

SYSTEM_CHAIN = "house"
GENESIS = "0" * 64
_NOTED = "audit"


@dataclass(frozen=True, slots=True)
class Note:
    """An entry that has no place in its chain yet."""

    event: Event
    actor: str
    at: datetime
    stack: StackId | None
    window: str | None
    service: str | None
    facts: Mapping[str, Any]

    @property
    def chain(self) -> str:
        """The chain that the entry belongs to: its stack's, or the system's of the actor's namespace."""
        return self.stack or qualify(namespace_of(self.actor), SYSTEM_CHAIN)


def record(
    session: Session,
    event: Event,
    *,
    actor: str,
    now: datetime,
    stack: StackId | None = None,
    window: str | None = None,
    service: str | None = None,
    **facts: Any,
) -> None:
    """Note an entry for the end of this transaction. `facts` are JSON values."""
    session.info.setdefault(_NOTED, []).append(Note(event, actor, now, stack, window, service, facts))


def write_down(session: Session) -> None:
    """Give every noted entry its place; the last thing a transaction does before it commits."""
    notes: list[Note] = session.info.pop(_NOTED, [])
    for chain in sorted({note.chain for note in notes}):
        _append(session, chain, [note for note in notes if note.chain == chain])


def _append(session: Session, chain: str, notes: Iterable[Note]) -> None:
    head = lock_head(session, chain, next(iter(notes)).at)
    rows = []
    for note in notes:
        # A chain's times never run backwards, whichever transaction came to it first.
        at = max(_to_the_millisecond(note.at), head.at)
        row = _row(note, chain, head.seq + 1, at, head.hash)
        head.seq, head.hash, head.at = row["seq"], row["hash"], at
        rows.append(row)
    session.execute(insert(Entry), rows)
    session.flush()


def _to_the_millisecond(at: datetime) -> datetime:
    """Cut to the milliseconds that an answer shows, so that a reader can check the hash by the answer."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def lock_head(session: Session, chain: str, at: datetime) -> ChainHead:
    """The head of a chain, made where there is none, and locked until the transaction ends."""
    first = insert_if_new(session, ChainHead)
    session.execute(first.values(chain=chain, seq=0, hash=GENESIS, at=_to_the_millisecond(at)))
    query = select(ChainHead).where(ChainHead.chain == chain).with_for_update()
    return session.execute(query, execution_options={"populate_existing": True}).scalar_one()


def _row(note: Note, chain: str, seq: int, at: datetime, prev: str) -> dict[str, Any]:
    row = {
        "chain": chain,
        "seq": seq,
        "at": at,
        "event": str(note.event),
        "actor": note.actor,
        "stack": note.stack,
        "window_id": note.window,
        "service": note.service,
        "facts": canonical(note.facts),
        "prev": prev,
    }
    return row | {"hash": digest(row)}


def digest(row: Mapping[str, Any] | RowMapping) -> str:
    """SHA-256 over everything an entry says, the hash of the one before included."""
    values = [
        row["chain"],
        row["seq"],
        stamp(row["at"]),
        row["event"],
        row["actor"],
        row["stack"],
        row["window_id"],
        row["service"],
        row["facts"],
        row["prev"],
    ]
    return hashlib.sha256(canonical(values).encode()).hexdigest()


def canonical(value: Any) -> str:
    """JSON as it is hashed: sorted keys, no spaces, ASCII only."""
    # ASCII only, so that every database keeps it and half a character in some output does no harm.
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)


@dataclass(frozen=True, slots=True)
class Proof:
    """What verifying one chain found; `first_bad` is the seq of the first entry not as it was written.

    Entries up to `archived` are in files, and `archived_hash` is what the last of them has to have.
    """

    chain: str
    entries: int
    first_bad: int | None = None
    reason: str | None = None
    archived: int = 0
    archived_hash: str = GENESIS

    @property
    def ok(self) -> bool:
        """True where no entry of the chain was altered, removed or reordered."""
        return self.first_bad is None


def place(session: Session, chain: str) -> tuple[int, str]:
    """How far a chain has come: seq and hash of its last entry."""
    head = session.get(ChainHead, chain)
    return (head.seq, head.hash) if head else (0, GENESIS)


def has_come_to(session: Session, chain: str, seq: int, hashed: str) -> bool:
    """Is this entry in the chain, or was it, until it was archived?"""
    head = session.get(ChainHead, chain)
    if seq == 0 or (head is not None and seq < head.archived_seq):
        return True
    if head is not None and seq == head.archived_seq:
        return head.archived_hash == hashed
    stored_hash = session.scalar(select(Entry.hash).where(Entry.chain == chain, Entry.seq == seq))
    return stored_hash == hashed


def newest(session: Session, chain: str, event: Event) -> Entry | None:
    """The last entry of a chain that says this."""
    query = select(Entry).where(Entry.chain == chain, Entry.event == event)
    return session.scalar(query.order_by(Entry.seq.desc()).limit(1))


def verify(session: Session) -> list[Proof]:
    """Walk every chain from its beginning; memory does not grow with its length."""
    heads = {head.chain: head for head in session.scalars(select(ChainHead))}
    chains = set(heads) | set(session.scalars(select(Entry.chain).distinct()))
    return [_verify(session, chain, heads.get(chain)) for chain in sorted(chains)]


def _verify(session: Session, chain: str, head: ChainHead | None) -> Proof:
    query = select(Entry.__table__).where(Entry.chain == chain).order_by(Entry.seq)
    begun, seal = (head.archived_seq, head.archived_hash) if head else (0, GENESIS)
    seq, prev = begun, seal

    def proof(bad: int | None = None, reason: str | None = None) -> Proof:
        return Proof(chain, seq - begun, bad, reason, begun, seal)

    # Closed on the way out too: PostgreSQL keeps a cursor open for what was not read to its end.
    with session.execute(query, execution_options={"yield_per": 1000}) as result:
        for row in result.mappings():
            if bad := fault(row, seq, prev):
                return proof(*bad)
            seq, prev = row["seq"], row["hash"]
    if head is None or head.seq != seq:
        return proof(seq + 1, "removed")
    return proof() if head.hash == prev else proof(seq, "altered")


def fault(row: Mapping[str, Any] | RowMapping, seq: int, prev: str) -> tuple[int, str] | None:
    """The first entry that is not as it was written, known by the one after `seq` at the latest."""
    if row["seq"] <= seq:
        # It was archived, and is here again.
        return row["seq"], "reordered"
    if row["seq"] != seq + 1:
        return seq + 1, "removed"
    genuine, follows = digest(row) == row["hash"], row["prev"] == prev
    if genuine and not follows:
        # This one is as it was written, so the one before was written anew, hash and all.
        return max(seq, 1), "altered"
    if not genuine:
        return row["seq"], "altered" if follows else "reordered"
    return None


Place = Mapping[str, int]
"""How far a reader has come: the last seq it has seen of each chain."""


def heads(session: Session) -> dict[str, int]:
    """The newest number of each chain, by the chain's name."""
    return {head.chain: head.seq for head in session.scalars(select(ChainHead))}


def kept_from(session: Session) -> dict[str, int]:
    """Up to where each chain has been archived, for those that have been."""
    return {head.chain: head.archived_seq for head in session.scalars(select(ChainHead)) if head.archived_seq}


def since(session: Session, place: Place, limit: int = 500) -> list[Entry]:
    """Entries beyond a reader's place, in the order in which they came to be within each chain.

    Places are kept per chain because a chain's seq is given out under its lock: what
    commits later always stands later, so a reader that goes by it misses nothing.
    """
    entries: list[Entry] = []
    for chain, seq in sorted(heads(session).items()):
        if seq > place.get(chain, 0):
            query = select(Entry).where(Entry.chain == chain, Entry.seq > place.get(chain, 0))
            entries.extend(session.scalars(query.order_by(Entry.seq).limit(limit)))
    return sorted(entries, key=lambda entry: entry.at)[:limit]


def entries(
    session: Session,
    *,
    window: str | None = None,
    actor: str | None = None,
    after: tuple[datetime, str, int] | None = None,
    limit: int = 100,
) -> list[Entry]:
    """The trail, oldest first, from beyond `after` (time, chain, seq)."""
    query = select(Entry).order_by(Entry.at, Entry.chain, Entry.seq).limit(limit)
    if window is not None:
        query = query.where(Entry.window_id == window)
    if actor is not None:
        query = query.where(Entry.actor == actor)
    if after is not None:
        query = query.where(tuple_(Entry.at, Entry.chain, Entry.seq) > tuple_(*after))
    return list(session.scalars(query))


def latest(
    session: Session,
    *,
    window: str | None = None,
    actor: str | None = None,
    stack: StackId | None = None,
    event: Event | None = None,
    before: tuple[datetime, str, int] | None = None,
    limit: int = 100,
) -> list[Entry]:
    """The trail, newest first, from beyond `before` (time, chain, seq)."""
    query = select(Entry).order_by(Entry.at.desc(), Entry.chain.desc(), Entry.seq.desc()).limit(limit)
    wanted = {Entry.window_id: window, Entry.actor: actor, Entry.stack: stack, Entry.event: event}
    query = query.where(*(column == value for column, value in wanted.items() if value is not None))
    if before is not None:
        query = query.where(tuple_(Entry.at, Entry.chain, Entry.seq) < tuple_(*before))
    return list(session.scalars(query))


def stream(session: Session, *, window: str | None = None, actor: str | None = None) -> Iterator[Entry]:
    """All of it, a page at a time."""
    after = None
    while page := entries(session, window=window, actor=actor, after=after, limit=500):
        yield from page
        after = (page[-1].at, page[-1].chain, page[-1].seq)


def has_entry_with(session: Session, event: Event, text: str, since: datetime) -> bool:
    """Does an entry of this kind, not from long before `since`, have this text in its facts?"""
    query = select(Entry.id).where(Entry.at >= _to_the_millisecond(since), Entry.event == event)
    return session.scalar(query.where(Entry.facts.contains(text)).limit(1)) is not None
