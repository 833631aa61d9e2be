"""Doing what the plan says to whom it says, and putting it right again.

A SIGKILL here is meant for the process that does the work, and for what a crash of it
would take along: all of PostgreSQL's backends, or an engine's containerd.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from celery import Celery

from app.host import processes
from app.host.processes import Process
from chaos import stacks
from chaos.ledger import Ledger
from chaos.plan import Fault, Round
from chaos.system import MARK, System

HUNT = 4.0
"""Seconds of waiting for a process to kill."""


class Faults:
    def __init__(self, system: System, ledger: Ledger) -> None:
        self._system, self._ledger = system, ledger
        self.done: Counter[str] = Counter()
        self.kills = 0
        self.log: list[dict[str, Any]] = []
        self._pending: list[threading.Thread] = []
        self._over = threading.Event()
        self._lock = threading.Lock()

    def play(self, one: Round, began: float) -> None:
        """Begin a round's faults, each on a thread of its own; returns at once."""
        self._over.clear()
        self._pending = [
            threading.Thread(target=self._stage, args=(fault, began), name="fault", daemon=True)
            for fault in one.faults
        ]
        for thread in self._pending:
            thread.start()

    def end(self) -> None:
        """Put everything right at once, whatever the plan had meant to last longer."""
        self._over.set()
        for thread in self._pending:
            thread.join(30)
        for name in self._system.wires.all:
            self._system.wires.mended(name)
        for disk in self._system.disks.values():
            disk.free()
        self._system.keeper.hurry()

    def _stage(self, fault: Fault, began: float) -> None:
        if self._over.wait(max(0.0, began + fault.at - time.time())):
            return
        at = time.time()
        happened, what = False, ""
        try:
            happened = getattr(self, f"_{fault.kind.replace('-', '_')}")(fault)
        except OSError as error:
            what = repr(error)
        with self._lock:
            if happened:
                self.done[f"{fault.kind} {fault.target.partition(':')[0]}"] += 1
                self.kills += fault.kind == "kill"
            self.log.append(
                {"at": at, "kind": fault.kind, "target": fault.target, "happened": happened}
                | ({"what": what} if what else {})
            )

    # Each returns whether it found what it was meant for.

    def _kill(self, fault: Fault) -> bool:
        if fault.target == "compose":
            return self._kill_a_call()
        name, victims = self._living(fault.target)
        if victims:
            self._system.keeper.kill(name, fault.lasts, victims)
        return bool(victims)

    def _living(self, target: str) -> tuple[str, set[Process]]:
        """As `_victims`; one that is down just now is waited for."""
        until = time.monotonic() + HUNT
        while True:
            name, victims = self._victims(target)
            if victims or time.monotonic() > until or self._over.wait(0.05):
                return name, victims

    def _kill_a_call(self) -> bool:
        until = time.monotonic() + HUNT
        while time.monotonic() < until and not self._over.is_set():
            if calls := self._calls():
                processes.send(sorted(calls, key=lambda one: one.pid)[0], 9)  # type: ignore[arg-type]
                return True
            time.sleep(0.005)
        return False

    def _calls(self) -> set[Process]:
        """Compose processes of this run that change something."""
        return {
            sight.process
            for sight in processes.living()
            if _is_a_call(sight.process.pid, str(self._system.directory))
        }

    def _freeze(self, fault: Fault) -> bool:
        name, victims = self._victims(fault.target)
        if victims:
            self._system.keeper.freeze(name, victims)
            self._over.wait(fault.lasts)
            self._system.keeper.thaw(name)
        return bool(victims)

    def _victims(self, target: str) -> tuple[str, set[Process]]:
        """Whom a kill or a freeze of this is meant for, and under which name it is kept."""
        children = self._system.keeper.processes
        if target.startswith("containerd."):
            name = f"engine.{target.partition('.')[2]}"
            return name, processes.descendants(children[name].pid) if children[name].alive else set()
        name = target.removesuffix(".worker")
        one = children[name]
        if not one.alive:
            return name, set()
        if target == "front.worker":
            return name, processes.descendants(one.pid)
        if name == "database" or name.startswith("engine"):
            return name, one.family()
        sight = processes.read_process(one.pid)
        return name, {sight.process} if sight else set()

    def _cut(self, fault: Fault) -> bool:
        wires = self._system.wires.matching(fault.target)
        outages = [self._system.outages.begin(f"wire {name}", fault.kind) for name in wires]
        for name in wires:
            self._system.wires.breaks(name, fault.kind)
        self._over.wait(fault.lasts)
        for name in wires:
            self._system.wires.mended(name)
        self._system.outages.end(*outages)
        return True

    _silence = _half_open = _cut

    def _fill(self, fault: Fault) -> bool:
        disk, outage = (
            self._system.disks[fault.target],
            self._system.outages.begin(f"disk {fault.target}", "fill"),
        )
        end = time.monotonic() + fault.lasts
        while time.monotonic() < end and not self._over.is_set():
            # What is freed meanwhile is taken too.
            disk.fill()
            self._over.wait(0.2)
        disk.free()
        self._system.outages.end(outage)
        return True

    def _forge(self, fault: Fault) -> bool:
        app = Celery(broker=self._system.broker.url, set_as_current=False)
        app.conf.broker_transport_options = {
            "max_retries": 0,
            "socket_timeout": 2,
            "socket_connect_timeout": 2,
        }
        try:
            with contextlib.suppress(Exception):
                for name, args, queue in self._forgeries(fault.target):
                    app.send_task(name, args=args, queue=queue, retry=False, ignore_result=True)
                return True
        finally:
            app.close()
        return False

    def _forgeries(self, kind: str) -> list[tuple[str, list[Any], str]]:
        live = [one for one in self._ledger.promises if one.window]
        ids = [(one.window, f"power.{stacks.NODES[one.plan.stack]}") for one in live]
        nodes = [f"power.{node}" for node in stacks.NODES.values()]
        if kind == "doubled":
            return [("power.open_window", [window], queue) for window, queue in ids] * 2
        if kind == "close":
            return [("power.close_window", [window], queue) for window, queue in ids]
        if kind == "core":
            orders = ([stacks.CORE], [stacks.UNLISTED], ["alpha", stacks.CORE], ["; docker stop gate"])
            return [("power.open_window", list(order), queue) for order in orders for queue in nodes]
        if kind == "strange":
            names = ("power.open_window", "power.close_window", "power.run", "os.system", "power.resync")
            return [(name, ["0" * 16], queue) for name in names for queue in nodes]
        garbled: list[Any] = [
            None,
            {"services": [stacks.UNLISTED]},
            "\0",
            "x" * 5000,
            7,
            [["--help"]],
            json.dumps({}),
        ]
        return [("power.open_window", [one], queue) for one in garbled for queue in nodes]


def _is_a_call(pid: int, run: str) -> bool:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if words[0].endswith(b"docker-compose") and {b"up", b"stop", b"kill", b"create"} & set(words):
            return f"{MARK}={run}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return False
