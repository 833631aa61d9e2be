"""The processes of a standalone, as data: command line, environment, patience, log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import app
from app.standalone import broker as brokers
from app.standalone import logs
from app.standalone.broker import Broker
from app.web.server import serving

# What every child is marked with, so that a successor knows the tree of a killed supervisor by it.
PROCESS_MARK = "POWER_STANDALONE"

# Settings of a shell or a service manager that would reach into our children.
_FOREIGN = ("GUNICORN_CMD_ARGS", "GUNICORN_FD", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")


def _nothing(_: int) -> None:
    """Most children need no preparation."""


@dataclass(frozen=True)
class Child:
    """One process to keep alive.

    `patience` is the time between TERM and KILL in seconds. Children are stopped in waves, the lowest
    first. `before` is called before each start, with the number of failures in a row.
    """

    name: str
    argv: tuple[str, ...]
    environ: Mapping[str, str]
    log: Path
    patience: float = 5.0
    wave: int = 0
    inherits: tuple[int, ...] = ()
    before: Callable[[int], None] = field(default=_nothing)

    def open_log(self) -> IO[bytes]:
        """The child's log file, opened for appending; rotated first where it is long."""
        logs.rotate(self.log)
        return self.log.open("ab")


@dataclass(frozen=True)
class ChildSettings:
    """What the children of one standalone have in common."""

    data_dir: Path
    node: str
    environ: Mapping[str, str]
    started_at: str
    builds: bool = False
    """The worker also attends to requests for intents."""

    def log(self, name: str) -> Path:
        """The log file of a child."""
        return self.data_dir / "logs" / f"{name}.log"


def environment(environ: Mapping[str, str], data_dir: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """A child's environment: ours, less what is not meant for it, plus its settings."""
    inherited = {name: value for name, value in environ.items() if name not in _FOREIGN}
    # Hundreds of threads would otherwise each be given a heap of their own.
    fixed = {"MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1"}
    return fixed | inherited | dict(settings) | {PROCESS_MARK: str(data_dir)}


def root() -> Path:
    """Where our packages are. Children start there, so that nothing of the user's directory is imported."""
    return Path(app.__file__).parent.parent


def broker(plan: ChildSettings, server: Path, address: Broker) -> Child:
    """The embedded broker as a child; its data is set aside after three failed starts."""

    def mend(failures: int) -> None:
        if failures >= 3:
            brokers.set_aside(address)

    return Child(
        "broker",
        brokers.command(server, address),
        plan.environ,
        plan.log("broker"),
        patience=10.0,
        wave=2,
        before=mend,
    )


def web(plan: ChildSettings, listener: int) -> Child:
    """`listener` is the descriptor of a bound socket: while the web is away, clients wait in its queue."""
    awaited = {"POWER_AWAIT_NODE": plan.node, "POWER_STARTED_AT": plan.started_at}
    return Child(
        "web",
        tuple(serving(f"fd://{listener}")),
        {**plan.environ, **awaited},
        plan.log("web"),
        patience=5.0,
        inherits=(listener,),
    )


def worker(plan: ChildSettings) -> Child:
    """The Celery worker as a child."""
    argv = worker_command(plan.node, f"power@{plan.node}", builds=plan.builds)
    # It may be in the middle of a compose call.
    return Child("worker", argv, plan.environ, plan.log("worker"), patience=45.0, wave=1)


def worker_command(node: str, name: str, *, builds: bool = False) -> tuple[str, ...]:
    """`name` tells Celery's workers apart; several may serve one node. With `builds` it serves intents."""
    queues = ["power", f"power.{node}", *([f"power.build.{node}"] if builds else [])]
    return (
        *_celery("worker"),
        *("-P", "threads"),
        *("-Q", ",".join(queues)),
        "--without-mingle",
        "--without-gossip",
        *("-n", name),
        *("--loglevel", "INFO"),
    )


def beat(plan: ChildSettings) -> Child:
    """Celery beat as a child."""
    return Child("beat", beat_command(), plan.environ, plan.log("beat"))


def beat_command() -> tuple[str, ...]:
    """It keeps no file: none for its schedule, none with its process id, which a full disk would refuse."""
    return (*_celery("beat"), *("--loglevel", "INFO"))


def flower(plan: ChildSettings, port: int, password: str) -> Child:
    """Loopback only, and behind a password: it shows every window."""
    # In the environment, because every user may read a command line.
    environ = {**plan.environ, "FLOWER_BASIC_AUTH": f"power:{password}"}
    return Child("flower", flower_command("127.0.0.1", port), environ, plan.log("flower"))


def flower_command(address: str, port: int) -> tuple[str, ...]:
    """Flower's command line."""
    return (*_celery("flower"), f"--address={address}", f"--port={port}")


def _python(module: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module)


def _celery(command: str) -> tuple[str, ...]:
    # Quiet, since a banner that cannot be written, as on a full disk, would end the process.
    return (*_python("celery"), "--quiet", "-A", "workers", command)
