"""One bad window, call, stack or file keeps no other from its turn; nothing is kept of what is gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.domain.calls import CallOutcome, StartedCall
from app.domain.enums import Action, CallStatus, Loop
from app.domain.stack_id import StackId
from app.store import loop_failures
from app.store.tables import Notice
from app.usecases import notifications
from app.usecases.reconciliation import calls, offline_import
from app.usecases.windows import transitions
from tests.deadline import until
from tests.system import NOON, System
from tests.workers.loops.loop_parts import watch
from workers.loops.heartbeat import HeartbeatLoop
from workers.loops.notifier import Notifier
from workers.loops.stack_loader import StackLoader
from workers.notifications import senders
from workers.offline import recovery
from workers.stacks import stack_reader
from workers.stacks.stack_reader import Served
from workers.state.context import WorkerContext
from workers.state.journal import Journal
from workers.state.snapshot import Outage


def test_a_window_that_cannot_be_closed_keeps_no_other_open(
    system: System, context: WorkerContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = system.open("forge", ttl=60), system.open("mill", ttl=60)
    advance = transitions.advance

    def breaks(session: Any, window: Any, *arguments: Any, **named: Any) -> None:
        if window.id == bad:
            raise ValueError("a row that cannot be read")
        advance(session, window, *arguments, **named)

    monkeypatch.setattr("app.usecases.windows.expire.advance", breaks)
    system.now = system.window(good).deadline

    assert watch(context, tmp_path).clock.expire(system.now) == {"studio"}
    assert (system.state(bad), system.state(good)) == ("open", "closing")
    assert context.guard.take_counts() == {Loop.CLOCK: 2}


def test_a_lost_call_that_cannot_be_ended_keeps_no_other_running(
    system: System, context: WorkerContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with system.database.write() as session:
        for service in ("forge", "mill"):
            begun = StartedCall(StackId("studio"), service, Action.STOP, ("docker",), "local", "dead-worker")
            calls.start_call(session, begun, system.now)
    lost = calls.lose_call

    def breaks(session: Any, call: Any, now: Any) -> None:
        if call.service == "forge":
            raise KeyError("forge")
        lost(session, call, now)

    monkeypatch.setattr(calls, "lose_call", breaks)
    monkeypatch.setattr(HeartbeatLoop, "beat", lambda _self: None)

    watch(context, tmp_path).beat(system.now)

    statuses = {name: system.calls(name)[-1].status for name in ("forge", "mill")}
    assert statuses == {"forge": CallStatus.RUNNING, "mill": CallStatus.LOST}


def test_a_call_that_has_ended_meanwhile_is_not_lost(
    system: System, context: WorkerContext, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It was running when the list was read, and its worker is through with it when it is judged."""
    with system.database.write() as session:
        begun = StartedCall(StackId("studio"), "forge", Action.STOP, ("docker",), "local", context.me.name)
        call = calls.start_call(session, begun, system.now)
    (listed,) = system.calls("forge")
    with system.database.write() as session:
        calls.finish_call(session, call, CallOutcome(CallStatus.OK, 0, 5), system.now)

    watch(context, tmp_path).clock.lost_calls.end_if_lost(listed, system.now)

    assert not caplog.records
    with system.database.write() as session:
        assert not calls.record_lost_calls(session, "local", {context.me.name: True}, system.now)


def blind_stop(context: WorkerContext, worker: str, service: str, **changed: Any) -> None:
    """A dead worker left a journal behind, which tells of one stop."""
    left = Journal(context.offline_dir, worker)
    begun = StartedCall(StackId("studio"), service, Action.STOP, ("docker",), "local", worker)
    outage = Outage(f"outage of {worker}", NOON)
    left.record_end(
        left.record_begin(outage, replace(begun, **changed), NOON), CallOutcome(CallStatus.OK, 0, 5), NOON
    )


def test_a_journal_that_is_refused_keeps_no_other_from_the_record(
    system: System, context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind_stop(context, "good", "forge")
    blind_stop(context, "bad", "mill")
    (context.offline_dir / "folder.journal").mkdir()
    take_in = offline_import.import_call

    def breaks(session: Any, made: Any, now: Any) -> None:
        if made.begun.service == "mill":
            raise ValueError("a line that cannot be read")
        take_in(session, made, now)

    monkeypatch.setattr(offline_import, "import_call", breaks)

    recovery.import_journals(context, system.now)

    assert [call.service for call in system.calls("forge")] == ["forge"]
    assert not system.calls("mill")
    assert sorted(one.name for one in context.offline_dir.iterdir()) == ["bad.refused", "folder.refused"]
    assert context.guard.take_counts() == {Loop.CLOCK: 3}
    recovery.import_journals(context, system.now)
    assert not context.guard.take_counts()


def test_failures_of_loops_are_on_record_with_the_sign_of_life(
    system: System, context: WorkerContext, tmp_path: Path
) -> None:
    watching = watch(context, tmp_path)
    for _ in range(2):
        context.guard.record_failure(Loop.LOOKS, KeyError("x"), "studio")
        watching.clock.record_failures()
    watching.clock.record_failures()

    with system.database.read() as session:
        assert loop_failures.counts(session) == {("local", "looks"): 2}


def test_a_sink_that_fails_blocks_no_other_sink(
    system: System, context: WorkerContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "power.toml").write_text(
        "".join(
            f'[notices.{name}]\nurl = "http://127.0.0.1:9/"\nsecret = "s"\nevents = ["window.opening"]\n\n'
            for name in ("bad", "good")
        )
        + '[stacks.studio]\nproject = "studio"\nallow = ["forge"]\n'
    )
    monkeypatch.setattr(stack_reader, "read", lambda _path, _toml, name, **_more: Served(system.spec))
    monkeypatch.setattr(system.database, "now", lambda: system.now)
    loading = StackLoader(context, tmp_path / "power.toml")
    loading.begin()
    notifier = Notifier(context, loading, None, tmp_path)
    sent: list[str] = []

    def send(toml: Any, notice: str, body: Any) -> str:
        sent.append(notice)
        raise RuntimeError("in a way of its own")

    take_in = notifications.collect_notices

    def breaks(session: Any, sink: Any, now: Any) -> None:
        if sink.name == "bad":
            raise KeyError("bad")
        take_in(session, sink, now)

    monkeypatch.setattr(senders, "send", send)
    monkeypatch.setattr(notifications, "collect_notices", breaks)
    notifier.process_outbox()
    system.open("forge")
    notifier.process_outbox()
    until(lambda: sent, "the other sink is told")
    until(lambda: notifier.busy == 0, "nothing is being sent")

    with system.database.read() as session:
        (row,) = session.scalars(select(Notice))
    assert (row.sink, row.state, row.attempts) == ("good", "pending", 1)
    assert row.next_at > system.now
