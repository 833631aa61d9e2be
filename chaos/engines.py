"""Two Docker engines of the run, and a reader of the events of each that misses as few as possible.

An engine that is killed forgets its events. What its containers say of themselves when it
is back is noted then, and the gap is on record, so that no check takes silence for proof.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from app.host import processes
from app.host.processes import Process
from chaos.processes import ManagedProcess
from workers.engine.containers import PROJECT, SERVICE, moment
from workers.engine.negotiation import Away

VERSION = "1.41"


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of one container, in the engine's time (this host's)."""

    at: float
    stack: str
    service: str
    container: str
    action: str
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """One container as it said it was when it was looked at; `started` and `finished` by its engine."""

    at: float
    stack: str
    service: str
    container: str
    state: str
    started: float
    finished: float

    @property
    def alive(self) -> bool:
        return self.state in {"running", "paused", "restarting"}


class Engine:
    """One engine: its directory, and the thread that reads its events. The keeper runs its process."""

    def __init__(self, name: str, directory: Path, number: int) -> None:
        self.name, self.directory = name, directory
        self.socket = directory / "engine.sock"
        self._number = number
        self.happenings: list[Happening] = []
        self.sights: list[Sight] = []
        self.gaps: list[tuple[float, float]] = []
        """Times of which no events are known."""
        self._heard_until = time.time()
        self._broke_at = time.time()
        self._known: set[tuple[int, str, str]] = set()
        self._ending = threading.Event()

    @property
    def key(self) -> str:
        return f"engine.{self.name}"

    def managed_process(self, environ: dict[str, str]) -> ManagedProcess:
        self.directory.mkdir(parents=True, exist_ok=True)
        argv = [
            "dockerd",
            *("--data-root", str(self.directory / "data"), "--exec-root", str(self.directory / "exec")),
            *("--pidfile", str(self._pidfile), "-H", f"unix://{self.socket}"),
            *("--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"),
            *("--default-address-pool", f"base=10.{230 + self._number}.0.0/16,size=24"),
            *("--config-file", str(self._config())),
            # One engine leaves its containers running when it dies, the other starts anew.
            *(("--live-restore",) if self._number == 0 else ()),
        ]
        log = self.directory.with_suffix(".log")
        return ManagedProcess(self.key, argv, environ, log, self._works, self._tidy)

    def _works(self, child: ManagedProcess) -> bool:
        """It answers, and its containerd is there."""
        return bool(processes.descendants(child.pid)) and self.answers()

    @property
    def _pidfile(self) -> Path:
        return self.directory / "engine.pid"

    def _config(self) -> Path:
        """A file of its own, and by it an ID of its own: engines before 23 share theirs with the machine."""
        path = self.directory / "daemon.json"
        path.write_text(
            json.dumps({"deprecated-key-path": str(self.directory / "key.json")} if _old() else {})
        )
        return path

    def _tidy(self) -> None:
        """A dead engine's pid file would keep the next one from starting; so would its containerd."""
        for left in (self._pidfile, self.directory / "exec/containerd/containerd.pid"):
            left.unlink(missing_ok=True)

    def client(self, timeout: float | None = 5) -> docker.APIClient:
        return docker.APIClient(base_url=f"unix://{self.socket}", version=VERSION, timeout=timeout)  # type: ignore[arg-type]

    def answers(self) -> bool:
        try:
            with contextlib.closing(self.client(1)) as client:
                return bool(client.ping())
        except Away:
            return False

    def listen(self) -> None:
        threading.Thread(target=self._listen, name=f"events-{self.name}", daemon=True).start()

    def deafen(self) -> None:
        self._ending.set()

    def look(self) -> list[Sight]:
        """Every container of a Compose project, as it is now. Raises Away."""
        with contextlib.closing(self.client()) as client:
            listed = client.containers(all=True, filters={"label": [PROJECT]})
            return [sight for one in listed if (sight := _sight(client, one["Id"]))]

    def _listen(self) -> None:
        while not self._ending.is_set():
            with contextlib.suppress(*Away), contextlib.closing(self.client(None)) as client:
                self._hear(client)
            self._ending.wait(0.1)

    def _hear(self, client: docker.APIClient) -> None:
        """Listen until the engine is gone, having looked at everything that may have been missed."""
        self.sights += self.look()
        self.gaps.append((self._broke_at, time.time()))
        try:
            since = int(self._heard_until) - 1
            for raw in client.events(since=since, decode=True, filters={"type": "container"}):
                if self._ending.is_set():
                    return
                self._take_in(raw)
        finally:
            self._broke_at = time.time()

    def _take_in(self, raw: dict[str, Any]) -> None:
        attributes = raw["Actor"]["Attributes"]
        mark = (raw["timeNano"], raw["Actor"]["ID"], raw["Action"])
        self._heard_until = max(self._heard_until, raw["timeNano"] / 1e9)
        if mark in self._known or PROJECT not in attributes or raw["Action"].startswith("exec_"):
            return
        self._known.add(mark)
        code = attributes.get("exitCode")
        stack = attributes[PROJECT].removeprefix("chaos-")
        self.happenings.append(
            Happening(
                mark[0] / 1e9,
                stack,
                attributes.get(SERVICE, ""),
                raw["Actor"]["ID"][:12],
                raw["Action"],
                None if code is None else int(code),
            )
        )

    def remove(self) -> None:
        """End, unmount and delete what the engine has left; it must have ended."""
        # A container that was just starting when its engine was killed is known to none of its successors.
        for shim in _speaking_to(self.directory):
            for left in (*processes.descendants(shim.pid), shim):
                processes.send(left, signal.SIGKILL)
        for mount in sorted(_mounts(self.directory), reverse=True):
            subprocess.run(["umount", "-l", mount], check=False, capture_output=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def clear(self) -> None:
        """Remove every container and network, so that nothing of the run outlives its engine."""
        with contextlib.suppress(*Away), contextlib.closing(self.client(20)) as client:
            for one in client.containers(all=True):
                client.remove_container(one["Id"], force=True, v=True)
            for one in client.networks():
                if one["Driver"] == "bridge":
                    client.remove_network(one["Id"])


def _old() -> bool:
    version_line = subprocess.run(
        ["dockerd", "--version"], capture_output=True, text=True, check=False
    ).stdout
    match = re.search(r"version (\d+)\.", version_line)
    return match is not None and int(match[1]) < 23


def _sight(client: docker.APIClient, container: str) -> Sight | None:
    try:
        raw = client.inspect_container(container)
    except docker.errors.NotFound:
        return None
    labels, state = raw["Config"]["Labels"], raw["State"]
    return Sight(
        time.time(),
        labels[PROJECT].removeprefix("chaos-"),
        labels.get(SERVICE, ""),
        raw["Id"][:12],
        state["Status"],
        _stamp(state["StartedAt"]),
        _stamp(state["FinishedAt"]),
    )


def _stamp(text: str) -> float:
    parsed = moment(text)
    return parsed.timestamp() if parsed else 0.0


def _speaking_to(directory: Path) -> list[Process]:
    """Processes that have this directory in their command line."""
    others = [sight.process for sight in processes.living() if sight.process.pid != os.getpid()]
    return [one for one in others if f"{directory}{os.sep}" in _words(one.pid)]


def _words(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


def _mounts(below: Path) -> Iterator[str]:
    for line in Path("/proc/mounts").read_text().splitlines():
        where = line.split()[1]
        if where.startswith(f"{below}{os.sep}") or where == str(below):
            yield where
