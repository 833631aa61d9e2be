"""A service's lock is held until the last of those who have its descriptor is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.store import locks

_HOLDER = """
import os, sys, subprocess
from pathlib import Path
from app.store import locks
with locks.hold_lock(Path(sys.argv[1]), "studio", "forge") as lock:
    if lock is None:
        sys.exit(9)
    # The grandchild has the descriptor, as a compose process does, and waits to be let go.
    cat = {"stdin": 0, "stdout": subprocess.DEVNULL, "pass_fds": (lock,)}
    child = subprocess.Popen(["cat"], **cat) if sys.argv[2:] else None
    print(child.pid if child else "held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(directory: Path, *child: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock, perhaps with a child; let go by closing its input."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", _HOLDER, str(directory), *child], **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.stdin.close()


def free(directory: Path) -> bool:
    with locks.hold_lock(directory, "studio", "forge") as lock:
        return lock is not None


def eventually_free(directory: Path) -> bool:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if free(directory):
            return True
        time.sleep(0.01)
    return False


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with holder(tmp_path) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        assert not free(tmp_path)
        with (
            locks.hold_lock(tmp_path, "studio", "mill") as another,
            locks.hold_lock(tmp_path, "other", "forge") as third,
        ):
            assert another
            assert third
    assert free(tmp_path)


def test_one_thread_at_a_time(tmp_path: Path) -> None:
    with locks.hold_lock(tmp_path, "studio", "forge") as lock:
        assert lock
        assert not free(tmp_path)
    assert free(tmp_path)


def test_it_is_free_again_after_an_exception(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locks.hold_lock(tmp_path, "studio", "forge"):
        raise ZeroDivisionError
    assert free(tmp_path)


def test_a_child_that_outlives_its_killed_parent_still_holds_it(tmp_path: Path) -> None:
    with holder(tmp_path, "with a child") as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        parent.wait(10)
        os.kill(child, 0)
        assert not free(tmp_path)
    # Its input is closed now, so the child leaves, and the lock with it.
    assert eventually_free(tmp_path)


def test_closing_our_descriptor_does_not_unlock_it_for_a_child(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with locks.hold_lock(tmp_path, "studio", "forge") as lock:
        assert lock
        child = subprocess.Popen(["cat"], stdin=reading, stdout=subprocess.DEVNULL, pass_fds=(lock,))
    os.close(reading)
    assert not free(tmp_path)
    os.close(writing)
    assert child.wait(10) == 0
    assert free(tmp_path)


def test_a_process_that_was_not_given_the_descriptor_does_not_hold_it(tmp_path: Path) -> None:
    with locks.hold_lock(tmp_path, "studio", "forge") as lock:
        assert lock
        other_process = subprocess.Popen(
            ["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, close_fds=False
        )
    assert free(tmp_path)
    other_process.communicate()


def test_no_other_user_can_read_the_locks(tmp_path: Path) -> None:
    directory = tmp_path / "locks"
    assert free(directory)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert locks.path(directory, "studio", "forge").stat().st_mode & 0o777 == 0o600
