"""The product as a user runs it, on real containers: open, extend, close, expire, fail, crash."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.domain.enums import Event, State, Status
from app.host import processes
from power_windows import Client, Window
from tests.engine.stacks import checked, docker, exits, needs, running, until
from tests.standalone.whole_standalone import Standalone
from workers.engine import compose_program

pytestmark = pytest.mark.every_engine
LONG = 60.0
"""Seconds that anything here may take on a slow machine."""


class Studio(Standalone):
    """A standalone with a stack: core `redis`, `db` with a healthcheck, `api` that needs both, `job`."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        services = {
            "redis": running(),
            "db": checked(0.5),
            "api": running(**needs(redis="started", db="healthy")),
            "job": exits(3, saying="no such model"),
        }
        self._file = directory / "docker-compose.yml"
        self._file.write_text(json.dumps({"services": services}))
        (directory / "power.toml").write_text(
            f'[stacks.small]\nproject = "{self.project}"\ncore = ["redis"]\nallow = ["db", "api", "job"]\n'
        )

    def start_core(self) -> None:
        """Start core, as a person does."""
        command = [*compose_program.program(), "-p", self.project, "-f", str(self._file), "up", "-d", "redis"]
        subprocess.run(command, check=True, capture_output=True)

    def alive(self) -> set[str]:
        """The services that run, as the engine says."""
        label, name = f"label=com.docker.compose.project={self.project}", "com.docker.compose.service"
        return set(docker("ps", "--filter", label, "--format", f'{{{{.Label "{name}"}}}}').split())

    def crash(self) -> None:
        """End all its processes at once."""
        assert self.process
        family = processes.descendants(self.process.pid) | self.living()
        self.process.kill()
        self.process.wait()
        self.process = None
        for process in family:
            processes.send(process, signal.SIGKILL)
        assert not processes.wait_gone(family, LONG)

    def clear(self) -> None:
        super().clear()
        # A network goes only after its containers, so it is still there.
        self._remove(["ps", "-a"], ["rm", "-f", "-v"])
        self._remove(["network", "ls"], ["network", "rm"])


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    with tempfile.TemporaryDirectory() as directory:
        studio = Studio(Path(directory))
        try:
            studio.start_core()
            studio.start()
            yield studio
            studio.stop()
        finally:
            studio.clear()


@pytest.fixture
def client(studio: Studio) -> Iterator[Client]:
    front = studio.front()
    with Client(front.url, front.token) as client:
        yield client
        for state in (State.OPENING, State.OPEN):
            for window in client.windows(state=state):
                client.close(window, force=True)
        until(lambda: studio.alive() <= {"redis"}, "only core is left", LONG)


def reaches(client: Client, window: Window, *states: State) -> Window:
    def there() -> Window | None:
        reached = client.get(window)
        return reached if reached.state in states else None

    reached = until(there, f"{window.id} is {' or '.join(states)}", LONG)
    assert reached
    return reached


def test_a_window_opens_is_extended_and_closes(studio: Studio, client: Client) -> None:
    core = docker("ps", "-q", "--filter", f"label=com.docker.compose.project={studio.project}")

    window = reaches(client, client.open("api", ttl="5m"), State.OPEN, State.CLOSED)

    assert (window.state, window.status) == (State.OPEN, Status.OK), window.raw
    assert all(health.ready for health in window.health.values()), window.raw
    assert studio.alive() == {"redis", "db", "api"}

    longer = client.extend(window, "20m")
    assert longer.left
    assert longer.left > 900

    client.close(window)
    closed = reaches(client, window, State.CLOSED)
    assert closed.status == Status.OK
    assert studio.alive() == {"redis"}
    assert docker("ps", "-q", "--filter", f"label=com.docker.compose.project={studio.project}") == core
    words = [entry.event for entry in client.audit(window=window)]
    assert words.count(Event.CALL_STARTED) == words.count(Event.CALL_FINISHED) == 4


def test_a_window_ends_at_its_deadline(studio: Studio, client: Client) -> None:
    window = client.open("db", ttl="10s")
    opened = reaches(client, window, State.OPEN, State.CLOSING, State.CLOSED)
    assert opened.status == Status.OK, opened.raw

    reaches(client, window, State.CLOSED)

    assert studio.alive() == {"redis"}


def test_a_second_window_keeps_what_the_first_lets_go(studio: Studio, client: Client) -> None:
    first, second = client.open("db", ttl="5m"), client.open("api", ttl="5m")
    for window in (first, second):
        assert reaches(client, window, State.OPEN).status == Status.OK

    client.close(first)
    reaches(client, first, State.CLOSED)

    assert studio.alive() == {"redis", "db", "api"}


def test_a_service_that_fails_closes_its_window_with_the_reason(studio: Studio, client: Client) -> None:
    window = reaches(client, client.open("job", ttl="5m"), State.CLOSED)

    assert window.status == Status.FAIL
    (failing,) = (entry for entry in client.audit(window=window) if entry.event == Event.SERVICE_FAILING)
    assert failing.facts["detail"] == "exited with code 3\nno such model"


def test_what_is_due_while_everything_is_dead_ends_after_the_start(studio: Studio, client: Client) -> None:
    window = client.open("api", ttl="8s")
    due = reaches(client, window, State.OPEN).deadline
    assert due
    studio.crash()
    assert studio.alive() == {"redis", "db", "api"}
    until(lambda: datetime.now(UTC) > due, "its time is up", LONG)

    studio.start()

    until(lambda: studio.alive() == {"redis"}, "only core is left", LONG)
    reaches(client, window, State.CLOSED)
