"""The doctor's checks of what runs: the web server, and the workers of this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app import settings
from app.cli import service_checks
from app.cli.findings import Finding
from app.domain.nodes import Heartbeat
from app.settings import Settings
from app.store import locks, workers
from app.store.database import Database
from app.store.tables import Node
from app.usecases.nodes import published_stacks
from tests.system import studio
from workers.state.identity import Identity, locks_id


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"POWER_DATA_DIR": str(tmp_path / "data"), "XDG_STATE_HOME": str(tmp_path / "state")}


@pytest.fixture
def server_settings(environ: dict[str, str], database: Database) -> Settings:
    url = database.engine.url.render_as_string(hide_password=False)
    return replace(settings.load(environ), database_url=url)


def start_once(server_settings: Settings) -> None:
    """Leave what a standalone leaves that was killed."""
    server_settings.data_dir.mkdir()
    (server_settings.data_dir / "standalone.lock").touch()


def test_before_the_first_start_no_web_server_is_missed(
    server_settings: Settings, environ: dict[str, str]
) -> None:
    assert list(service_checks.check_web(server_settings, environ)) == []


def test_a_standalone_that_does_not_run_is_named_with_its_command(
    server_settings: Settings, environ: dict[str, str]
) -> None:
    start_once(server_settings)
    (finding,) = service_checks.check_web(server_settings, environ)
    command = f"power standalone --data-dir {server_settings.data_dir}"
    assert finding == Finding(
        "web",
        False,
        f"no standalone runs on {server_settings.data_dir}, so no web server answers",
        f"start it: `{command}`",
    )


def test_an_address_where_nothing_answers_is_named(
    server_settings: Settings, environ: dict[str, str]
) -> None:
    given = {**environ, "POWER_URL": "http://127.0.0.1:1"}
    (finding,) = service_checks.check_web(server_settings, given)
    assert (finding.ok, finding.mend) == (False, "start that web server, or correct POWER_URL")
    assert finding.detail.startswith("http://127.0.0.1:1: no answer")


@pytest.mark.parametrize("is_standalone", [True, False])
def test_a_killed_worker_of_this_machine_is_named_at_once(
    server_settings: Settings, environ: dict[str, str], database: Database, is_standalone: bool
) -> None:
    if is_standalone:
        start_once(server_settings)
    identity = Identity(server_settings.lock_dir, "local")
    publish(database, identity.name, locks_id(server_settings.lock_dir))

    with identity.living():
        assert [one.ok for one in service_checks.check_nodes(server_settings, environ)] == [True]
    (finding,) = service_checks.check_nodes(server_settings, environ)

    assert (finding.ok, "was killed" in finding.detail) == (False, True)
    command = "power standalone --data-dir" if is_standalone else "celery -A workers worker"
    assert command in finding.mend
    assert locks.is_free(server_settings.lock_dir, locks.WORKER, identity.name)


def test_a_stack_is_in_force_while_a_worker_serves_it(server_settings: Settings, database: Database) -> None:
    assert service_checks.stacks_in_force(server_settings) == set()
    publish(database, "local-1-a", "elsewhere")
    assert service_checks.stacks_in_force(server_settings) == {studio().name}


def publish(database: Database, worker: str, lock_directory: str) -> None:
    """Record a worker with a heartbeat, its node and its stack."""
    now, spec = database.now(), studio()
    with database.write() as session:
        published_stacks.publish_stack(session, spec, now)
        published_stacks.record_node(
            session, Node(name="local", engine_id="e", worker=worker, started_at=now, seen_at=now)
        )
        workers.write(session, Heartbeat(worker, "local", "e", lock_directory, [spec.name], now, now))
