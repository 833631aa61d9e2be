"""Running one command: to its end or for so long, and nothing of its family is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from app.domain.enums import Action, CallStatus
from app.store import locks
from tests.deadline import until
from workers.engine import child_output, compose
from workers.engine.compose import Command
from workers.state import identity

pytestmark = pytest.mark.integration


def shell(directory: Path, script: str) -> Command:
    return Command(Action.UP, ("/bin/sh", "-c", script), directory)


def alive(pid: int) -> bool:
    """Does this process run? A zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def pid_in(path: Path) -> int:
    written = until(lambda: path.exists() and path.read_text().strip(), f"{path.name} is written")
    return int(str(written))


def test_a_call_that_ends_by_itself_tells_how(tmp_path: Path) -> None:
    outcome = compose.run(shell(tmp_path, "echo said; echo wrong >&2; exit 3"), 10)

    assert (outcome.status, outcome.returncode) == (CallStatus.FAIL, 3)
    assert (outcome.stdout, outcome.stderr) == ("said\n", "wrong\n")


def test_output_is_passed_on_while_the_call_runs(tmp_path: Path) -> None:
    """The call goes on only after the test has seen its first line; characters may be cut between pieces."""
    pieces: list[str] = []

    def print_text(text: str) -> None:
        pieces.append(text)
        if "one" in text:
            (tmp_path / "seen").touch()

    script = r"printf 'one\r\n\303'; while [ ! -e seen ]; do sleep 0.01; done; printf '\251\n'; echo two >&2"
    outcome = compose.run(shell(tmp_path, script), 10, print_text=print_text)

    assert (outcome.status, outcome.stdout, outcome.stderr) == (CallStatus.OK, "one\né\n", "two\n")
    assert "".join(pieces) == "one\né\ntwo\n"


def test_a_call_that_takes_too_long_loses_all_its_descendants(tmp_path: Path) -> None:
    """`docker compose` is two processes: killing only the first would leave the second at work."""
    script = "sh -c 'echo $$ > grandchild; exec sleep 600' & echo last words; wait"

    outcome = compose.run(shell(tmp_path, script), 0.5)

    assert (outcome.status, outcome.returncode) == (CallStatus.TIMEOUT, None)
    assert outcome.stdout == "last words\n"
    assert 450 <= outcome.elapsed_ms < 5000
    grandchild = pid_in(tmp_path / "grandchild")
    until(lambda: not alive(grandchild), "the grandchild is gone")


def test_a_call_that_ends_leaves_no_grandchild_either(tmp_path: Path) -> None:
    script = (
        "sh -c 'echo $$ > grandchild; exec sleep 600 >/dev/null 2>&1' & while [ ! -s grandchild ]; do :; done"
    )

    outcome = compose.run(shell(tmp_path, script), 10)

    assert outcome.status is CallStatus.OK
    grandchild = pid_in(tmp_path / "grandchild")
    until(lambda: not alive(grandchild), "the grandchild is gone")


def test_a_service_stays_locked_while_a_grandchild_lives(tmp_path: Path) -> None:
    """One that left the family's group is not killed with it; while it works, no other process may."""
    script = (
        "setsid sh -c 'echo $$ > stray; exec sleep 600 >/dev/null 2>&1' & while [ ! -s stray ]; do :; done"
    )
    with locks.hold_lock(tmp_path, "studio", "forge") as lock:
        compose.run(shell(tmp_path, script), 10, lock=lock)
    stray = pid_in(tmp_path / "stray")
    try:
        with locks.hold_lock(tmp_path, "studio", "forge") as again:
            assert again is None
    finally:
        os.kill(stray, signal.SIGKILL)
    until(lambda: _free(tmp_path), "the lock is free")


def _free(directory: Path) -> bool:
    with locks.hold_lock(directory, "studio", "forge") as lock:
        return lock is not None


