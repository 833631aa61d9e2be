"""What is due while the database is away, by what was last known; decided without an engine or a database."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.domain.decisions import PendingStop
from app.domain.enums import State
from app.domain.leases import HeldLease
from app.domain.planning import StackSpec
from app.domain.stack_id import StackId
from app.host.boot_clock import boot_clock, boot_id
from app.host.node_snapshot import StackSnapshot
from app.store.database import Database
from tests.system import System, studio
from workers.offline.controller import OfflineController
from workers.state.last_contact import WRITE_INTERVAL
from workers.state.snapshot import LISTENING_TIME, Snapshot

SPEC = replace(studio(), blind_grace=30.0)


class Away:
    """A database that never answers and has never answered."""

    url, sqlite, unusable = None, True, None

    def extrapolate(self) -> datetime | None:
        return None


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    return Snapshot(tmp_path / "blind", Away())  # type: ignore[arg-type]


def context(snapshot: Snapshot, **core: frozenset[str]) -> Any:
    return SimpleNamespace(snapshot=snapshot, stacks={}, core=core, node="local")


def held(service: str, seconds: float, window: str = "w1") -> HeldLease:
    return HeldLease(window, service, State.OPEN, datetime.now(UTC) + timedelta(seconds=seconds))


def silent_for(snapshot: Snapshot, seconds: float) -> None:
    snapshot.heard_at = boot_clock() - seconds
    snapshot.listening_since = time.monotonic() - seconds


def due(snapshot: Snapshot, *leases: HeldLease, spec: StackSpec = SPEC, **core: frozenset[str]) -> list[str]:
    stack = StackSnapshot(spec, leases, {lease.service: PendingStop() for lease in leases})
    return OfflineController(context(snapshot, **core)).due(stack)


def test_what_is_past_its_deadline_and_its_grace_is_due(snapshot: Snapshot) -> None:
    silent_for(snapshot, 31)
    assert due(snapshot, held("forge", -31), held("mill", -29)) == ["forge"]


def test_another_windows_later_deadline_keeps_it(snapshot: Snapshot) -> None:
    silent_for(snapshot, 31)
    assert due(snapshot, held("forge", -31), held("forge", 5, "w2")) == []


def test_nothing_is_due_until_the_database_has_been_silent_for_the_grace(snapshot: Snapshot) -> None:
    """However old what is known: it may have been extended since, and the database be back in a moment."""
    silent_for(snapshot, 29)
    assert due(snapshot, held("forge", -3600)) == []


def test_a_worker_that_was_frozen_listens_first(snapshot: Snapshot) -> None:
    silent_for(snapshot, 3600)
    blind = OfflineController(context(snapshot))
    blind.turned_at -= 60

    blind.run_round_if_awake()

    assert snapshot.silent_seconds < 5
    assert not snapshot.away


def test_a_restarted_worker_goes_on_counting(tmp_path: Path) -> None:
    """Without it, a worker that is restarted every few seconds would never come to the end of the grace."""
    heard(tmp_path, ago=40)

    snapshot = begun(tmp_path)

    assert 40 <= snapshot.silent_seconds < 45
    assert not snapshot.away
    snapshot.record_failure()
    outage = snapshot.outage()
    assert outage
    assert abs((snapshot.now() - outage.since).total_seconds() - 40) < 5
    assert due(snapshot, held("forge", -31)) == []
    snapshot.listening_since -= LISTENING_TIME
    assert due(snapshot, held("forge", -31)) == ["forge"]


def test_after_a_reboot_the_silence_is_at_least_as_long_as_the_host_is_up(tmp_path: Path) -> None:
    heard(tmp_path, ago=5, boot="another")

    assert begun(tmp_path).silent_seconds == pytest.approx(boot_clock(), abs=5)


@pytest.mark.parametrize("written", ["", "not json", "[]", '{"at": 1}', '{"boot": "b", "at": "x"}'])
def test_a_file_that_cannot_be_read_counts_from_now(tmp_path: Path, written: str) -> None:
    (tmp_path / "blind").mkdir()
    (tmp_path / "blind" / "last_word.json").write_text(written)

    assert begun(tmp_path).silent_seconds < 5


def test_a_moment_that_has_not_come_yet_counts_as_now(tmp_path: Path) -> None:
    heard(tmp_path, ago=-1000)

    assert 0 <= begun(tmp_path).silent_seconds < 5


def test_what_the_database_says_is_written_down_at_most_every_two_seconds(tmp_path: Path) -> None:
    snapshot = begun(tmp_path)
    snapshot.record_success()
    path = tmp_path / "blind" / "last_word.json"
    first = path.read_text()
    snapshot.record_success()
    assert path.read_text() == first
    snapshot.last_contact.written_at = boot_clock() - WRITE_INTERVAL

    snapshot.record_success()

    assert path.read_text() != first
    assert path.stat().st_size == len(first)
    assert path.stat().st_mode & 0o777 == 0o600


def begun(tmp_path: Path) -> Snapshot:
    snapshot = Snapshot(tmp_path / "blind", Away())  # type: ignore[arg-type]
    snapshot.begin()
    return snapshot


def heard(tmp_path: Path, ago: float, boot: str | None = None) -> None:
    (tmp_path / "blind").mkdir()
    at, boot = boot_clock() - ago, boot or boot_id()
    (tmp_path / "blind" / "last_word.json").write_text(json.dumps({"at": at, "boot": boot}))


def test_dependants_go_first(snapshot: Snapshot) -> None:
    silent_for(snapshot, 31)
    assert due(snapshot, held("api", -31), held("db", -31), held("forge", -31)) == ["api", "forge"]


def test_core_of_this_hosts_own_file_is_never_due(snapshot: Snapshot) -> None:
    silent_for(snapshot, 31)
    assert due(snapshot, held("forge", -31), studio=frozenset({"forge"})) == []


def test_a_stack_that_holds_has_nothing_due(snapshot: Snapshot) -> None:
    silent_for(snapshot, 3600)
    assert due(snapshot, held("forge", -3600), spec=replace(SPEC, blind="hold")) == []


@pytest.fixture
def read(tmp_path: Path, system: System) -> Snapshot:
    """A snapshot of a real database with the clock of the test."""
    return Snapshot(tmp_path / "blind", system.database)


def test_a_successor_knows_what_was_known(tmp_path: Path, system: System, read: Snapshot) -> None:
    window = system.open("api", ttl=600)
    read.refresh("local", system.now)

    again = Snapshot(tmp_path / "blind", system.database).latest

    assert again == read.latest
    stack = again.stacks[StackId("studio")]
    assert stack.pending_stops.keys() == {"api", "db"}
    assert {(one.window, one.service) for one in stack.leases} == {(window, "api"), (window, "db")}
    assert stack.spec == system.spec


def test_what_is_about_to_be_started_is_known_on_disk_before(
    tmp_path: Path, system: System, read: Snapshot
) -> None:
    read.refresh("local", system.now)

    read.note(system.spec, [held("forge", 60)])

    again = Snapshot(tmp_path / "blind", system.database).latest.stacks[StackId("studio")]
    assert again.pending_stops.keys() == {"forge"}
    assert [one.service for one in again.leases] == ["forge"]


def test_what_is_noted_during_a_look_is_not_forgotten_by_it(
    system: System, read: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Snapshot._stacks

    def looks(*arguments: Any) -> Any:
        result = look(*arguments)
        read.note(system.spec, [held("forge", 60)])
        return result

    monkeypatch.setattr(Snapshot, "_stacks", looks)
    read.refresh("local", system.now)

    assert "forge" in read.latest.stacks[StackId("studio")].pending_stops


def test_a_file_that_cannot_be_read_is_as_none(tmp_path: Path, database: Database) -> None:
    (tmp_path / "known.json").write_text("{half")
    assert Snapshot(tmp_path, database).latest.stacks == {}


def test_an_outage_lasts_until_the_database_is_heard(snapshot: Snapshot) -> None:
    snapshot.record_failure()
    outage = snapshot.outage()
    assert outage

    snapshot.record_success()

    assert snapshot.outage() is None
    assert [one.id for one in snapshot.over] == [outage.id]


@pytest.mark.parametrize("failures", [44, 100_000])
def test_a_stop_that_has_failed_blind_ever_so_often_is_tried_again(snapshot: Snapshot, failures: int) -> None:
    silent_for(snapshot, 31)
    stack = StackSnapshot(SPEC, (held("forge", -31),), {"forge": PendingStop(failures)})
    blind = OfflineController(context(snapshot))

    blind.record_failure(stack, "forge")

    again = blind.tried["studio", "forge"]
    assert again.failures == failures + 1
    assert again.retry_at
    assert again.retry_at - snapshot.now() <= timedelta(minutes=5)
