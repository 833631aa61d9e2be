"""Everything of one run, standing: its servers, the processes of the product, and the wires between.

    front  beat  a1  a2  b1          each with wires of its own, so that one can be cut off alone
      |     |    |   |   |
      +-----+----+---+---+---> database, broker        each on a small disk of its own
                 |   |   +---> engine b, stack beta
                 +---+-------> engine a, stack alpha   a1 and a2 share a data directory

All of it lies in one temporary directory and is gone at the end, whatever happens.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx

import migrations
from app.standalone import broker as brokers
from app.standalone.children import ChildSettings, beat, environment, worker
from app.store import tokens
from app.store.database import Database
from app.web.server import serving
from chaos import stacks
from chaos.database import NAME, Postgres
from chaos.disks import Disk
from chaos.engines import Engine
from chaos.outages import Outages
from chaos.plan import ACTORS
from chaos.processes import Keeper, ManagedProcess
from chaos.proxy import Wires
from chaos.shim import Shim

WORKERS = {"a1": "a", "a2": "a", "b1": "b"}
CLIENTS = ("front", "beat", *WORKERS)
MARK = "CHAOS_RUN"
"""In the environment of everything that a run starts, and of what those start."""


class Failed(Exception):
    """The run itself could not be staged; the text says what was expected and what was seen."""


@dataclass
class System:
    """What a run works with."""

    directory: Path
    outages: Outages
    keeper: Keeper
    wires: Wires
    engines: dict[str, Engine]
    disks: dict[str, Disk]
    postgres: Postgres
    broker: brokers.Broker
    shim: Shim
    port: int
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def engine_of(self, stack: str) -> Engine:
        return self.engines[stacks.NODES[stack]]

    def until(self, true: Callable[[], bool], what: str, within: float = 60.0) -> None:
        """Wait for something; raises Failed with what was waited for and who was not up."""
        end = time.monotonic() + within
        while not true():
            if time.monotonic() > end:
                down = [name for name, one in self.keeper.processes.items() if not one.up]
                raise Failed(f"waited {within:g} s in vain until {what}; not up: {', '.join(down) or 'none'}")
            time.sleep(0.1)

    def renew(self, name: str) -> None:
        """Have a process killed and started anew, and wait until all runs again."""
        self.keeper.kill(name, 0.0, self.keeper.processes[name].family())
        self.until(self.all_up, f"{name} runs anew")

    def all_up(self) -> bool:
        return all(one.up and one.alive for one in self.keeper.processes.values())


@contextlib.contextmanager
def standing() -> Iterator[System]:
    """Start the whole system; remove it at the end."""
    if os.geteuid() != 0:
        raise Failed("this run starts engines and mounts disks of its own: run it as root")
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    directory.chmod(0o755)
    with contextlib.ExitStack() as leaving:
        if not os.environ.get("CHAOS_KEEP"):
            leaving.callback(shutil.rmtree, directory, ignore_errors=True)
        system = _built(directory, leaving)
        _begin(system)
        yield system


def _built(directory: Path, leaving: contextlib.ExitStack) -> System:
    disks = {}
    for name, size in {"data.a": 24, "data.b": 24, "database": 160, "broker": 24}.items():
        disks[name] = Disk(directory / "disks" / name, size)
        leaving.callback(disks[name].remove)
    outages = Outages()
    keeper, wires = Keeper(outages), Wires()
    engines = {name: Engine(name, directory / f"engine-{name}", number) for number, name in enumerate("ab")}
    for engine in engines.values():
        leaving.callback(engine.remove)
    leaving.callback(wires.close)
    leaving.callback(keeper.stop)
    for engine in engines.values():
        leaving.callback(engine.clear)
        leaving.callback(engine.deafen)
    broker = brokers.prepare(disks["broker"].at)
    postgres = Postgres(directory / "pg", disks["database"].at)
    real = Path(sys.executable).with_name("docker-compose")
    shim = Shim(directory / "shim", real)
    return System(
        directory, outages, keeper, wires, engines, disks, postgres, broker, shim, brokers.free_port()
    )


def _begin(system: System) -> None:
    environ = dict(os.environ) | {MARK: str(system.directory)}
    keeper = system.keeper
    for engine in system.engines.values():
        keeper.add(engine.managed_process(environ))
    keeper.add(system.postgres.managed_process(environ))
    keeper.add(_broker(system, environ))
    keeper.begin()
    system.until(system.all_up, "the engines, the database and the broker answer")
    _lay_wires(system)
    system.postgres.create()
    migrations.upgrade(system.postgres.url())
    system.tokens = _tokens(system)
    for engine in system.engines.values():
        client = engine.client(60)
        stacks.load_image(client)
        client.close()
        engine.listen()
    for stack in stacks.STACKS:
        stacks.write(system.directory / stack, stack)
        _core(system, stack)
    for child in (
        _front(system, environ),
        _beat(system, environ),
        *(_worker(system, environ, name) for name in WORKERS),
    ):
        keeper.add(child)
    system.until(system.all_up, "front, beat and workers are ready")
    system.until(lambda: _listed(system), "both stacks are served")


def _lay_wires(system: System) -> None:
    assert system.broker.socket
    for client in CLIENTS:
        system.wires.lay(f"broker:{client}", system.broker.socket, brokers.free_port())
        system.wires.lay(f"database:{client}", system.postgres.socket, brokers.free_port())
    for name, node in WORKERS.items():
        wire = system.directory / f"wire-{name}.sock"
        system.wires.lay(f"engine.{node}:{name}", system.engines[node].socket, wire)


def _tokens(system: System) -> dict[str, str]:
    database = Database(system.postgres.url())
    try:
        with database.write() as session:
            return {actor: tokens.create(session, actor, database.now()) for actor in ACTORS}
    finally:
        database.close()


def _core(system: System, stack: str) -> None:
    """Start the services that are always on, as the owner of the machine would."""
    engine, directory = system.engine_of(stack), system.directory / stack
    argv = [
        str(Path(sys.executable).with_name("docker-compose")),
        "-p",
        stacks.project(stack),
        "up",
        "-d",
        "--no-deps",
    ]
    environ = dict(os.environ) | {"DOCKER_HOST": f"unix://{engine.socket}"}
    ran = subprocess.run(
        [*argv, stacks.CORE], cwd=directory, env=environ, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise Failed(f"core of {stack} could not be started: {ran.stderr.strip()}")


def _listed(system: System) -> bool:
    headers = {"Authorization": f"Bearer {system.tokens[ACTORS[0]]}"}
    with contextlib.suppress(httpx.HTTPError):
        body = httpx.get(f"{system.url}/api/v1/stacks", headers=headers, timeout=10).json()
        return {one["name"] for one in body.get("items", ())} == set(stacks.STACKS)
    return False


# The processes of the product, with the command lines that a standalone gives them.


def _environ(
    system: System, environ: dict[str, str], client: str, data_dir: Path, **more: str
) -> dict[str, str]:
    broker, database = (system.wires.all[f"{server}:{client}"].listen for server in ("broker", "database"))
    variables = {
        "POWER_DATA_DIR": str(data_dir),
        "POWER_CONFIG": str(system.directory / "power.toml"),
        "POWER_DATABASE_URL": f"postgresql+psycopg://postgres@127.0.0.1:{database}/{NAME}",
        "POWER_BROKER_URL": f"redis://:{system.broker.password}@127.0.0.1:{broker}/0",
        **more,
    }
    foreign = {name: value for name, value in environ.items() if not name.startswith(("POWER_", "DOCKER_"))}
    return environment(foreign, data_dir, variables)


def _plan(data_dir: Path, environ: dict[str, str], node: str) -> ChildSettings:
    return ChildSettings(data_dir, node, environ, datetime.now(UTC).isoformat())


def _log(system: System, name: str) -> Path:
    logs = system.directory / "logs"
    logs.mkdir(exist_ok=True)
    return logs / f"{name}.log"


def _broker(system: System, environ: dict[str, str]) -> ManagedProcess:
    argv = [str(brokers.server_binary()), str(system.broker.config_file)]
    return ManagedProcess(
        "broker", argv, environ, _log(system, "broker"), lambda _: brokers.answers(system.broker)
    )


def _front(system: System, inherited: dict[str, str]) -> ManagedProcess:
    environ = _environ(system, inherited, "front", system.directory / "front")

    def answers(_: ManagedProcess) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{system.url}/healthz", timeout=1).status_code == 200
        return False

    return ManagedProcess(
        "front", serving(f"127.0.0.1:{system.port}"), environ, _log(system, "front"), answers
    )


def _beat(system: System, inherited: dict[str, str]) -> ManagedProcess:
    data_dir = system.directory / "beat-data"
    data_dir.mkdir()
    environ = _environ(system, inherited, "beat", data_dir)
    child = beat(_plan(data_dir, environ, "a"))
    log = _log(system, "beat")
    return ManagedProcess(
        "beat", child.argv, environ, log, lambda one: one.said("beat: Starting"), lambda: child.before(0)
    )


def _worker(system: System, inherited: dict[str, str], name: str) -> ManagedProcess:
    node = WORKERS[name]
    stack = next(stack for stack, of in stacks.NODES.items() if of == node)
    data_dir = system.disks[f"data.{node}"].at / "power"
    data_dir.mkdir(mode=0o700, exist_ok=True)
    more = {
        "POWER_CONFIG": str(system.directory / stack / "power.toml"),
        "POWER_NODE": node,
        "DOCKER_HOST": f"unix://{system.wires.all[f'engine.{node}:{name}'].listen}",
        "CHAOS_WORKER": name,
        "CHAOS_ENGINE": node,
        "POWER_COMPOSE": str(system.shim.program),
    }
    environ = _environ(system, inherited, name, data_dir, **more)
    _, *words = worker(_plan(data_dir, environ, node)).argv
    argv = [str(system.shim.python), *(word.replace(f"power@{node}", f"power@{name}") for word in words)]
    return ManagedProcess(name, argv, environ, _log(system, name), lambda one: one.said(" ready."))