def test_compose_hears_nothing_from_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "COMPOSE_PROFILES": "gpu",
        "COMPOSE_FILE": "x",
        "COMPOSE_REMOVE_ORPHANS": "1",
    }.items():
        monkeypatch.setenv(name, value)

    outcome = compose.run(shell(tmp_path, "env | grep ^COMPOSE_ | sort"), 10)

    assert outcome.stdout == "COMPOSE_IGNORE_ORPHANS=true\nCOMPOSE_REMOVE_ORPHANS=false\n"


def test_a_call_gets_no_input(tmp_path: Path) -> None:
    assert compose.run(shell(tmp_path, "cat; echo done"), 10).stdout == "done\n"


def test_a_program_that_is_not_there_is_a_failed_call(tmp_path: Path) -> None:
    outcome = compose.run(Command(Action.UP, ("/nowhere/compose",), tmp_path), 10)

    assert outcome.status is CallStatus.FAIL
    assert "/nowhere/compose" in outcome.stderr


def test_a_directory_that_is_not_there_is_a_failed_call(tmp_path: Path) -> None:
    outcome = compose.run(shell(tmp_path / "gone", "true"), 10)

    assert outcome.status is CallStatus.FAIL
    assert "No such file" in outcome.stderr


def test_a_call_writes_down_who_makes_it(tmp_path: Path) -> None:
    pids: list[int] = []
    compose.run(shell(tmp_path, "echo $$ > pid"), 10, started=pids.append)

    assert pids == [pid_in(tmp_path / "pid")]


WORKER = """
    import sys
    from functools import partial
    from pathlib import Path
    from app.domain.enums import Action
    from app.store import locks
    from workers.engine import compose
    from workers.state import identity

    here = Path(sys.argv[1])
    command = compose.Command(Action.UP, ("/bin/sh", "-c", sys.argv[2]), here)
    with locks.hold_lock(here, "studio", "forge") as lock:
        compose.run(command, 600, lock=lock, started=partial(identity.sign, "dead", lock))
"""


def _worker(directory: Path, script: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", textwrap.dedent(WORKER), str(directory), script])


def test_a_call_dies_with_its_worker(tmp_path: Path) -> None:
    with _worker(tmp_path, "echo $$ > child; exec sleep 600") as worker:
        child = pid_in(tmp_path / "child")
        worker.kill()
    until(lambda: not alive(child), "the call is gone")
    until(lambda: _free(tmp_path), "the lock is free")


def test_what_a_dead_worker_left_is_found_and_ended(tmp_path: Path) -> None:
    """The compose plugin is a grandchild, which the death signal does not reach."""
    with _worker(tmp_path, "sh -c 'echo $$ > grandchild; exec sleep 600' & wait") as worker:
        grandchild = pid_in(tmp_path / "grandchild")
        until((tmp_path / "studio.forge.lock").read_text, "the call is signed")
        worker.kill()
    assert alive(grandchild)
    assert not _free(tmp_path)

    assert identity.end_leftover(tmp_path, "studio", "forge", lambda _worker: True) is not None

    until(lambda: not alive(grandchild), "the grandchild is gone")
    until(lambda: _free(tmp_path), "the lock is free")


def test_a_directory_that_is_gone_is_named_and_not_the_program(tmp_path: Path) -> None:
    missing = tmp_path / "stack"
    outcome = compose.run(shell(missing, "true"), 10)
    assert (outcome.status, outcome.returncode) == (CallStatus.FAIL, None)
    assert outcome.stderr == f"the directory {missing} cannot be entered: No such file or directory"


@pytest.mark.parametrize("below", ["", "/further"])
def test_a_file_where_a_directory_should_be_is_named(tmp_path: Path, below: str) -> None:
    (tmp_path / "stack").write_text("")
    where = Path(f"{tmp_path / 'stack'}{below}")
    stderr = compose.run(shell(where, "true"), 10).stderr
    assert stderr == f"the directory {where} cannot be entered: Not a directory"


def test_a_directory_that_may_not_be_entered_is_named(tmp_path: Path) -> None:
    """By a user who is not root, since root may enter every one."""
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o000)
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from app.domain.enums import Action\n"
        "from workers.engine import compose\n"
        "os.setuid(65534) if os.geteuid() == 0 else None\n"
        "print(compose.run(compose.Command(Action.UP, ('/bin/true',), Path(sys.argv[1])), 10).stderr)"
    )
    for directory in (tmp_path, *tmp_path.parents):
        if directory.stat().st_uid == os.geteuid() and directory.name.startswith(("pytest", "test_")):
            directory.chmod(0o755)
    completed = subprocess.run(
        [sys.executable, "-c", code, str(shut)], capture_output=True, text=True, timeout=60, check=False
    )
    assert completed.stdout == f"the directory {shut} cannot be entered: Permission denied\n", (
        completed.stderr
    )


