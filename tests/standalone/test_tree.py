"""The whole standalone, as a user starts it: web, worker, beat and broker on a directory of its own."""

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.host import engine_endpoint, processes
from app.standalone import process_record
from app.standalone.listener import create_listener
from app.standalone.web_client import NoAnswer, WebClient
from power_windows.errors import Failed
from tests.standalone.waiting import until
from tests.standalone.whole_standalone import CHILDREN, Standalone


@pytest.fixture
def standalone(tmp_path: Path) -> Iterator[Standalone]:
    one = Standalone(tmp_path)
    yield one
    one.clear()
    assert one.living() == set()


def test_it_starts_serves_and_leaves_no_process_behind(standalone: Standalone) -> None:
    standalone.start("--flower")
    assert standalone.process
    family = processes.descendants(standalone.process.pid) | standalone.living()
    recorded = process_record.left_over(standalone.data / "standalone.children.json")

    assert recorded.keys() == CHILDREN | {"flower"}
    # The web is a master and its worker; the others are one process each.
    assert len(family) >= len(recorded) + 1
    assert standalone.works()
    # The stacks are fetched and printed after the line that ends the wait for the start.
    until(lambda: "small" in standalone.said(), 10)
    output, token = standalone.said(), (standalone.data / "token").read_text().strip()
    for part in (f"http://127.0.0.1:{standalone.port}", str(standalone.data / "token"), "small"):
        assert part in output
    # Its output is no terminal here, so it may be a journal.
    assert token not in output
    assert oct((standalone.data / "token").stat().st_mode & 0o777) == "0o600"
    assert token not in (standalone.data / "logs" / "standalone.log").read_text()
    running = json.loads((standalone.data / "standalone.json").read_text())
    assert running["pid"] == standalone.process.pid
    assert _answers_without_a_password(output) == 401

    assert standalone.stop() == 0
    assert {process for process in family if processes.alive(process)} == set()
    assert standalone.living() == set()
    assert not (standalone.data / "standalone.json").exists()


def test_a_host_that_is_no_name_is_one_line() -> None:
    for host in ("caf\udce9", "a..b", "x" * 64):
        with pytest.raises(Failed, match="cannot listen on"):
            create_listener(host, 0)


def test_it_lives_in_a_directory_of_any_name(standalone: Standalone) -> None:
    standalone.data = standalone.directory / "odd ? # %20 [a]* ü"
    standalone.start()

    assert standalone.works()
    assert (standalone.data / "power.db").is_file()
    ready = standalone.front().ask("GET", "/readyz")[1]
    assert [ready["broker"]["status"], ready["database"]["status"]] == ["ok", "ok"]
    assert standalone.stop() == 0
    made = {one.name for one in standalone.directory.iterdir() if one.is_dir()}
    assert made == {standalone.data.name, "state"}


@pytest.mark.parametrize("name", ["broker", "web", "worker", "beat"])
def test_each_process_that_is_killed_comes_back(system: Standalone, name: str) -> None:
    killed = until(lambda: system.child(name))

    os.kill(killed.pid, signal.SIGKILL)

    until(lambda: system.child(name) not in (None, killed))
    until(system.works)
    assert f"{name} was killed (SIGKILL)" in system.said()


def test_a_killed_request_server_comes_back(system: Standalone) -> None:
    master = until(lambda: system.child("web"))
    first = until(lambda: processes.descendants(master.pid))

    for process in first:
        os.kill(process.pid, signal.SIGKILL)

    until(lambda: processes.descendants(master.pid) - first)
    until(system.works)


def test_while_the_web_is_away_requests_wait_instead_of_failing(system: Standalone) -> None:
    master = until(lambda: system.child("web"))
    # Its worker too: left alone, it may still take a request in the moment before it notices.
    for one in (master, *processes.descendants(master.pid)):
        processes.send(one, signal.SIGKILL)

    with socket.create_connection(("127.0.0.1", system.port), timeout=15) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        assert connection.recv(64).startswith(b"HTTP/1.1 200")


def test_a_second_one_on_the_same_directory_is_refused(system: Standalone) -> None:
    assert system.process
    first_output = system.outputs

    refused = system.command("--port", "0")

    assert refused.wait(20) == 4
    for part in (str(system.data), str(system.process.pid), f"http://127.0.0.1:{system.port}"):
        assert part in system.said()
    system.outputs = first_output
    assert system.works()


