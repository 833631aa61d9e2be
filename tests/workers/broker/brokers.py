"""A real Redis-compatible server, and a real worker and beat on it: processes to look at from outside."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

import migrations
from app.standalone import broker as brokers
from app.standalone import children
from tests.deadline import until

_TOML = '[stacks.small]\nproject = "brokers-{pid}"\nallow = ["forge"]\n'


class Server:
    """The embedded broker's server, with its own configuration."""

    def __init__(self, directory: Path) -> None:
        self.broker = brokers.prepare(directory)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        argv = [brokers.server_binary(), self.broker.config_file]
        self._process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
        until(lambda: brokers.answers(self.broker), "the broker answers")

    def send(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None

    def client(self, password: str | None = None) -> Any:
        return redis.Redis(
            unix_socket_path=str(self.broker.socket),
            password=password or self.broker.password,
            retry=Retry(NoBackoff(), 1),
        )


class Clients:
    """One worker and one beat on a database and a data directory of their own."""

    def __init__(self, directory: Path, server: Server) -> None:
        self.directory, self._server = directory, server
        (directory / "power.toml").write_text(_TOML.format(pid=os.getpid()))
        (directory / "docker-compose.yml").write_text("services: {forge: {image: power-windows/absent}}\n")
        self.data = directory / "data"
        self.url = f"sqlite:///{self.data / 'power.db'}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def environ(self, **more: str) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("POWER_")}
        return {
            **inherited,
            "PYTHONUNBUFFERED": "1",
            "POWER_DATA_DIR": str(self.data),
            "POWER_CONFIG": str(self.directory / "power.toml"),
            "POWER_BROKER_URL": self._server.broker.url,
            **more,
        }

    def start(self, *names: str, **more: str) -> None:
        migrations.upgrade(self.url)
        commands: Mapping[str, tuple[str, ...]] = {
            "worker": children.worker_command("local", "power@local"),
            "beat": children.beat_command(),
        }
        for name in names or commands:
            with self._log(name).open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    commands[name], cwd=children.root(), env=self.environ(**more), stdout=log, stderr=log
                )

    def said(self, name: str = "worker") -> str:
        return self._log(name).read_text()

    def running(self) -> bool:
        return all(process.poll() is None for process in self.processes.values())

    def descriptors(self, name: str) -> int:
        return len(list(Path(f"/proc/{self.processes[name].pid}/fd").iterdir()))

    def stop(self) -> dict[str, int]:
        for process in self.processes.values():
            process.terminate()
        codes = {}
        for name, process in self.processes.items():
            try:
                codes[name] = process.wait(30)
            finally:
                process.kill()
        self.processes.clear()
        return codes

    def _log(self, name: str) -> Path:
        return self.directory / f"{name}.log"


@contextmanager
def started(directory: Path) -> Iterator[tuple[Server, Clients]]:
    """A server with a worker and a beat that have reached it."""
    server = Server(directory / "data")
    clients = Clients(directory, server)
    server.start()
    try:
        clients.start()
        until(lambda: "power@local ready" in clients.said(), "the worker is ready", within=60)
        until(lambda: "power.sweep" in clients.said(), "a sweep has come through", within=60)
        yield server, clients
    finally:
        clients.stop()
        server.end()
