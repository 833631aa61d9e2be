"""Who lives and who is dead is the kernel's word, never a timer's."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.store import locks
from workers.state import identity
from workers.state.identity import Identity

OTHER = """
    import sys
    from pathlib import Path
    from workers.state.identity import Identity

    other = Identity(Path(sys.argv[1]), "local")
    with other.living():
        print(other.name, flush=True)
        sys.stdin.read()
"""


def other(directory: Path) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-c", textwrap.dedent(OTHER), str(directory)]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert worker.stdout
    return worker, worker.stdout.readline().strip()


def test_a_killed_worker_is_dead_at_once(tmp_path: Path) -> None:
    me = Identity(tmp_path, "local")
    worker, name = other(tmp_path)
    with worker:
        assert not me.dead(name)
        worker.kill()
    assert me.dead(name)


def test_a_worker_that_left_in_good_order_is_dead_too(tmp_path: Path) -> None:
    me = Identity(tmp_path, "local")
    worker, name = other(tmp_path)
    with worker:
        worker.communicate("")
    assert me.dead(name)


def test_no_worker_takes_itself_for_dead(tmp_path: Path) -> None:
    me = Identity(tmp_path, "local")
    with me.living():
        assert not me.dead(me.name)


def test_two_workers_never_share_a_name(tmp_path: Path) -> None:
    assert Identity(tmp_path, "local").name != Identity(tmp_path, "local").name


@contextmanager
def at_work(directory: Path, **changed: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process under a service's lock, signed for with a few things changed."""
    with locks.hold_lock(directory, "studio", "forge") as lock:
        assert lock is not None
        child = subprocess.Popen(["sleep", "600"], start_new_session=True, pass_fds=(lock,))
        identity.sign("late", lock, child.pid)
    at = locks.path(directory, "studio", "forge")
    at.write_text(json.dumps(json.loads(at.read_text()) | changed))
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def test_what_a_dead_worker_left_is_ended(tmp_path: Path) -> None:
    with at_work(tmp_path) as child:
        assert identity.end_leftover(tmp_path, "studio", "forge", {"late"}.__contains__) == child.pid
        assert child.wait(10) == -9


def test_a_process_id_that_is_used_again_is_not_killed(tmp_path: Path) -> None:
    with at_work(tmp_path, started="1") as child:
        assert identity.end_leftover(tmp_path, "studio", "forge", {"late"}.__contains__) is None
        assert child.poll() is None


def test_what_a_worker_that_lives_is_doing_is_not_ended(tmp_path: Path) -> None:
    """The call that was lost is a dead worker's; meanwhile another has begun one under the same lock."""
    with at_work(tmp_path, worker="alive") as child:
        assert identity.end_leftover(tmp_path, "studio", "forge", {"late"}.__contains__) is None
        assert child.poll() is None


def test_a_signature_without_a_worker_is_of_an_earlier_release(tmp_path: Path) -> None:
    with at_work(tmp_path) as child:
        at = locks.path(tmp_path, "studio", "forge")
        signed = json.loads(at.read_text())
        del signed["worker"]
        at.write_text(json.dumps(signed))
        assert identity.end_leftover(tmp_path, "studio", "forge", lambda _worker: False) == child.pid


def test_a_process_id_of_another_namespace_is_not_killed(tmp_path: Path) -> None:
    with at_work(tmp_path, namespace="pid:[1]") as child:
        assert identity.end_leftover(tmp_path, "studio", "forge", {"late"}.__contains__) is None
        assert child.poll() is None


def test_a_lock_that_is_free_has_nothing_to_end(tmp_path: Path) -> None:
    with locks.hold_lock(tmp_path, "studio", "forge") as lock:
        assert lock is not None
        identity.sign("late", lock, os.getpid())
    assert identity.end_leftover(tmp_path, "studio", "forge", {"late"}.__contains__) is None


def test_a_worker_lives_where_no_file_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "open", full)

    with Identity(tmp_path, "local").living():
        pass

    assert "no sign of life can be kept here: No space left on device" in caplog.text
