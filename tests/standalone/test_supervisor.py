"""Supervision, with small stand-ins for the real children: what dies is mended, what stops leaves nothing."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.cli.failures import exit_code
from app.host import processes
from app.host.boot_clock import boot_id
from app.host.processes import Process
from app.standalone import logs, process_record
from app.standalone.children import PROCESS_MARK, Child
from app.standalone.process_record import Lock, Record
from app.standalone.signals import Signals
from app.standalone.supervisor import SupervisedChild, Supervisor
from app.standalone.terminal import Terminal
from power_windows.errors import Refused
from tests.standalone.waiting import until

SLEEPER = "exec sleep 600"
STUBBORN = "trap '' TERM; while :; do sleep 0.05; done"
FAMILY = "sleep 600 & sleep 600 & wait"


class Supervision:
    """A supervisor over shell commands, and all that is left of it on disk."""

    def __init__(self, directory: Path, signals: Signals) -> None:
        self.directory = directory
        self.signals = signals
        self.record = Record(directory / "children.json")
        self.log = directory / "standalone.log"
        self.supervisor = self.supervise()

    def child(self, name: str, script: str, patience: float = 5.0, wave: int = 0) -> Child:
        environ = {**os.environ, PROCESS_MARK: str(self.directory)}
        return Child(name, ("/bin/sh", "-c", script), environ, self.directory / f"{name}.log", patience, wave)

    def supervise(self, *some: Child) -> Supervisor:
        self.supervisor = Supervisor(some, self.record, Terminal(self.log), self.signals)
        self.supervisor.start(*(child.name for child in some))
        return self.supervisor

    def until(self, claim: Callable[[], object], seconds: float = 10.0) -> None:
        def after_a_tick() -> object:
            self.supervisor.tick()
            return claim()

        until(after_a_tick, seconds)

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def living(self) -> set[Process]:
        return processes.processes_with(PROCESS_MARK, str(self.directory))

    def pid(self, name: str) -> int:
        pid = self.supervisor.pid(name)
        assert pid is not None
        return pid


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Supervision]:
    with Signals() as signals:
        system = Supervision(tmp_path, signals)
        yield system
        system.supervisor.stop()
        assert system.living() == set()


def test_what_is_killed_is_started_again(system: Supervision) -> None:
    system.supervise(system.child("worker", SLEEPER))
    first = system.pid("worker")

    os.kill(first, signal.SIGKILL)

    system.until(lambda: system.supervisor.pid("worker") not in (None, first))
    assert "worker was killed (SIGKILL); starting it again in 0.2 s" in system.said()


def test_the_others_are_left_alone_meanwhile(system: Supervision) -> None:
    system.supervise(system.child("worker", SLEEPER), system.child("beat", SLEEPER))
    worker, beat = system.pid("worker"), system.pid("beat")

    os.kill(worker, signal.SIGKILL)

    system.until(lambda: system.supervisor.pid("worker") not in (None, worker))
    assert system.pid("beat") == beat


def test_a_child_that_ends_takes_its_descendants_along(system: Supervision) -> None:
    system.supervise(system.child("web", FAMILY))
    leader = system.pid("web")
    until(lambda: len(processes.in_group(leader)) == 3)

    os.kill(leader, signal.SIGKILL)

    system.until(lambda: system.supervisor.pid("web") not in (None, leader))
    assert processes.in_group(leader) == set()


def test_what_keeps_dying_is_tried_ever_later(system: Supervision) -> None:
    system.supervise(system.child("worker", "echo no such module; exit 3"))

    system.until(lambda: "starting it again in 0.8 s" in system.said())

    lines = [line for line in system.said().splitlines() if "exit code 3" in line]
    assert [line.rsplit(" in ", 1)[1] for line in lines] == ["0.2 s", "0.4 s", "0.8 s"]
    assert [child.name for child in system.supervisor.down()] == ["worker"]


def test_the_wait_between_tries_has_an_end(system: Supervision) -> None:
    seat = SupervisedChild(system.child("worker", SLEEPER))

    delays = []
    for seat.failures in (1, 2, 5, 6, 7, 50, 1_025, 100_000, 10**9):
        delays.append(seat.delay)

    assert delays == [0.2, 0.4, 3.2, 6.4, *[10.0] * 5]


def test_the_hundred_thousandth_death_ends_nothing(system: Supervision) -> None:
    system.supervise(system.child("worker", "exit 3"), system.child("beat", SLEEPER))
    system.supervisor.seat("worker").failures = 100_000

    system.until(lambda: "starting it again in 10.0 s" in system.said())

    assert system.pid("beat")


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), RuntimeError("no thread"), KeyError("x")]
)
def test_a_round_that_breaks_ends_neither_the_others_nor_the_supervisor(
    system: Supervision, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    system.supervise(system.child("worker", SLEEPER), system.child("beat", SLEEPER))
    worker, beat = system.pid("worker"), system.pid("beat")
    remove = system.record.remove

    def breaks(_name: str) -> None:
        raise error

    monkeypatch.setattr(system.record, "remove", breaks)
    monkeypatch.setattr(logs, "copy_and_truncate", breaks)
    os.kill(worker, signal.SIGKILL)

    system.until(lambda: system.supervisor.pid("worker") not in (None, worker))
    system.supervisor.logs_seen_at = 0.0
    system.supervisor.tick()

    assert system.pid("beat") == beat
    assert system.said().count("looking after worker failed, and is tried again") == 1
    assert system.said().count("looking at the logs failed, and is tried again") == 1
    monkeypatch.setattr(system.record, "remove", remove)


def test_a_missing_command_does_not_end_the_others(system: Supervision) -> None:
    absent = Child("flower", ("/nowhere/flower",), {}, system.directory / "flower.log")

    system.supervise(absent, system.child("worker", SLEEPER))

    assert system.pid("worker")
    assert "flower cannot be started" in system.said()


def test_stopping_leaves_no_process_behind(system: Supervision) -> None:
    system.supervise(system.child("web", FAMILY), system.child("worker", SLEEPER, wave=1))
    until(lambda: len(system.living()) == 4)

    system.supervisor.stop()

    assert system.living() == set()
    assert process_record.left_over(system.record.path) == {}


def test_what_does_not_listen_is_killed_when_patience_ends(system: Supervision) -> None:
    system.supervise(system.child("worker", f"echo up; {STUBBORN}", patience=0.3))
    until((system.directory / "worker.log").read_text)

    began = time.monotonic()
    system.supervisor.stop()

    assert 0.3 <= time.monotonic() - began < 3


def test_children_leave_wave_by_wave(system: Supervision) -> None:
    order = system.directory / "order"

    def leaving(name: str) -> str:
        return f"trap 'sleep 0.2; echo {name} >> {order}; exit' TERM; echo up; while :; do sleep 0.02; done"

    system.supervise(
        system.child("broker", leaving("broker"), wave=2),
        system.child("worker", leaving("worker"), wave=1),
        system.child("web", leaving("web"), wave=0),
    )
    for name in ("broker", "worker", "web"):
        until((system.directory / f"{name}.log").read_text)

    system.supervisor.stop()

    assert order.read_text().split() == ["web", "worker", "broker"]


def test_a_second_ctrl_c_ends_everything_at_once(system: Supervision) -> None:
    system.supervise(system.child("worker", f"echo up; {STUBBORN}", patience=60))
    until((system.directory / "worker.log").read_text)
    system.signals.asked = 1
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

    began = time.monotonic()
    system.supervisor.stop()

    assert time.monotonic() - began < 5


def test_an_error_in_a_log_comes_to_the_terminal(
    system: Supervision, capsys: pytest.CaptureFixture[str]
) -> None:
    system.supervise(system.child("worker", "echo fine; echo '[ERROR/x] the disk is full'; sleep 600"))

    system.until(lambda: "the disk is full" in capsys.readouterr().out)


def test_children_outlive_a_killed_supervisor_and_a_successor_ends_them(tmp_path: Path) -> None:
    supervisor = _supervisor_process(tmp_path)
    left = until(lambda: process_record.left_over(tmp_path / "children.json"))
    until(lambda: len(processes.processes_with(PROCESS_MARK, str(tmp_path))) == 3)

    supervisor.kill()
    supervisor.wait()

    assert all(processes.alive(process) for process in left.values())
    process_record.end(process_record.left_over(tmp_path / "children.json"), tmp_path)
    assert processes.processes_with(PROCESS_MARK, str(tmp_path)) == set()


def test_a_child_that_no_record_tells_of_is_found_by_its_mark(tmp_path: Path) -> None:
    supervisor = _supervisor_process(tmp_path)
    until(lambda: len(processes.processes_with(PROCESS_MARK, str(tmp_path))) == 3)
    supervisor.kill()
    supervisor.wait()
    (tmp_path / "children.json").unlink()

    process_record.end({}, tmp_path)

    assert processes.processes_with(PROCESS_MARK, str(tmp_path)) == set()


def test_a_foreign_process_with_a_recorded_id_is_left_alone(tmp_path: Path) -> None:
    foreign_process = subprocess.Popen(["sleep", "600"], start_new_session=True)
    Record(tmp_path / "children.json").add("worker", Process(foreign_process.pid, started=1))
    try:
        assert process_record.left_over(tmp_path / "children.json") == {}

        process_record.end({"worker": Process(foreign_process.pid, started=1)}, tmp_path)
        assert foreign_process.poll() is None
    finally:
        foreign_process.kill()
        foreign_process.wait()


def test_a_record_from_before_a_reboot_means_nothing(tmp_path: Path) -> None:
    mine = processes.read_process(os.getpid())
    assert mine
    Record(tmp_path / "children.json").add("worker", mine.process)
    assert process_record.left_over(tmp_path / "children.json") == {"worker": mine.process}

    path = tmp_path / "children.json"
    path.write_text(path.read_text().replace(boot_id(), "another"))

    assert process_record.left_over(path) == {}


def test_a_second_one_on_the_same_directory_is_refused_by_name(tmp_path: Path) -> None:
    first = Lock(tmp_path)
    first.take("http://127.0.0.1:8420")

    with pytest.raises(Refused) as refused:
        Lock(tmp_path).take("http://127.0.0.1:8421")

    for part in (str(tmp_path), f"process {os.getpid()}", "http://127.0.0.1:8420"):
        assert part in refused.value.message
    assert exit_code(refused.value) == 4

    first.release()
    Lock(tmp_path).take("http://127.0.0.1:8421")


def test_children_do_not_inherit_the_lock(system: Supervision) -> None:
    first = Lock(system.directory)
    first.take("http://127.0.0.1:8420")
    system.supervise(system.child("worker", SLEEPER))

    first.release()

    Lock(system.directory).take("http://127.0.0.1:8421")


def _supervisor_process(directory: Path) -> subprocess.Popen[bytes]:
    """A supervisor of its own, with one child that has two of its own, to be killed."""
    script = (
        "import sys, pathlib\n"
        "from tests.standalone.test_supervisor import FAMILY, Supervision, Signals\n"
        "with Signals() as signals:\n"
        "    supervision = Supervision(pathlib.Path(sys.argv[1]), signals)\n"
        "    supervision.supervise(supervision.child('web', FAMILY))\n"
        "    while True:\n"
        "        supervision.supervisor.wait(1)\n"
    )
    return subprocess.Popen([sys.executable, "-c", script, str(directory)], stdout=subprocess.DEVNULL)
