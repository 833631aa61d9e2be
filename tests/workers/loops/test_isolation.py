"""One bad window, call, stack or file keeps no other from its turn; nothing is kept of what is gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from app.domain.enums import Action, CallStatus, Loop
from app.domain.planning import ServiceSpec, StackSpec
from app.store import loop_failures
from app.store.database import Database
from app.store.tables import Notice, Stack
from app.usecases import notifications
from app.usecases.reconciliation import observations, offline_import
from app.usecases.reconciliation.observations import CallOutcome, StartedCall
from app.usecases.windows import transitions
from tests.deadline import until
from tests.system import NOON, System
from workers.loops.heartbeat import HeartbeatLoop
from workers.loops.notifier import Notifier
from workers.loops.stack_loader import StackLoader
from workers.loops.watch import Watch
from workers.notifications import senders
from workers.offline import recovery
from workers.reconcile.inspect import look
from workers.stacks import stack_reader
from workers.stacks.stack_reader import Served
from workers.state.context import WorkerContext
from workers.state.identity import Identity
from workers.state.inspection_queue import Trigger
from workers.state.journal import Journal
from workers.state.restart_history import RestartHistory
from workers.state.snapshot import Outage


@pytest.fixture
def station(tmp_path: Path, database: Database) -> WorkerContext:
    me = Identity(tmp_path / "locks", "local")
    engine: Any = SimpleNamespace(id=lambda: "engine", fault="")
    return WorkerContext(database, engine, me, "local", tmp_path / "locks")


def watch(station: WorkerContext, tmp_path: Path) -> Watch:
    loading = StackLoader(station, tmp_path / "power.toml")
    return Watch(station, loading, HeartbeatLoop(station, loading))


def spec(name: str) -> StackSpec:
    return StackSpec(name, name, "local", {"forge": ServiceSpec("forge", image=f"{name}-forge")})


def test_a_window_that_cannot_be_closed_keeps_no_other_open(
    house: System, station: WorkerContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = house.open("forge", ttl=60), house.open("mill", ttl=60)
    advance = transitions.advance

    def breaks(session: Any, window: Any, *arguments: Any, **named: Any) -> None:
        if window.id == bad:
            raise ValueError("a row that nobody understands")
        advance(session, window, *arguments, **named)

    monkeypatch.setattr(transitions, "advance", breaks)
    house.now = house.window(good).deadline

    assert watch(station, tmp_path)._expired(house.now) == {"studio"}
    assert (house.state(bad), house.state(good)) == ("open", "closing")
    assert station.guard.take_counts() == {Loop.CLOCK: 2}


def test_a_lost_call_that_cannot_be_ended_keeps_no_other_running(
    house: System, station: WorkerContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house.database.write() as session:
        for service in ("forge", "mill"):
            begun = StartedCall("studio", service, Action.STOP, ("docker",), "local", "dead-worker")
            observations.call_started(session, begun, house.now)
    lost = observations.call_lost

    def breaks(session: Any, call: Any, now: Any) -> None:
        if call.service == "forge":
            raise KeyError("forge")
        lost(session, call, now)

    monkeypatch.setattr(observations, "call_lost", breaks)
    monkeypatch.setattr(HeartbeatLoop, "beat", lambda _self: None)

    watch(station, tmp_path).beat(house.now)

    statuses = {name: house.calls(name)[-1].status for name in ("forge", "mill")}
    assert statuses == {"forge": CallStatus.RUNNING, "mill": CallStatus.LOST}


def test_a_call_that_has_ended_meanwhile_is_not_lost(
    house: System, station: WorkerContext, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It was running when the list was read, and its worker is through with it when it is judged."""
    with house.database.write() as session:
        begun = StartedCall("studio", "forge", Action.STOP, ("docker",), "local", station.me.name)
        call = observations.call_started(session, begun, house.now)
    (listed,) = house.calls("forge")
    with house.database.write() as session:
        observations.call_finished(session, call, CallOutcome(CallStatus.OK, 0, 5), house.now)

    watch(station, tmp_path)._end_if_lost(listed, house.now)

    assert not caplog.records
    with house.database.write() as session:
        assert not observations.lost_calls(session, "local", {station.me.name: True}, house.now)


