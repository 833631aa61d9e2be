"""Fronts and workers are restarted in turn while people work: no job and no event is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from app.domain.enums import CallStatus, Event, State
from app.store import audit
from app.store.tables import Entry, Window
from tests.databases import Databases
from tests.engine.stacks import Stack, running, standing, until
from tests.upgrades.fleet import LONG, EventListener, Fleet, Person, fleet

SERVICES = ("forge", "mill", "press")
ORDER = ("web0", "worker0", "web1", "worker1", "worker0", "web0")


@pytest.fixture
def many(tmp_path: Path, databases: Databases) -> Iterator[Fleet]:
    url = databases.migrated("postgres")
    with standing(tmp_path, url) as stack:
        stack.write({name: running() for name in ("core", *SERVICES)}, core=["core"])
        stack.by_hand("up", "-d", "core")
        with fleet(stack) as servers:
            yield servers
    databases.release(url)


def test_a_rolling_restart_loses_no_job_and_no_event(many: Fleet) -> None:
    stack, over, deaf = many.stack, threading.Event(), threading.Event()
    people, listener = [Person(many, service) for service in SERVICES], EventListener(many)
    threads = [threading.Thread(target=person.live, args=[over]) for person in people]
    hearing = threading.Thread(target=listener.listen, args=[deaf.is_set])
    hearing.start()
    until(lambda: listener.begun, "a client listens", LONG)
    for thread in threads:
        thread.start()

    until(lambda: all(person.windows for person in people), "every person has a window", LONG)
    codes = {name: many.restart(name) for name in ORDER}
    made = [len(person.windows) for person in people]
    until(lambda: _further(people, made), "work goes on after the last restart", LONG, stack)
    over.set()
    for thread in threads:
        thread.join(LONG)

    assert [person.fault for person in people] == [None] * len(people)
    assert {status for person in people for status in person.answers} <= {200, 202}
    assert set(codes.values()) == {0}, codes
    until(lambda: _ended(stack) == _all(people), "every accepted window has ended", LONG, stack)
    assert stack.alive() == {"core"}
    until(
        lambda: all(call.status != CallStatus.RUNNING for call in stack.calls()),
        "every call has its end",
        LONG,
        stack,
    )
    assert {str(call.status) for call in stack.calls()} == {"ok"}
    assert stack.entries(Event.CALL_LOST) == []

    written = _written(stack, listener.begun)
    until(lambda: len(listener.heard) >= len(written), "everything was heard", LONG)
    deaf.set()
    hearing.join(LONG)
    for chain in {chain for chain, _ in written}:
        mine = [seq for name, seq in listener.heard if name == chain]
        assert mine == list(range(mine[0], mine[0] + len(mine))), f"{chain}: in order, each once"
    assert set(written) <= set(listener.heard)
    assert listener.returns > 0, "a front that was listened to has left at least once"
    with stack.database.read() as session:
        assert all(proof.ok for proof in audit.verify(session))


def _further(people: list[Person], made: list[int]) -> bool:
    return all(
        len(person.windows) > before or person.fault for person, before in zip(people, made, strict=True)
    )


def _all(people: list[Person]) -> set[str]:
    return {window for person in people for window in person.windows}


def _ended(stack: Stack) -> set[str]:
    """Every window there is, provided that all have ended."""
    with stack.database.read() as session:
        rows = list(session.scalars(select(Window)))
    return {row.id for row in rows} if all(row.state == State.CLOSED for row in rows) else set()


def _written(stack: Stack, place: str) -> list[tuple[str, int]]:
    begun = {chain: int(seq) for chain, _, seq in (step.rpartition(":") for step in place.split(","))}
    with stack.database.read() as session:
        entries = session.execute(select(Entry.chain, Entry.seq).order_by(Entry.id)).all()
    return [(chain, seq) for chain, seq in entries if seq > begun.get(chain, 0)]
