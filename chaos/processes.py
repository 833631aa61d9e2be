"""Processes of the run, kept running as a service manager would keep them.

What was killed is started again after a while; what its death left behind in its
process group is killed first. All are started by threads that live as long as the
run, since a child dies with the thread that started it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.host import processes
from app.host.processes import Process
from chaos.outages import Outages

AGAIN = 0.5
"""Seconds before a process that ended by itself is started again."""


def nothing() -> None:
    """Most processes need no preparation."""


@dataclass
class ManagedProcess:
    """One process to be kept running. `answers` says whether it does its work."""

    name: str
    argv: Sequence[str]
    environ: Mapping[str, str]
    log: Path
    answers: Callable[[ManagedProcess], bool]
    prepare: Callable[[], None] = nothing
    leave: signal.Signals = signal.SIGTERM
    starts: int = 0
    up: bool = False
    child: subprocess.Popen[bytes] | None = None
    start_at: float = 0.0
    log_from: int = 0
    frozen: set[Process] = field(default_factory=set)

    @property
    def alive(self) -> bool:
        return self.child is not None and self.child.poll() is None

    @property
    def pid(self) -> int:
        return self.child.pid if self.child else 0

    def start(self) -> None:
        if self.child:
            processes.kill_group(self.child.pid)
        self.prepare()
        self.log_from = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.argv],
                env=dict(self.environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/" if self.name == "database" else Path(__file__).parent.parent,
            )
        self.starts += 1

    def said(self, words: str) -> bool:
        """Has it said this since it was last started?"""
        with self.log.open("rb") as log:
            log.seek(self.log_from)
            return words.encode() in log.read()

    def family(self) -> set[Process]:
        sight = processes.read_process(self.pid)
        return processes.descendants(self.pid) | ({sight.process} if sight else set())


class Keeper:
    """Starts what has died and notices when it works again."""

    def __init__(self, outages: Outages) -> None:
        self.processes: dict[str, ManagedProcess] = {}
        self._outages = outages
        self._ending = threading.Event()
        self._lock = threading.RLock()
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self.unexpected: list[tuple[float, str, int | None]] = []
        """Unexpected ends of processes: when, which process, and with which code."""

    def add(self, one: ManagedProcess) -> None:
        with self._lock:
            self.processes[one.name] = one
            self._outages.begin(one.name, "start")

    def begin(self) -> None:
        self._thread.start()

    def kill(self, name: str, after: float, victims: set[Process]) -> None:
        """Kill, and start again `after` seconds."""
        with self._lock:
            one = self.processes[name]
            whole = one.pid in {victim.pid for victim in victims}
            self._down(one, "kill", after if whole else AGAIN)
            for victim in victims:
                processes.send(victim, signal.SIGKILL)

    def freeze(self, name: str, victims: set[Process]) -> None:
        with self._lock:
            one = self.processes[name]
            one.frozen |= victims
            self._outages.begin(name, "freeze")
            for victim in victims:
                processes.send(victim, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        with self._lock:
            one = self.processes[name]
            for victim in one.frozen:
                processes.send(victim, signal.SIGCONT)
            one.frozen.clear()
            one.up = False

    def hurry(self) -> None:
        """Everything that is down is started now, and everything frozen goes on."""
        for name, one in self.processes.items():
            self.thaw(name)
            one.start_at = 0.0

    def stop(self) -> None:
        """End everything, those first that were added last."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        for one in reversed(self.processes.values()):
            with contextlib.suppress(OSError):
                self._end(one)

    def _end(self, one: ManagedProcess) -> None:
        if one.child is None:
            return
        for victim in one.frozen:
            processes.send(victim, signal.SIGCONT)
        family = one.family()
        if one.alive:
            os.kill(one.pid, one.leave)
            with contextlib.suppress(subprocess.TimeoutExpired):
                one.child.wait(10)
        for left in family | processes.in_group(one.pid):
            processes.send(left, signal.SIGKILL)
        one.child.wait(10)

    def _keep(self) -> None:
        while not self._ending.wait(0.1):
            for one in list(self.processes.values()):
                with self._lock:
                    self._look(one)

    def _look(self, one: ManagedProcess) -> None:
        if one.alive:
            if not one.up and not one.frozen and time.time() >= one.start_at and one.answers(one):
                one.up = True
                self._outages.end(*self._outages.open(one.name))
            return
        if one.up:
            code = one.child.poll() if one.child else None
            self.unexpected.append((time.time(), one.name, code))
            self._down(one, f"ended by itself with {code}", AGAIN)
        if time.time() >= one.start_at:
            one.frozen.clear()
            # What does not come up is tried again, though not at once.
            one.start_at = time.time() + AGAIN
            one.start()

    def _down(self, one: ManagedProcess, how: str, after: float) -> None:
        one.up, one.start_at = False, time.time() + after
        self._outages.begin(one.name, how)