def test_a_program_that_is_missing_is_still_named(tmp_path: Path) -> None:
    outcome = compose.run(Command(Action.UP, (str(tmp_path / "none"),), tmp_path), 10)
    assert str(tmp_path / "none") in outcome.stderr


@pytest.mark.parametrize("timeout", [2**31 / 1000 + 10, 3_600_010.0, 30 * 86400.0, 1e18, float("inf")])
def test_a_timeout_of_weeks_is_waited_for(tmp_path: Path, timeout: float) -> None:
    """The kernel takes no single wait of more than 2**31 milliseconds."""
    outcome = compose.run(shell(tmp_path, "sleep 0.2; echo said"), timeout)

    assert (outcome.status, outcome.stdout) == (CallStatus.OK, "said\n")


def test_a_long_wait_is_several_short_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_output, "LONGEST_WAIT", 0.05)

    outcome = compose.run(shell(tmp_path, "echo one; sleep 0.3; echo two"), 10)
    assert (outcome.status, outcome.stdout) == (CallStatus.OK, "one\ntwo\n")

    outcome = compose.run(shell(tmp_path, "echo one; sleep 60"), 0.3)
    assert (outcome.status, outcome.stdout) == (CallStatus.TIMEOUT, "one\n")
    assert 250 <= outcome.elapsed_ms < 5000


SPAWNING = [
    (OSError(24, "Too many open files"), "Too many open files"),
    (OSError(11, "Resource temporarily unavailable"), "Resource temporarily unavailable"),
    (MemoryError(), "MemoryError"),
    (ValueError("embedded null byte"), "ValueError: embedded null byte"),
    (subprocess.SubprocessError("no more"), "SubprocessError: no more"),
]


@pytest.mark.parametrize(("error", "reason"), SPAWNING, ids=lambda one: str(one)[:20])
def test_a_call_that_cannot_begin_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def spawn(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(compose, "spawn", spawn)
    outcome = compose.run(shell(tmp_path, "true"), 10)

    assert (outcome.status, outcome.returncode) == (CallStatus.FAIL, None)
    assert outcome.stderr == f"/bin/sh: {reason}"


def full(_pid: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_start_whose_process_cannot_be_written_down_is_ended(tmp_path: Path) -> None:
    """No process could end it if this worker were killed meanwhile."""
    outcome = compose.run(shell(tmp_path, "echo $$ > child; sleep 600"), 10, started=full)

    assert (outcome.status, outcome.stderr) == (CallStatus.FAIL, "/bin/sh: No space left on device")


def test_a_stop_goes_on_though_its_process_cannot_be_written_down(tmp_path: Path) -> None:
    stop = Command(Action.STOP, ("/bin/sh", "-c", "echo stopped"), tmp_path)

    outcome = compose.run(stop, 10, started=full)

    assert (outcome.status, outcome.stdout) == (CallStatus.OK, "stopped\n")


def test_output_that_cannot_be_read_ends_the_call_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_to_end(*_arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(child_output.ChildOutput, "read_to_end", read_to_end)
    outcome = compose.run(shell(tmp_path, "sleep 600"), 10)

    assert (outcome.status, outcome.stderr) == (CallStatus.FAIL, "/bin/sh: MemoryError")
