"""A standalone whose database is damaged while a window is open: it says so, and what is due is turned off.

The containers are real. Everything is killed at once, as by a power cut, before the damage is done.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

import migrations.__main__
from app.cli import main
from app.domain.enums import Event
from app.host import processes
from app.settings import service_urls
from app.store import audit
from app.store.database import Database
from examples.vx11 import image
from tests.engine import stacks
from tests.standalone.waiting import until
from tests.standalone.whole_standalone import Standalone

PAGE = 4096


class OneServiceStandalone(Standalone):
    """A standalone of one service that really runs."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        image.ensure()
        power = (directory / "power.toml").read_text() + 'blind_grace = "1s"\n'
        (directory / "power.toml").write_text(power)
        (directory / "docker-compose.yml").write_text(json.dumps({"services": {"forge": stacks.running()}}))

    @property
    def place(self) -> Path:
        return self.data / "power.db"

    def open(self, seconds: float) -> str:
        """Open a window, and wait until its service runs and the worker has it in its snapshot."""
        body = {"services": ["forge"], "ttl_sec": seconds}
        status, window = self.front().ask("POST", "/api/v1/windows", body)
        assert status == 202, window
        until(self.on, 40)
        return str(window["id"])

    def on(self) -> bool:
        mine = f"label=com.docker.compose.project={self.project}"
        listing = subprocess.run(
            ["docker", "ps", "-q", "--filter", mine], capture_output=True, text=True, check=True
        )
        return bool(listing.stdout.strip())

    def cut_the_power(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()
        self.process = None
        for process in self.living():
            processes.send(process, signal.SIGKILL)
        processes.wait_gone(self.living(), 10)

    def begin(self) -> None:
        """Start again; whether it becomes ready is another matter."""
        self.process = self.command("--port", str(self.port))

    def cli(self, *words: str) -> subprocess.CompletedProcess[str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("POWER_")}
        variables = {
            "POWER_DATA_DIR": str(self.data),
            "POWER_CONFIG": str(self.directory / "power.toml"),
            "XDG_STATE_HOME": str(self.directory / "state"),
        }
        argv = [sys.executable, "-c", "from app.cli import main; main()", *words]
        return subprocess.run(argv, env=environ | variables, capture_output=True, text=True, check=False)

    def broken(self, check: str) -> dict[str, str]:
        checks = json.loads(self.cli("doctor", "--json").stdout)["checks"]
        (failed,) = [one for one in checks if one["check"] == check and not one["ok"]]
        return dict(failed)

    def clear(self) -> None:
        super().clear()
        self._remove(["ps", "--all"], ["rm", "--force"])
        self._remove(["network", "ls"], ["network", "rm"])


@pytest.fixture
def system(tmp_path: Path) -> Iterator[OneServiceStandalone]:
    one = OneServiceStandalone(tmp_path)
    yield one
    one.clear()
    assert one.living() == set()


def garbage(place: Path) -> None:
    """Something else was written over its beginning."""
    with place.open("r+b") as file:
        file.write(b"\0garbage" * 16)


def truncated(place: Path) -> None:
    os.truncate(place, place.stat().st_size // 2 + 100)


def overwritten(place: Path) -> None:
    """Pages in its middle are something else's."""
    with place.open("r+b") as file:
        for number in range(place.stat().st_size // PAGE // 3, place.stat().st_size // PAGE, 2):
            file.seek(number * PAGE)
            file.write(os.urandom(PAGE))


def foreign(place: Path) -> None:
    place.unlink(missing_ok=True)
    with closing(sqlite3.connect(place)) as one:
        one.execute("CREATE TABLE recipes (name TEXT)")
        one.commit()


def newer(place: Path) -> None:
    with closing(sqlite3.connect(place)) as one:
        one.execute("UPDATE alembic_version SET version_num = '9999'")
        one.commit()


def merged(place: Path) -> None:
    """What is in the log goes into the file, so that the damage meets it."""
    with closing(sqlite3.connect(place)) as one:
        one.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for end in ("-wal", "-shm"):
        place.with_name(f"{place.name}{end}").unlink(missing_ok=True)


Harm = Callable[[Path], None]
UNUSABLE: dict[Harm, str] = {
    garbage: "is damaged",
    truncated: "is damaged",
    overwritten: "is damaged",
    foreign: "another program",
    newer: "at schema 9999",
}


@pytest.mark.parametrize("harm", UNUSABLE, ids=lambda harm: harm.__name__)
def test_what_is_due_is_turned_off_though_the_database_cannot_be_used(
    system: OneServiceStandalone, harm: Harm
) -> None:
    system.start()
    system.open(15)
    system.cut_the_power()
    merged(system.place)
    harm(system.place)

    system.begin()

    until(lambda: "the database cannot be used" in system.said(), 40)
    (line,) = [one for one in system.said().splitlines() if "the database cannot be used" in one]
    assert UNUSABLE[harm] in line
    assert "small/forge" in line
    until(lambda: not system.on(), 60)
    assert system.process
    assert system.process.poll() is None
    assert "Traceback" not in system.said()

    asked = system.cli("ps")
    assert (asked.returncode, "Traceback" in asked.stderr) == (3, False)
    assert "power doctor" in asked.stderr
    assert system.stop() == 0
    for log in (system.data / "logs").glob("*.log"):
        assert "Traceback" not in log.read_text(), log


@pytest.mark.parametrize("harm", [garbage, overwritten], ids=lambda harm: harm.__name__)
def test_where_nothing_can_be_on_the_start_ends_and_says_what_mends_it(
    system: OneServiceStandalone, harm: Harm
) -> None:
    system.start()
    assert system.stop() == 0
    assert system.cli("backup", str(system.directory / "backup.db")).returncode == 0
    merged(system.place)
    harm(system.place)

    system.begin()

    assert system.process
    assert system.process.wait(60) == 1
    assert "Traceback" not in system.said()
    commands = [line.strip() for line in system.said().splitlines() if line.startswith("  ")]
    assert len(commands) == 2
    advice = system.broken("database")["mend"]
    assert "server" not in advice
    assert all(command in advice for command in commands)

    back, anew = commands
    for command in (back.replace("BACKUP", str(system.directory / "backup.db")), anew):
        venv = str(Path(sys.executable).parent)
        environ = {**os.environ, "PATH": f"{venv}:{os.environ['PATH']}"}
        subprocess.run(command, shell=True, check=True, env=environ)
        system.start()
        assert system.works()
        assert system.stop() == 0


def emptied(place: Path) -> None:
    place.write_bytes(b"")
    for end in ("-wal", "-shm"):
        place.with_name(f"{place.name}{end}").unlink(missing_ok=True)


def removed(place: Path) -> None:
    emptied(place)
    place.unlink()


def without_its_log(place: Path) -> None:
    """As it was before the window: all since was in the log, which is gone."""
    shutil.copy(place.with_name("before.db"), place)
    for end in ("-wal", "-shm"):
        place.with_name(f"{place.name}{end}").unlink(missing_ok=True)


@pytest.mark.parametrize("harm", [emptied, removed, without_its_log], ids=lambda harm: harm.__name__)
def test_a_window_that_the_database_lost_is_turned_off_by_the_snapshot(
    system: OneServiceStandalone, harm: Harm
) -> None:
    system.start()
    merged_copy(system)
    window = system.open(600)
    system.cut_the_power()
    harm(system.place)

    system.start()

    assert system.front().ask("GET", f"/api/v1/windows/{window}")[0] == 404
    until(lambda: not system.on(), 30)
    database = Database(service_urls.of_file(system.place))
    with database.read() as session:
        (entry,) = audit.latest(session, event=Event.DATABASE_BEHIND)
        assert entry.as_json()["facts"] == {"services": ["forge"], "windows": [window]}
    database.close()
    assert system.stop() == 0


def merged_copy(system: OneServiceStandalone) -> None:
    copy = system.place.with_name("before.db")
    with closing(sqlite3.connect(system.place)) as one, closing(sqlite3.connect(copy)) as other:
        one.backup(other)


def test_a_file_that_is_damaged_while_it_is_used_is_reported_and_what_is_due_is_turned_off(
    system: OneServiceStandalone,
) -> None:
    system.start()
    system.open(12)
    with system.place.open("r+b") as file:
        for number in range(system.place.stat().st_size // PAGE):
            file.seek(number * PAGE)
            file.write(os.urandom(PAGE))
    for end in ("-wal", "-shm"):
        with system.place.with_name(f"{system.place.name}{end}").open("r+b") as file:
            file.write(os.urandom(PAGE))

    began = time.monotonic()
    until(lambda: not system.on(), 70)
    assert time.monotonic() - began < 60
    status, problem = system.front().ask("GET", "/api/v1/windows")
    assert (status, problem["type"]) == (503, "/problems/database-away")
    assert system.stop() == 0


def test_a_database_of_another_program_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "recipes.db"
    foreign(place)
    before = place.read_bytes()
    monkeypatch.setenv("POWER_DATABASE_URL", service_urls.of_file(place))
    monkeypatch.setenv("POWER_DATA_DIR", str(tmp_path))

    assert migrations.__main__.main([]) == 1
    assert "another program" in capsys.readouterr().err
    checks = json.loads(CliRunner().invoke(main, ["doctor", "--json"]).output)["checks"]
    assert ["another program" in one["detail"] for one in checks if one["check"] == "database"] == [True]
    refused = CliRunner().invoke(main, ["backup", str(tmp_path / "copy.db")])
    assert (refused.exit_code, "another program" in refused.stderr) == (1, True)
    assert place.read_bytes() == before
