"""The command against the real API and a system that does the work of a worker."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text
from werkzeug.serving import make_server

from app import settings
from app.cli import main
from app.store import tokens
from app.store.database import Database
from app.task_queue import Dispatch
from app.web import create_app
from tests.databases import Databases
from tests.system import System

pytestmark = pytest.mark.integration


class ImmediateDispatch(Dispatch):
    """A dispatch that does the work of each message at once."""

    def __init__(self, system: System) -> None:
        self._runtime = system

    def opening(self, window: str, node: str, label: str = "") -> bool:
        self._runtime.work()
        return True

    closing = opening


@dataclass
class CommandLine:
    """A system, its API on a port, and the command with its address."""

    system: System
    environ: dict[str, str | None]

    def power(self, *arguments: str) -> Result:
        return CliRunner(env=self.environ).invoke(main, list(arguments), catch_exceptions=False)


@pytest.fixture
def command_line(databases: Databases, tmp_path: Path) -> Iterator[CommandLine]:
    database = Database(databases.migrated("sqlite"))
    system = System(database, now=datetime.now(UTC))
    with database.write() as session:
        token = tokens.create(session, "ada", datetime.now(UTC))
    environ = {"POWER_DATA_DIR": str(tmp_path), "HOME": str(tmp_path)}
    app = create_app(settings.load(environ), database, ImmediateDispatch(system))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield CommandLine(
        system, {"POWER_URL": f"http://127.0.0.1:{server.server_port}", "POWER_TOKEN": token, **environ}
    )
    server.shutdown()
    thread.join()
    server.server_close()
    database.close()


def test_a_window_from_opening_to_closing(command_line: CommandLine) -> None:
    opened = command_line.power("open", "forge", "--ttl", "10m", "--reason", "a batch", "--json")
    window = json.loads(opened.stdout)
    assert (opened.exit_code, window["state"], window["status"]) == (0, "open", "ok")

    assert f"{window['id']}  studio  open   " in command_line.power("windows", "--state", "open").stdout
    assert "a batch" in command_line.power("show", window["id"][:6]).stdout
    assert command_line.power("extend", window["id"][:6], "--ttl", "20m").stdout.startswith(
        f"window {window['id']} until"
    )
    assert "studio  OPEN" in command_line.power("stacks").stdout

    closed = command_line.power("close", window["id"][:6])
    assert closed.exit_code == 0
    assert closed.stdout.endswith(f"window {window['id']}  closed  stopped: forge\n")
    assert command_line.system.running() == {"redis"}


def test_part_of_it_failing_is_one_and_reported(command_line: CommandLine) -> None:
    command_line.system.will_crash.add("mill")

    result = command_line.power("open", "forge", "mill")

    assert result.exit_code == 1
    assert "partial: ready: forge; not ready: mill" in result.stdout


def test_all_of_it_failing_is_one_and_reported(command_line: CommandLine) -> None:
    command_line.system.will_crash.add("mill")

    result = command_line.power("open", "mill")

    assert result.exit_code == 1
    assert "failed: mill did not come up" in result.stdout
    assert "mill" in result.stdout.partition("failed:")[2]


def test_what_is_refused_is_reported_with_what_is_meant(command_line: CommandLine) -> None:
    typed, core, long = (
        command_line.power("open", "forg"),
        command_line.power("open", "redis"),
        command_line.power("open", "mill", "--ttl", "9h"),
    )

    assert (typed.exit_code, core.exit_code, long.exit_code) == (4, 4, 4)
    assert "did you mean 'forge' instead of 'forg'?" in typed.stderr
    assert "redis" in core.stderr
    assert "longer than studio allows (1h)" in long.stderr


def test_a_stack_that_is_not_there_is_reported_with_those_that_are(command_line: CommandLine) -> None:
    assert "did you mean 'studio' instead of 'studoi'?" in command_line.power("ps", "studoi").stderr
    assert (
        "did you mean 'studio' instead of 'studoi'?"
        in command_line.power("open", "-s", "studoi", "forge").stderr
    )


def test_a_plan_has_its_waves(command_line: CommandLine) -> None:
    assert command_line.power("open", "api", "--plan").stdout.splitlines() == [
        "WAVE  STARTS",
        "1     db",
        "2     api",
    ]


def test_a_service_that_will_not_stop_is_one_and_reported(command_line: CommandLine) -> None:
    command_line.system.will_not_stop.add("forge")
    window = json.loads(command_line.power("open", "forge", "--json").stdout)["id"]
    command_line.power("close", window, "--no-wait")
    for _ in range(20):
        command_line.system.tick(10)

    result = command_line.power("close", "--all")

    assert result.exit_code == 1
    assert "closing, stuck" in result.stdout
    assert "--force" in result.stdout


def test_the_trail_is_read_and_proved(command_line: CommandLine) -> None:
    window = json.loads(command_line.power("open", "forge", "--json").stdout)["id"]

    sentences = command_line.power("audit", "--window", window).stdout.splitlines()
    raw = command_line.power("audit", "--window", window, "--raw").stdout.splitlines()

    assert sentences[0].split("  ", 1)[1] == f"{window}  ada opens forge for 10m"
    assert raw[0].split()[1:5] == ["window.opening", "ada", "studio", window]
    assert command_line.power("audit", "verify").exit_code == 0


def test_a_trail_that_was_tampered_with_is_named(command_line: CommandLine) -> None:
    command_line.power("open", "forge")
    with command_line.system.database.write() as session:
        for name in session.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
            session.execute(text(f"DROP TRIGGER {name}"))
        session.execute(text("UPDATE audit SET actor = 'eve' WHERE chain = 'studio' AND seq = 2"))

    result = command_line.power("audit", "verify")

    assert result.exit_code == 1
    assert "the trail of studio is broken: entry 2 is altered" in result.stderr


def test_services_are_listed_with_their_holders(command_line: CommandLine) -> None:
    window = json.loads(command_line.power("open", "forge", "--json").stdout)["id"]

    row = next(line for line in command_line.power("ps").stdout.splitlines() if " forge " in line)

    assert row.split()[:5] == ["studio", "forge", "allowed", "on", "yes"]
    assert window in row


def test_a_token_is_made_shown_once_listed_and_revoked(command_line: CommandLine) -> None:
    made = command_line.power("token", "create", "nginx", "--wake", "studio/forge", "--ttl", "15m")
    assert made.exit_code == 0, made.output
    secret = made.stdout.split()[0]
    assert secret.startswith("pw_")

    listed = command_line.power("token", "list")
    assert "studio/forge" in listed.stdout
    assert secret not in listed.stdout
    again = command_line.power("token", "create", "nginx", "--wake", "studio/forge")
    assert again.exit_code in {1, 4}
    assert "nginx" in again.output
    wrong = command_line.power("token", "create", "other", "--wake", "forge")
    assert (wrong.exit_code, "STACK/SERVICE" in wrong.output) == (2, True)

    assert command_line.power("token", "revoke", "nginx").exit_code == 0
    (row,) = [
        one
        for one in json.loads(command_line.power("token", "list", "--json").stdout)["items"]
        if one["name"] == "nginx"
    ]
    assert row["revoked_at"]
    assert command_line.power("token", "revoke", "unknown").exit_code == 4


def test_a_token_is_made_with_who_only_looks(command_line: CommandLine) -> None:
    arguments = ("--wake", "studio/forge", "--json")
    more = ("--only-looks-agent", "reader", "--only-looks-agent", "feed", "--only-looks-path", "")
    made = json.loads(command_line.power("token", "create", "own", *arguments, *more).stdout)
    assert (made["only_looks_agents"], made["only_looks_paths"]) == (["reader", "feed"], [])
    usual = json.loads(command_line.power("token", "create", "usual", *arguments).stdout)
    assert "bot" in usual["only_looks_agents"]
    assert "/robots.txt" in usual["only_looks_paths"]
    wrong = command_line.power("token", "create", "other", *arguments, "--only-looks-path", "feed")
    assert wrong.exit_code != 0
    assert "only_looks_paths" in wrong.output


def test_notices_are_listed(command_line: CommandLine) -> None:
    from app.store import notifications

    assert "no notices" in command_line.power("notices").output
    with command_line.system.database.write() as session:
        body = {"event": "window.stuck", "stack": "studio", "window": "w"}
        notifications.note(session, "local", "ops", "k", body=body, now=command_line.system.now)
        (one,) = notifications.due(session, "local", command_line.system.now, 9)
        notifications.record_delivery(
            session, one.id, command_line.system.now, 7, ok=False, answer="503 away"
        )
    output = command_line.power("notices", "--state", "pending").stdout
    assert "window.stuck" in output
    assert "1 tries, last: 503 away" in output
    assert command_line.power("notices", "--state", "delivered").stdout == ""
