"""The trail is append-only, chained, and says where it was tampered with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.domain.enums import Event
from app.domain.stack_id import StackId
from app.store import audit
from app.store.database import Database
from app.store.tables import ChainHead, Entry
from tests.simultaneous import together
from tests.store.tampering import tamper

NOON = datetime(2030, 5, 1, 12, tzinfo=UTC)


def say(database: Database, *chains: str, at: datetime = NOON, **facts: Any) -> None:
    with database.write() as session:
        for chain in chains:
            stack = None if chain == audit.SYSTEM_CHAIN else StackId(chain)
            audit.record(session, Event.REFUSED, actor="ada", now=at, stack=stack, **facts)


def proof(database: Database, chain: str = "studio") -> audit.Proof:
    with database.read() as session:
        return next(one for one in audit.verify(session) if one.chain == chain)


@pytest.fixture
def five(database: Database) -> Database:
    """A chain of five entries of a stack, and the chain of the system."""
    for number in range(5):
        say(database, "studio", number=number)
    say(database, audit.SYSTEM_CHAIN)
    return database


def test_a_chain_counts_from_one_and_each_entry_carries_the_hash_before(five: Database) -> None:
    with five.read() as session:
        entries = [entry for entry in audit.entries(session) if entry.chain == "studio"]
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
    assert [entry.prev for entry in entries] == [audit.GENESIS, *(entry.hash for entry in entries[:-1])]
    assert proof(five) == audit.Proof("studio", 5)
    assert proof(five, audit.SYSTEM_CHAIN).ok


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'eve' WHERE seq = 2",
        "UPDATE audit SET actor = actor",
        "DELETE FROM audit WHERE seq = 5",
        "DELETE FROM audit",
    ],
)
def test_the_database_refuses_to_rewrite_the_trail(five: Database, statement: str) -> None:
    with pytest.raises(DBAPIError, match="append-only"), five.write() as session:
        session.execute(text(statement))
    assert proof(five).ok


def test_neither_emptying_nor_replacing_gets_past_the_guard(five: Database) -> None:
    replacing = "INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE seq = 2"
    with pytest.raises(DBAPIError, match="append-only"), five.write() as session:
        session.execute(text(replacing if five.sqlite else "TRUNCATE audit"))
    assert proof(five).ok


def test_an_altered_entry_is_named(five: Database) -> None:
    tamper(five, "UPDATE audit SET actor = 'eve' WHERE seq IN (2, 4) AND chain = 'studio'")
    assert proof(five) == audit.Proof("studio", 1, 2, "altered")
    assert proof(five, audit.SYSTEM_CHAIN).ok


@pytest.mark.parametrize("column", ["at", "event", "stack", "window_id", "service", "facts", "prev", "hash"])
def test_nothing_of_an_entry_can_be_altered_unseen(five: Database, column: str) -> None:
    value = "'2031-01-01 00:00:00'" if column == "at" else "'x'"
    tamper(five, f"UPDATE audit SET {column} = {value} WHERE seq = 3 AND chain = 'studio'")
    assert proof(five).first_bad == 3


@pytest.mark.parametrize("seq", [1, 3, 5])
def test_an_entry_that_was_altered_and_hashed_anew_is_named(five: Database, seq: int) -> None:
    with five.read() as session:
        row = (
            session.execute(Entry.__table__.select().where(Entry.seq == seq, Entry.chain == "studio"))
            .mappings()
            .one()
        )
    forged = audit.digest({**row, "actor": "eve"})
    tamper(five, f"UPDATE audit SET actor = 'eve', hash = '{forged}' WHERE seq = {seq} AND chain = 'studio'")
    assert (proof(five).first_bad, proof(five).reason) == (seq, "altered")


@pytest.mark.parametrize("seq", [1, 3, 5])
def test_a_removed_entry_is_named(five: Database, seq: int) -> None:
    tamper(five, f"DELETE FROM audit WHERE seq = {seq} AND chain = 'studio'")
    assert (proof(five).first_bad, proof(five).reason) == (seq, "removed")


def test_an_entry_whose_gap_was_closed_is_named(five: Database) -> None:
    tamper(
        five,
        "DELETE FROM audit WHERE seq = 3 AND chain = 'studio'",
        "UPDATE audit SET seq = 3 WHERE seq = 4 AND chain = 'studio'",
        "UPDATE audit SET seq = 4 WHERE seq = 5 AND chain = 'studio'",
    )
    assert (proof(five).first_bad, proof(five).reason) == (3, "reordered")


def test_two_that_changed_places_are_named(five: Database) -> None:
    tamper(
        five,
        "UPDATE audit SET seq = -1 WHERE seq = 2 AND chain = 'studio'",
        "UPDATE audit SET seq = 2 WHERE seq = 3 AND chain = 'studio'",
        "UPDATE audit SET seq = 3 WHERE seq = -1 AND chain = 'studio'",
    )
    assert (proof(five).first_bad, proof(five).reason) == (2, "reordered")


def test_a_chain_that_vanished_as_a_whole_is_missed(five: Database) -> None:
    tamper(five, "DELETE FROM audit WHERE chain = 'studio'")
    assert (proof(five).first_bad, proof(five).reason) == (1, "removed")


def test_an_entry_that_was_slipped_in_at_the_end_is_named(five: Database) -> None:
    with five.read() as session:
        row = session.execute(Entry.__table__.select().where(Entry.seq == 5)).mappings().one()
    forged = {**row, "id": 999, "seq": 6, "prev": row["hash"]}
    with Session(five.engine) as session:
        session.execute(insert(Entry).values(**forged | {"hash": audit.digest(forged)}))
        session.commit()
    assert not proof(five).ok


def test_many_writers_at_once_never_fork_a_chain(database: Database, database_url: str) -> None:
    """Each process reads the head for itself; two that read the same one would fork the chain."""
    ways = [Database(database_url) for _ in range(6)]

    def act(number: int) -> None:
        for turn in range(8):
            say(ways[number], "studio", "other" if turn % 2 else audit.SYSTEM_CHAIN, number=number, turn=turn)

    together(6, act)
    for way in ways:
        way.close()
    with database.read() as session:
        proofs = {one.chain: (one.ok, one.entries) for one in audit.verify(session)}
    assert proofs == {"studio": (True, 48), "other": (True, 24), "house": (True, 24)}


def test_a_reader_that_goes_by_places_misses_nothing(database: Database, database_url: str) -> None:
    """Others write to several chains meanwhile, their clocks apart and their commits out of order."""
    chains, many = ["a", "b", "c", audit.SYSTEM_CHAIN], 4
    way = Database(database_url)

    def act(number: int) -> list[tuple[str, int]]:
        if number:
            for turn in range(12):
                at = NOON + timedelta(milliseconds=(turn * 37 * number) % 11)
                say(way, chains[turn % 4], chains[number % 4], at=at)
            return []
        place, entries_read = dict[str, int](), list[tuple[str, int]]()
        while len(entries_read) < (many - 1) * 24:
            with database.read() as session:
                for entry in audit.since(session, place, limit=5):
                    place[entry.chain] = entry.seq
                    entries_read.append((entry.chain, entry.seq))
        return entries_read

    entries_read = together(many, act)[0]
    way.close()
    for chain in chains:
        seqs = [seq for name, seq in entries_read if name == chain]
        assert seqs == list(range(1, len(seqs) + 1))
    with database.read() as session:
        assert audit.since(session, dict(entries_read)) == []


def test_verifying_while_others_write_raises_no_alarm(database: Database, database_url: str) -> None:
    say(database, "studio")
    way = Database(database_url)

    def act(number: int) -> bool:
        if number:
            for _ in range(20):
                say(way, "studio")
            return True
        return all(proof(database).ok for _ in range(20))

    assert all(together(2, act))
    way.close()


def test_the_times_of_a_chain_never_run_backwards(database: Database) -> None:
    say(database, "studio", at=NOON)
    say(database, "studio", at=NOON - timedelta(seconds=5))
    with database.read() as session:
        assert [entry.at for entry in audit.entries(session)] == [NOON, NOON]
    assert proof(database).ok


def test_heads_are_locked_last(database: Database) -> None:
    """Until its end a transaction leaves the heads alone, so no other transaction waits for it."""
    with database.write() as session:
        audit.record(session, Event.REFUSED, actor="ada", now=NOON, stack=StackId("studio"))
        session.flush()
        assert session.query(ChainHead).count() == 0
    with database.read() as session:
        assert audit.heads(session) == {"studio": 1}


def test_the_trail_is_read_in_pages_oldest_first(database: Database) -> None:
    for number in range(7):
        say(database, "a" if number % 2 else "b", at=NOON + timedelta(seconds=number), number=number)
    with database.read() as session:
        first = audit.entries(session, limit=3)
        rest = audit.entries(session, after=(first[-1].at, first[-1].chain, first[-1].seq))
        assert [*first, *rest] == list(audit.stream(session))
        assert audit.entries(session, actor="bob") == []
    assert [entry.at.second for entry in [*first, *rest]] == list(range(7))


def test_odd_facts_do_no_harm(database: Database) -> None:
    say(database, "studio", said="\0 \ud800 é", argv=["--", "é"])
    assert proof(database).ok
    with database.read() as session:
        assert audit.entries(session)[0].as_json()["facts"]["argv"] == ["--", "é"]
