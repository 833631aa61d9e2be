"""Expiry without help: the broker, beat or the database away at the deadline, for real."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from app.domain.enums import Action, CallStatus, Event, State
from app.standalone import broker as brokers
from app.store import audit
from app.store.database import Database
from app.store.tables import Entry
from app.usecases.windows import extend as extending
from tests.databases import Databases
from tests.engine.cut_off_stacks import LONG, REPOSITORY, far, is_off, known_deadline, line, server, written
from tests.engine.stacks import Stack, needs, python, running, standing, until
from tests.outages import Line, Server

__all__ = ["far", "line", "server"]


def facts(entries: list[Entry]) -> list[dict[str, Any]]:
    return [json.loads(one.facts) for one in entries]


def assert_complete(stack: Stack, *, calls: int) -> None:
    """The trail verifies and has each blind call once, with its end, and one line about the outage."""
    with stack.database.read() as session:
        assert all(proof.ok for proof in audit.verify(session))
    made = [call for call in stack.calls() if call.blind]
    assert len(made) == calls, stack.story()
    assert len({call.journal_id for call in made}) == calls
    blind_facts = [one for one in facts(stack.entries()) if one.get("blind")]
    assert len(blind_facts) == 2 * calls
    (outage,) = stack.entries(Event.NODE_BLIND)
    facts_of_outage = json.loads(outage.facts)
    assert (facts_of_outage["node"], facts_of_outage["calls"]) == ("local", calls)
    assert facts_of_outage["since"] < facts_of_outage["until"]
    assert not list((stack.directory / "data" / "blind").rglob("*.journal"))


@pytest.mark.parametrize("how", ["killed", "frozen", "cut"])
def test_what_is_due_ends_while_the_database_is_away(
    server: Server, line: Line, far: Stack, how: str
) -> None:
    leave, come_back = {
        "killed": (server.kill, server.start),
        "frozen": (server.freeze, server.thaw),
        "cut": (line.cut, line.mend),
    }[how]
    defined = {"db": running(), "api": running(**needs(db="started"))}
    far.write(defined, blind_grace="1s").begin()
    window = far.open("api", ttl=8)
    far.opened(window)
    leave()
    try:
        until(lambda: is_off(far), "all is off", LONG)
        # The stop has an end in the journal before anything is asked of the database again.
        until(lambda: written(far, "ended") == 2, "both ends are written down", LONG)
    finally:
        come_back()

    closed = far.closed(window, within=LONG)

    assert closed.close_detail == "its time was up"
    until(lambda: far.context.journal.empty, "the journal is taken in", LONG, far)
    until(lambda: far.entries(Event.NODE_BLIND), "the outage is on record", LONG, far)
    assert_complete(far, calls=2)
    blind = [call for call in far.calls() if call.blind]
    assert [(call.service, call.action, call.status) for call in blind] == [
        ("api", Action.STOP, CallStatus.OK),
        ("db", Action.STOP, CallStatus.OK),
    ]
    assert all(call.window_id == window for call in blind)
    for call in blind:
        assert call.finished_at
        assert closed.deadline + timedelta(seconds=1) <= call.started_at <= call.finished_at
        assert closed.closing_at
        assert call.finished_at <= closed.closing_at
    assert not any("cut" in one for one in facts(far.entries()))


def test_an_extension_that_could_not_be_read_is_cut_and_the_trail_says_so(
    server: Server, line: Line, far: Stack
) -> None:
    far.write({"forge": running()}, blind_grace="1s").begin()
    window = far.open("forge", ttl=10)
    far.opened(window)
    line.cut()
    front = Database(line.beyond)
    with front.write() as session:
        extending.extend(session, window, 600, actor="ada", now=front.now())
    front.close()
    until(lambda: is_off(far), "it is off", LONG)
    line.mend()

    until(lambda: far.context.snapshot.away is False and far.context.journal.empty, "it is back", LONG)
    until(lambda: far.entries(Event.NODE_BLIND), "the outage is on record", LONG, far)
    assert_complete(far, calls=1)
    (started,) = facts([one for one in far.entries(Event.CALL_STARTED) if json.loads(one.facts).get("blind")])
    assert started["cut"] == [window]
    until(lambda: "stopped blind" in far.lease(window, "forge").detail, "it says why", LONG, far)
    assert far.window(window).state == State.OPEN


def test_a_stack_that_holds_waits_for_the_database(line: Line, far: Stack) -> None:
    far.write({"forge": running()}, blind="hold", blind_grace="1s").begin()
    window = far.open("forge", ttl=6)
    far.opened(window)
    line.cut()
    deadline = known_deadline(far, window)

    until(lambda: far.context.snapshot.silent_seconds > 8, "it has been away for long", LONG)
    until(lambda: far.context.snapshot.now() > deadline + timedelta(seconds=3), "its time is up", LONG)
    assert far.alive() == {"forge"}

    line.mend()
    far.closed(window, within=LONG)
    assert is_off(far)
    assert not [call for call in far.calls() if call.blind]


def test_a_deadline_that_has_not_come_is_waited_for(line: Line, far: Stack) -> None:
    far.write({"forge": running(), "mill": running()}, blind_grace="1s").begin()
    brief, other = far.open("forge", ttl=8), far.open("forge", "mill", ttl=600)
    far.opened(brief)
    far.opened(other)
    line.cut()
    deadline = known_deadline(far, brief)

    until(lambda: far.context.snapshot.now() > deadline + timedelta(seconds=4), "the first is due", LONG)

    assert far.context.snapshot.away
    assert far.alive() == {"forge", "mill"}
    line.mend()
    far.closed(brief, within=LONG)
    assert far.alive() == {"forge", "mill"}


def test_the_end_of_a_call_that_the_database_did_not_hear_of_is_no_lost_call(line: Line, far: Stack) -> None:
    slow = "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(4), os._exit(0)))\nsignal.pause()"
    far.write({"forge": python(slow, stop_grace_period="20s")}, blind_grace="600s").begin()
    window = far.open("forge")
    far.opened(window)
    far.close(window)
    until(
        lambda: any(call.action == Action.STOP and call.status == CallStatus.RUNNING for call in far.calls()),
        "it is being stopped",
        LONG,
        far,
    )
    line.cut()
    until(lambda: is_off(far) and far.context.journal.calls, "it has ended", LONG)
    line.mend()

    far.closed(window, within=LONG)

    (stop,) = [call for call in far.calls() if call.action == Action.STOP]
    assert (stop.status, stop.returncode, stop.blind) == (CallStatus.OK, 0, False)
    assert far.entries(Event.CALL_LOST) == []


def test_a_database_that_takes_nothing_is_away_though_it_can_be_read(stack: Stack) -> None:
    """A process is frozen while it writes; a full disk looks the same."""
    stack.write({"forge": running()}, blind_grace="1s").begin()
    window = stack.open("forge", ttl=8)
    stack.opened(window)
    other_connection = sqlite3.connect(make_url(stack.database_url).database or "", isolation_level=None)
    other_connection.execute("BEGIN IMMEDIATE")
    try:
        until(lambda: is_off(stack), "it is off", LONG)
        assert stack.window(window).state == State.OPEN
    finally:
        other_connection.close()

    stack.closed(window, within=LONG)

    until(lambda: stack.entries(Event.NODE_BLIND), "the outage is on record", LONG, stack)
    until(lambda: stack.context.journal.empty, "the journal is taken in", LONG, stack)
    assert_complete(stack, calls=1)


@contextmanager
def celery_worker(stack: Stack, broker_url: str) -> Iterator[subprocess.Popen[bytes]]:
    words = ["worker", "-Q", "power,power.local", "--without-mingle", "--without-gossip", "-l", "WARNING"]
    command = [sys.executable, "-m", "celery", "-A", "workers", *words]
    environ = {**os.environ, **stack.environ, "POWER_BROKER_URL": broker_url}
    with (stack.directory / "worker.log").open("wb") as log:
        started = subprocess.Popen(command, cwd=REPOSITORY, env=environ, stdout=log, stderr=log)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def test_with_the_broker_killed_and_no_beat_an_end_is_as_prompt_as_ever(
    tmp_path: Path, databases: Databases
) -> None:
    with standing(tmp_path, databases.migrated("sqlite")) as stack:
        stack.write({"forge": running()})
        broker = brokers.prepare(tmp_path / "data")
        server = subprocess.Popen([brokers.server_binary(), broker.config_file], stdout=subprocess.DEVNULL)
        try:
            until(lambda: brokers.answers(broker), "the broker answers", LONG)
            with celery_worker(stack, broker.url):
                until(lambda: served(stack), "the worker serves the stack", LONG)
                window = stack.ask("forge", ttl=12)
                stack.opened(window)
                server.send_signal(signal.SIGKILL)
                server.wait()

                closed = stack.closed(window, within=LONG)
        finally:
            server.kill()
            server.wait()
        assert closed.closing_at
        (stop,) = [call for call in stack.calls() if call.action == Action.STOP]
        assert timedelta(0) <= closed.closing_at - closed.deadline < timedelta(seconds=5)
        assert timedelta(0) <= stop.started_at - closed.deadline < timedelta(seconds=5)
        assert is_off(stack)


def served(stack: Stack) -> bool:
    return bool(stack.entries(Event.STACK_LOADED))