def test_killed_itself_its_children_carry_on_and_a_successor_replaces_them(standalone: Standalone) -> None:
    standalone.start()
    # Only its direct children: their short-lived children do not matter here.
    before = {child for name in CHILDREN if (child := standalone.child(name))}
    standalone.stop(signal.SIGKILL)

    until(standalone.works)
    assert len(before) == len(CHILDREN)
    assert {process for process in before if processes.alive(process)} == before

    standalone.start()
    assert "an earlier supervisor was killed" in standalone.said()
    assert standalone.works()
    assert standalone.living() & before == set()
    assert standalone.stop(signal.SIGINT) == 0
    assert standalone.living() == set()


def test_killed_as_a_whole_it_starts_anew(standalone: Standalone) -> None:
    standalone.start()
    token = standalone.front().token
    for process in standalone.living():
        os.kill(process.pid, signal.SIGKILL)
    standalone.stop(signal.SIGKILL)

    standalone.start()

    assert standalone.works()
    assert standalone.front().token == token
    assert standalone.stop() == 0


def test_a_port_in_use_is_named(standalone: Standalone) -> None:
    with socket.create_server(("127.0.0.1", standalone.port)):
        refused = standalone.command("--port", str(standalone.port))

        assert refused.wait(20) == 1
    assert f"port {standalone.port} on 127.0.0.1 is in use" in standalone.said()
    assert standalone.living() == set()


def test_every_fault_of_a_bad_power_toml_has_a_line(standalone: Standalone) -> None:
    (standalone.directory / "power.toml").write_text('[stacks.a]\nallow = []\n[stacks.b]\nproject = "b"\n')

    refused = standalone.command("--port", "0")

    assert refused.wait(20) == 2
    lines = standalone.said().splitlines()
    assert [re.search(r"stacks\.\w+\.\w+", line)[0] for line in lines] == [  # type: ignore[index]
        "stacks.a.project",
        "stacks.a.allow",
        "stacks.b.allow",
    ]
    assert not standalone.data.exists()


def test_an_address_of_the_engine_that_cannot_be_used_is_one_line(
    standalone: Standalone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "absent")
    monkeypatch.delenv("DOCKER_HOST", raising=False)

    refused = standalone.command("--port", "0")

    assert refused.wait(20) == 1
    (line,) = standalone.said().splitlines()
    assert "DOCKER_CONTEXT=absent: there is no context 'absent'" in line


def test_its_worker_is_given_the_engine_that_was_found_at_the_start(
    standalone: Standalone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configuration = tmp_path / "docker"
    monkeypatch.setenv("DOCKER_CONFIG", str(configuration))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    for words in (["create", "chosen", "--docker", f"host={engine_endpoint.DEFAULT}"], ["use", "chosen"]):
        subprocess.run(["docker", "context", *words], check=True, capture_output=True)

    standalone.start()

    worker = until(lambda: standalone.child("worker"))
    given = Path(f"/proc/{worker.pid}/environ").read_bytes().decode().split("\0")
    assert f"DOCKER_HOST={engine_endpoint.DEFAULT}" in given
    assert (
        f"engine   {engine_endpoint.DEFAULT} (context chosen of {configuration}/config.json)"
        in standalone.said()
    )


def test_a_missing_configuration_is_named(standalone: Standalone) -> None:
    (standalone.directory / "power.toml").unlink()

    assert standalone.command("--port", "0").wait(20) == 2
    assert f"no configuration at {standalone.directory / 'power.toml'}" in standalone.said()


def test_a_database_that_cannot_be_used_is_reported_in_a_line(standalone: Standalone) -> None:
    standalone.data.mkdir()
    (standalone.data / "power.db").mkdir()

    assert standalone.command("--port", "0").wait(30) == 1
    assert "the database cannot be used" in standalone.said()
    assert "Traceback" not in standalone.said()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    """One standalone that several tests maltreat in turn."""
    one = Standalone(tmp_path_factory.mktemp("house"))
    one.start()
    yield one
    code = one.stop() if one.process else None
    one.clear()
    assert (code, one.living()) == (0, set())


def _answers_without_a_password(output: str) -> int:
    """What Flower's port says without a password."""
    match = re.search(r"flower +http://127\.0\.0\.1:(\d+)", output)
    assert match
    flower = WebClient("127.0.0.1", int(match[1]))

    def status() -> int:
        try:
            return flower.ask("GET", "/workers")[0]
        except NoAnswer:
            return 0

    return until(status, 20)
