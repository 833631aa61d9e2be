"""The tasks' names, their terms of delivery, and forged messages."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from celery import Task, signals
from sqlalchemy import func, select

import celeryconfig
from app import task_queue
from app.domain.enums import Role
from app.domain.planning import ServiceSpec, StackSpec
from app.domain.stack_id import StackId
from app.store import windows
from app.store.database import Database
from app.store.tables import Call, Entry
from app.usecases.nodes import published_stacks
from tests.databases import Databases
from workers import runtime, tasks
from workers.celery import app
from workers.engine.client import Engine
from workers.stacks.stack_reader import READING, Served
from workers.state.context import WorkerContext
from workers.state.identity import Identity

STUDIO = StackSpec(StackId("studio"), "pw-nothing", "local", {"forge": ServiceSpec("forge", Role.ALLOWED)})


@pytest.fixture
def context(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerContext]:
    worker_context = WorkerContext(
        Database(databases.migrated("sqlite")), Engine(), Identity(tmp_path, "local"), "local", tmp_path
    )
    worker_context.stacks[StackId("studio")] = Served(STUDIO)
    with worker_context.database.write() as session:
        published_stacks.publish_stack(session, STUDIO, worker_context.database.now())
    monkeypatch.setattr(runtime.process_state, "context", worker_context)
    yield worker_context
    worker_context.engine.close()
    worker_context.database.close()


def test_a_worker_that_cannot_begin_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(runtime, "begin", full)

    with pytest.raises(SystemExit):
        signals.worker_init.send(sender=None)


def test_every_name_that_is_sent_is_registered() -> None:
    app.loader.import_default_modules()
    sent = {*task_queue.NAMES, *(entry["task"] for entry in celeryconfig.beat_schedule.values())}

    assert sent <= app.tasks.keys()


@pytest.mark.parametrize("forged", ["", "no-such-window", "--help", "'; DROP TABLE windows; --", "../../etc"])
def test_a_forged_message_powers_nothing(context: WorkerContext, forged: str) -> None:
    tasks.open_window(forged)
    tasks.close_window(forged)
    tasks.resync(forged or "elsewhere")
    tasks.read_logs(forged)
    tasks.sweep()

    with context.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Call)) == 0
        assert set(session.scalars(select(Entry.event))) == {"stack.loaded"}


def test_only_json_is_read_or_written() -> None:
    conf = app.conf
    assert conf.accept_content == ["json"]
    assert {conf.task_serializer, conf.result_serializer, conf.event_serializer} == {"json"}


def test_a_worker_takes_one_message_a_thread_and_acknowledges_it_late() -> None:
    """With more, half the messages waited for the visibility timeout after the broker had restarted."""
    conf = app.conf
    assert conf.worker_prefetch_multiplier == 1
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.task_ignore_result
    assert conf.worker_pool == "threads"


def test_no_task_outlasts_the_visibility_timeout() -> None:
    """A task that did would be delivered again while it still runs."""
    longest = max(ServiceSpec("forge").up_timeout, ServiceSpec("forge").stop_timeout, READING)

    assert celeryconfig.broker_transport_options["visibility_timeout"] > 2 * longest


def test_unconsumed_ticks_do_not_pile_up() -> None:
    for entry in celeryconfig.beat_schedule.values():
        assert entry["options"]["queue"] == "power"  # type: ignore[index]
        assert entry["options"]["expires"]  # type: ignore[index]


def test_a_half_open_connection_is_noticed() -> None:
    terms = celeryconfig.broker_transport_options
    assert terms["socket_timeout"] <= 10
    assert terms["health_check_interval"] <= 5
    assert terms["socket_keepalive"]


def test_celery_is_the_one_that_survives_a_broker_that_drops() -> None:
    """5.7.0 exits when the broker drops under a task in flight; raise the pin only past the smoke test."""
    project = tomllib.loads((Path(celeryconfig.__file__).parent / "pyproject.toml").read_text())

    assert {"celery[redis]==5.6.3", "kombu==5.7.0"} <= set(project["project"]["dependencies"])
    assert (version("celery"), version("kombu")) == ("5.6.3", "5.7.0")


@pytest.mark.parametrize(
    ("task", "arguments"),
    [
        (tasks.open_window, ["none"]),
        (tasks.close_window, ["none"]),
        (tasks.sweep, []),
        (tasks.read_logs, ["1"]),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_a_task_ends_in_one_line_an_outage_while_the_database_is_away(
    context: WorkerContext, caplog: pytest.LogCaptureFixture, task: Task[..., None], arguments: list[str]
) -> None:
    caplog.set_level("WARNING")
    context.database.refuse("power.db is damaged")
    for _ in range(50):
        task(*arguments)
    assert [one.exc_info for one in caplog.records if "the database is away" in one.message] == [None]


def test_a_task_that_fails_for_another_reason_still_fails(
    context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(*_: object) -> None:
        raise KeyError("missing")

    monkeypatch.setattr(tasks, "attend_closing", lacking)
    monkeypatch.setattr(windows, "get", lacking)
    with pytest.raises(KeyError):
        tasks.close_window("none")
