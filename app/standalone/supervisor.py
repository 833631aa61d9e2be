"""Keep children running, and end them in order.

A child that ends is restarted: first at once, then with growing pauses while it keeps ending. Each child
leads its own session. So neither a Ctrl-C on the terminal nor the end of the supervisor reaches it, and
all its descendants can be ended with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from app.domain import backoff
from app.host import processes
from app.standalone import children, logs
from app.standalone.children import Child
from app.standalone.process_record import Record
from app.standalone.rejected_files import RejectedFiles
from app.standalone.signals import Signals
from app.standalone.terminal import Terminal

T = TypeVar("T")

FIRST_DELAY = 0.2
LONGEST_DELAY = 10.0
# Alive for so long, a child has proved itself, and its next death is its first again.
PROVEN_AFTER = 30.0

_LOOK_AT_LOGS_EVERY = 1.0
# Of one child's log the terminal shows so many lines, and no more for so many seconds.
_MOST_LINES = 5
_QUIET_FOR = 15.0


@dataclass
class SupervisedChild:
    """A child, the process that runs for it now, and how often it has failed."""

    child: Child
    running: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    failures: int = 0
    due: float | None = None
    quoted: float = -_QUIET_FOR
    tail: logs.LogFollower = field(init=False)

    def __post_init__(self) -> None:
        self.tail = logs.LogFollower(self.child.log)

    @property
    def delay(self) -> float:
        """Seconds until the child is started again."""
        return backoff.seconds(self.failures, FIRST_DELAY, LONGEST_DELAY)


class Supervisor:
    """Starts children, starts them again when they end, and ends them in order."""

    def __init__(self, some: Iterable[Child], record: Record, voice: Terminal, signals: Signals) -> None:
        self._seats = {child.name: SupervisedChild(child) for child in some}
        self._record = record
        self._voice = voice
        self._signals = signals
        self.refusals = RejectedFiles(voice)
        self.logs_seen_at = time.monotonic()
        self._troubles: dict[str, str] = {}
        """What failed in the last round, and how."""

    def start(self, *names: str) -> None:
        """Start the children of these names."""
        for name in names:
            self._start(self._seats[name])

    def seat(self, name: str) -> SupervisedChild:
        """Return a child with its process, its failures and the time of its next start."""
        return self._seats[name]

    def pid(self, name: str) -> int | None:
        """The process id of a child; None while it does not run."""
        running = self._seats[name].running
        return running.pid if running else None

    @property
    def names(self) -> list[str]:
        """The names of all children."""
        return list(self._seats)

    def silent(self) -> list[Child]:
        """Children that run, but may not yet do what is waited for."""
        return [seat.child for seat in self._seats.values() if seat.child.name in ("web", "worker")]

    def down(self) -> list[Child]:
        """Children that ought to run and do not, or have only just been started again after a failure."""
        return [seat.child for seat in self._seats.values() if seat.failures and not self._proven(seat)]

    def wait(self, seconds: float) -> None:
        """Sleep until something happens, at most so long, and see to it."""
        dues = [seat.due - time.monotonic() for seat in self._seats.values() if seat.due is not None]
        self._signals.wait(min([seconds, *dues]))
        self.tick()

    def supervise_during(self, ask: Callable[[], T]) -> T:
        """Call `ask` in a thread, and supervise the children meanwhile; return or raise what it does."""
        answer: Future[T] = Future()
        threading.Thread(target=self._ask, args=(ask, answer), daemon=True).start()
        while not answer.done():
            self.wait(1.0)
        return answer.result()

    def _ask(self, ask: Callable[[], T], answer: Future[T]) -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is awaited
            answer.set_exception(error)
        self._signals.wake()

    def tick(self) -> None:
        """Reap children that have ended, and restart those that are due."""
        now = time.monotonic()
        for name, seat in self._seats.items():
            self._survive(f"looking after {name}", partial(self._check_child, seat, now))
        self._survive("reaping orphans", self._reap_orphans)
        if now - self.logs_seen_at >= _LOOK_AT_LOGS_EVERY:
            self.logs_seen_at = now
            self._survive("looking at the logs", self._look_at_logs)

    def _survive(self, what: str, work: Callable[[], None]) -> None:
        """Do one part of a round. Print an exception once; it ends neither the other parts nor us."""
        try:
            work()
        except Exception as error:  # noqa: BLE001 - a supervisor that ended here would take all children along
            if self._troubles.get(what) != (trouble := f"{type(error).__name__}: {error}"):
                self._troubles[what] = trouble
                self._voice.bad(f"{what} failed, and is tried again: {trouble}")
        else:
            self._troubles.pop(what, None)

    def _check_child(self, seat: SupervisedChild, now: float) -> None:
        ran = seat.running is not None
        try:
            self._note_exit(seat)
        finally:
            if ran and seat.running is None and seat.due is None:
                # It has ended, and something went wrong before its next start was planned.
                seat.failures += 1
                seat.due = time.monotonic() + seat.delay
        if seat.due is not None and seat.due <= now:
            self._start(seat)

    def stop(self) -> None:
        """End all children, a wave at a time; being asked to stop a second time ends them at once."""
        asked = min(1, self._signals.asked)
        for wave in sorted({seat.child.wave for seat in self._seats.values()}):
            self._end([seat for seat in self._seats.values() if seat.child.wave == wave], asked)

    def _start(self, seat: SupervisedChild) -> None:
        seat.due, seat.began = None, time.monotonic()
        child = seat.child
        try:
            child.before(seat.failures)
            seat.running = spawn_child(child)
        except Exception as error:  # noqa: BLE001 - no room for a process or on the disk: that passes
            self._fell(seat, f"cannot be started ({error})")
            return
        if sight := processes.read_process(seat.running.pid):
            self._record.add(child.name, sight.process)
        if seat.failures:
            self._voice.good(f"{child.name} is started again (process {seat.running.pid})")

    def _note_exit(self, seat: SupervisedChild) -> None:
        if seat.running is None or not _dead(seat.running.pid):
            return
        if self._proven(seat):
            seat.failures = 0
        how = self._leave(seat)
        self._fell(seat, how)
        if not how.startswith("was killed"):
            self._quote(seat, logs.last_lines(seat.child.log, 3))

    def _fell(self, seat: SupervisedChild, how: str) -> None:
        seat.failures += 1
        seat.due = time.monotonic() + seat.delay
        self._voice.bad(f"{seat.child.name} {how}; starting it again in {seat.delay:.1f} s")

    def _leave(self, seat: SupervisedChild) -> str:
        """Clear the record of a dead child, and kill the rest of its process group; return how it died."""
        assert seat.running is not None
        # First kill the group, then reap: the number of a process that is not reaped is not given to another.
        processes.kill_group(seat.running.pid)
        ended = _how(seat.running.wait())
        seat.running = None
        self._record.remove(seat.child.name)
        return ended

    def _end(self, leaving: list[SupervisedChild], asked: int) -> None:
        for seat in leaving:
            seat.due = None
            if seat.running:
                # Popen's own way to signal would reap an ended child first.
                os.kill(seat.running.pid, signal.SIGTERM)
        began = time.monotonic()
        while remaining := [seat for seat in leaving if not self._has_left(seat)]:
            for seat in remaining:
                self._hurry(seat, time.monotonic() - began, asked)
            self._signals.wait(0.1)

    def _has_left(self, seat: SupervisedChild) -> bool:
        if seat.running is None:
            return True
        if not _dead(seat.running.pid):
            return False
        group = processes.in_group(seat.running.pid)
        self._leave(seat)
        processes.wait_gone(group, 5.0)
        return True

    def _hurry(self, seat: SupervisedChild, waited: float, asked: int) -> None:
        assert seat.running is not None
        if waited > seat.child.patience or self._signals.asked > asked:
            processes.kill_group(seat.running.pid)

    def _proven(self, seat: SupervisedChild) -> bool:
        return seat.running is not None and time.monotonic() - seat.began >= PROVEN_AFTER

    def _reap_orphans(self) -> None:
        """As process 1 of a container, reap orphaned processes."""
        if os.getpid() != 1:
            return
        ours = {seat.running.pid for seat in self._seats.values() if seat.running}
        while (orphan := _any_dead()) and orphan not in ours:
            os.waitpid(orphan, os.WNOHANG)

    def _look_at_logs(self) -> None:
        for seat in self._seats.values():
            self._quote(seat, self.refusals.take(seat.tail.new_lines()))
            logs.copy_and_truncate(seat.child.log)

    def _quote(self, seat: SupervisedChild, lines: list[str]) -> None:
        now = time.monotonic()
        if lines and now - seat.quoted >= _QUIET_FOR:
            seat.quoted = now
            self._voice.bad(f"{seat.child.name} writes in {seat.child.log}:")
            self._voice.quote(line[:200] for line in lines[-_MOST_LINES:])


def spawn_child(child: Child) -> subprocess.Popen[bytes]:
    """Start the child's process in a session of its own, with its output in its log."""
    with child.open_log() as log:
        return subprocess.Popen(
            child.argv,
            env=dict(child.environ),
            cwd=children.root(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=child.inherits,
        )


def _any_dead() -> int | None:
    ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return ended.si_pid if ended else None


def _dead(pid: int) -> bool:
    """Whether our child has ended. This does not reap it."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _how(code: int) -> str:
    return f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended with exit code {code}"
