"""The output of running calls is in the database while they run, and costs no call anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from app.domain.calls import CallOutcome, StartedCall
from app.domain.enums import Action, CallStatus, Loop
from app.domain.stack_id import StackId
from app.store.database import Database
from app.store.tables import Call
from app.usecases.reconciliation import calls
from workers.loops.call_output_writer import LONGEST_OUTPUT_PAUSE, OUTPUT_INTERVAL, CallOutputWriter
from workers.state.context import WorkerContext
from workers.state.live_output import LiveOutput
from workers.state.running_calls import RunningCall

STACK = StackId("studio")


@contextmanager
def running(context: WorkerContext, service: str, *, age: float = OUTPUT_INTERVAL) -> Iterator[RunningCall]:
    """A call of a service that began `age` seconds ago."""
    begun = StartedCall(STACK, service, Action.UP, ("docker", "compose", "up"), "local", context.me.name)
    with context.database.write() as session:
        identifier = calls.start_call(session, begun, context.database.now())
    call = RunningCall(identifier, STACK, service, Action.UP, LiveOutput("studio"))
    call.began -= age
    with context.running.during(call):
        yield call


def stored(context: WorkerContext, call: RunningCall) -> str:
    with context.database.read() as session:
        row = session.get(Call, call.id)
        assert row is not None
        return row.stderr


@contextmanager
def count_commits(database: Database) -> Iterator[list[object]]:
    commits: list[object] = []

    def count(connection: object) -> None:
        commits.append(connection)

    event.listen(database.engine, "commit", count)
    try:
        yield commits
    finally:
        event.remove(database.engine, "commit", count)


def test_all_running_calls_are_stored_at_once_and_only_where_they_printed(context: WorkerContext) -> None:
    writer = CallOutputWriter(context)
    with (
        running(context, "forge") as forge,
        running(context, "mill") as mill,
        running(context, "db", age=0) as young,
    ):
        for call in (forge, mill, young):
            call.output.add(f"Container {call.service} Starting\n")
        with count_commits(context.database) as commits:
            writer.write()
            writer.write()
            assert len(commits) == 1
        assert stored(context, forge) == "Container forge Starting\n"
        assert stored(context, mill) == "Container mill Starting\n"
        assert stored(context, young) == ""


def test_the_end_of_a_call_is_not_overwritten(context: WorkerContext) -> None:
    writer = CallOutputWriter(context)
    with running(context, "forge") as call:
        call.output.add("Container forge Starting\n")
        with context.database.write() as session:
            outcome = CallOutcome(CallStatus.OK, 0, 1500, "", "all of it")
            calls.finish_call(session, call.id, outcome, context.database.now())
        writer.write()
        assert stored(context, call) == "all of it"


def test_a_database_that_fails_or_is_slow_is_written_to_less_often_and_nothing_is_lost(
    context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = CallOutputWriter(context)

    def slow_failure() -> NoReturn:
        clock[0] += 7
        raise OperationalError("BEGIN", None, Exception("locked"))

    clock = [1e6]
    monkeypatch.setattr("workers.loops.call_output_writer.time.monotonic", lambda: clock[0])
    with running(context, "forge") as call:
        call.output.add("Container forge Starting\n")
        with monkeypatch.context() as outage:
            outage.setattr(context.database, "write", slow_failure)
            context.guard.run(Loop.CALL_OUTPUT, writer.write)
        assert writer.pause == LONGEST_OUTPUT_PAUSE

        writer.write()
        assert stored(context, call) == "Container forge Starting\n"
        assert writer.pause == OUTPUT_INTERVAL