def two_stacks(tmp_path: Path) -> None:
    (tmp_path / "power.toml").write_text(
        '[stacks.bad]\nproject = "bad"\nallow = ["forge"]\n\n'
        '[stacks.good]\nproject = "good"\nallow = ["forge"]\n'
    )


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyError("x"), MemoryError()])
def test_a_stack_that_cannot_be_read_keeps_no_other_from_being_served(
    station: WorkerContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def read(_path: Path, _toml: Any, name: str, **_more: Any) -> Served:
        if name == "bad":
            raise error
        return Served(spec(name), place=SimpleNamespace())  # type: ignore[arg-type]

    monkeypatch.setattr(stack_reader, "read", read)
    two_stacks(tmp_path)

    loading = StackLoader(station, tmp_path / "power.toml")
    loading.begin()
    HeartbeatLoop(station, loading).begin()

    assert station.claimed == {"good", "bad"}
    assert station.stacks["good"].place
    assert not station.stacks["bad"].place


def test_a_stack_that_is_not_published_keeps_no_other_from_it(
    station: WorkerContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = observations.published

    def breaks(session: Any, found: StackSpec, *arguments: Any) -> None:
        if found.name == "bad":
            raise TypeError("a definition that nobody understands")
        published(session, found, *arguments)

    monkeypatch.setattr(observations, "published", breaks)
    monkeypatch.setattr(stack_reader, "read", lambda _path, _toml, name, **_more: Served(spec(name)))
    two_stacks(tmp_path)
    loading = StackLoader(station, tmp_path / "power.toml")
    loading.begin()

    HeartbeatLoop(station, loading).begin()

    assert station.claimed == {"good"}


def test_a_stack_that_was_taken_out_leaves_nothing_behind(station: WorkerContext) -> None:
    found = Served(spec("studio"))
    station.adopt(found)
    station.adopt(Served(spec("other")))
    station.claimed |= {"studio", "other"}
    station.digests |= {"studio-forge": "sha256:1", "other-forge": "sha256:2"}
    station.one_look("studio")
    station.restarts.heard("studio", "forge", "c0ffee", 1)

    station.forget("studio")

    assert set(station.stacks) == station.claimed == {"other"}
    assert set(station.digests) == {"other-forge"}
    assert not station.looking
    assert not station.restarts._services


def test_a_stack_that_is_taken_out_during_a_look_is_no_failure(
    station: WorkerContext, tmp_path: Path
) -> None:
    found = watch(station, tmp_path)
    station.adopt(Served(spec("studio")))
    found.mark("studio", None, Trigger.START)

    def taken_out(project: str, services: Any) -> list[Any]:
        station.forget("studio")
        return []

    engine: Any = station.engine
    engine.containers, engine.now = taken_out, lambda: NOON
    found._look_or_retry("studio")

    assert look(station, "studio") == {}
    assert not found.act("studio")
    assert not station.guard.take_counts()


def test_only_restarts_of_served_projects_are_remembered(station: WorkerContext, tmp_path: Path) -> None:
    station.restarts = RestartHistory()
    station.adopt(Served(spec("studio")))
    mine = {"com.docker.compose.project": "studio", "com.docker.compose.service": "forge"}
    found = watch(station, tmp_path)

    for code in ("3", "", "a stray word"):
        found._heard("die", {"ID": f"container {code}", "Attributes": {"exitCode": code, **mine}})
    found._heard("die", {"ID": "another's", "Attributes": {"exitCode": "1"}})

    ((key, kept),) = station.restarts._services.items()
    assert key == ("studio", "forge")
    assert kept.codes == {"container 3": 3, "container ": 0, "container a stray word": 0}


def blind_stop(station: WorkerContext, worker: str, service: str, **changed: Any) -> None:
    """A dead worker left a journal behind, which tells of one stop."""
    left = Journal(station.blind_dir, worker)
    begun = StartedCall("studio", service, Action.STOP, ("docker",), "local", worker)
    outage = Outage(f"outage of {worker}", NOON)
    left.ended(left.began(outage, replace(begun, **changed), NOON), CallOutcome(CallStatus.OK, 0, 5), NOON)


def test_a_journal_that_is_refused_keeps_no_other_from_the_record(
    house: System, station: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind_stop(station, "good", "forge")
    blind_stop(station, "bad", "mill")
    (station.blind_dir / "folder.journal").mkdir()
    take_in = offline_import._take_in

    def breaks(session: Any, made: Any, now: Any) -> None:
        if made.begun.service == "mill":
            raise ValueError("a line that nobody understands")
        take_in(session, made, now)

    monkeypatch.setattr(offline_import, "_take_in", breaks)

    recovery.take_in(station, house.now)

    assert [call.service for call in house.calls("forge")] == ["forge"]
    assert not house.calls("mill")
    assert sorted(one.name for one in station.blind_dir.iterdir()) == ["bad.refused", "folder.refused"]
    assert station.guard.take_counts() == {Loop.CLOCK: 3}
    recovery.take_in(station, house.now)
    assert not station.guard.take_counts()


def test_a_stack_whose_row_is_broken_keeps_no_other_from_being_known(
    house: System, station: WorkerContext, database: Database
) -> None:
    window = house.open("forge")
    with database.write() as session:
        observations.published(session, spec("other"), house.now)
    station.memory.refresh("local", house.now)
    house.extend(window, 1000)
    with database.write() as session:
        session.get_one(Stack, "other").definition = {"nothing": "of it"}

    station.memory.refresh("local", house.now)

    known = station.memory.known.stacks
    assert {lease.deadline for lease in known["studio"].leases} == {house.window(window).deadline}
    assert known["other"].spec == spec("other")


def test_failures_of_loops_are_on_record_with_the_sign_of_life(
    house: System, station: WorkerContext, tmp_path: Path
) -> None:
    found = watch(station, tmp_path)
    for _ in range(2):
        station.guard.failed(Loop.LOOKS, KeyError("x"), "studio")
        found._report_failures()
    found._report_failures()

    with house.database.read() as session:
        assert loop_failures.counts(session) == {("local", "looks"): 2}


def test_a_sink_that_breaks_keeps_no_other_from_being_told(
    house: System, station: WorkerContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "power.toml").write_text(
        "".join(
            f'[notices.{name}]\nurl = "http://127.0.0.1:9/"\nsecret = "s"\nevents = ["window.opening"]\n\n'
            for name in ("bad", "good")
        )
        + '[stacks.studio]\nproject = "studio"\nallow = ["forge"]\n'
    )
    monkeypatch.setattr(stack_reader, "read", lambda _path, _toml, name, **_more: Served(house.spec))
    monkeypatch.setattr(house.database, "now", lambda: house.now)
    loading = StackLoader(station, tmp_path / "power.toml")
    loading.begin()
    postman = Notifier(station, loading, None, tmp_path)
    sent: list[str] = []

    def send(toml: Any, notice: str, body: Any) -> str:
        sent.append(notice)
        raise RuntimeError("in a way of its own")

    take_in = notifications.take_in

    def breaks(session: Any, sink: Any, now: Any) -> None:
        if sink.name == "bad":
            raise KeyError("bad")
        take_in(session, sink, now)

    monkeypatch.setattr(senders, "send", send)
    monkeypatch.setattr(notifications, "take_in", breaks)
    postman.turn()
    house.open("forge")
    postman.turn()
    until(lambda: sent, "the other sink is told")
    until(lambda: postman.busy == 0, "nothing is being sent")

    with house.database.read() as session:
        (row,) = session.scalars(select(Notice))
    assert (row.sink, row.state, row.attempts) == ("good", "pending", 1)
    assert row.next_at > house.now
