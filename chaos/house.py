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
from chaos.processes import Keeper, Kept
from chaos.proxy import Wires
from chaos.shim import Shim

WORKERS = {"a1": "a", "a2": "a", "b1": "b"}
CLIENTS = ("front", "beat", *WORKERS)
MARK = "CHAOS_RUN"
"""In the environment of everything that a run starts, and of what those start."""


class Failed(Exception):
    """The run itself could not be staged; the text says what was expected and what was seen."""


@dataclass
class House:
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
                down = [name for name, one in self.keeper.kept.items() if not one.up]
                raise Failed(
                    f"waited {within:g} s in vain until {what}; not up: {', '.join(down) or 'nobody'}"
                )
            time.sleep(0.1)

    def renew(self, name: str) -> None:
        """Have a process killed and started anew, and wait until all runs again."""
        self.keeper.kill(name, 0.0, self.keeper.kept[name].family())
        self.until(self.all_up, f"{name} runs anew")

    def all_up(self) -> bool:
        return all(one.up and one.alive for one in self.keeper.kept.values())


@contextlib.contextmanager
def standing() -> Iterator[House]:
    """The whole house, brought up; and its removal."""
    if os.geteuid() != 0:
        raise Failed("this run starts engines and mounts disks of its own: run it as root")
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    directory.chmod(0o755)
    with contextlib.ExitStack() as leaving:
        if not os.environ.get("CHAOS_KEEP"):
            leaving.callback(shutil.rmtree, directory, ignore_errors=True)
        house = _built(directory, leaving)
        _begin(house)
        yield house


def _built(directory: Path, leaving: contextlib.ExitStack) -> House:
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
    return House(
        directory, outages, keeper, wires, engines, disks, postgres, broker, shim, brokers.free_port()
    )


def _begin(house: House) -> None:
    own = dict(os.environ) | {MARK: str(house.directory)}
    keeper = house.keeper
    for engine in house.engines.values():
        keeper.add(engine.kept(own))
    keeper.add(house.postgres.kept(own))
    keeper.add(_broker(house, own))
    keeper.begin()
    house.until(house.all_up, "the engines, the database and the broker answer")
    _lay_wires(house)
    house.postgres.create()
    migrations.upgrade(house.postgres.url())
    house.tokens = _tokens(house)
    for engine in house.engines.values():
        client = engine.client(60)
        stacks.load_image(client)
        client.close()
        engine.listen()
    for stack in stacks.STACKS:
        stacks.write(house.directory / stack, stack)
        _core(house, stack)
    for kept in (_front(house, own), _beat(house, own), *(_worker(house, own, name) for name in WORKERS)):
        keeper.add(kept)
    house.until(house.all_up, "front, beat and workers are ready")
    house.until(lambda: _listed(house), "both stacks are served")


def _lay_wires(house: House) -> None:
    assert house.broker.socket
    for client in CLIENTS:
        house.wires.lay(f"broker:{client}", house.broker.socket, brokers.free_port())
        house.wires.lay(f"database:{client}", house.postgres.socket, brokers.free_port())
    for name, node in WORKERS.items():
        wire = house.directory / f"wire-{name}.sock"
        house.wires.lay(f"engine.{node}:{name}", house.engines[node].socket, wire)


def _tokens(house: House) -> dict[str, str]:
    database = Database(house.postgres.url())
    try:
        with database.write() as session:
            return {actor: tokens.create(session, actor, database.now()) for actor in ACTORS}
    finally:
        database.close()


def _core(house: House, stack: str) -> None:
    """Start what is always on, as whoever owns the machine would."""
    engine, directory = house.engine_of(stack), house.directory / stack
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


def _listed(house: House) -> bool:
    headers = {"Authorization": f"Bearer {house.tokens[ACTORS[0]]}"}
    with contextlib.suppress(httpx.HTTPError):
        found = httpx.get(f"{house.url}/api/v1/stacks", headers=headers, timeout=10).json()
        return {one["name"] for one in found.get("items", ())} == set(stacks.STACKS)
    return False


# The processes of the product, with the command lines that a standalone gives them.


def _environ(house: House, own: dict[str, str], client: str, data_dir: Path, **more: str) -> dict[str, str]:
    broker, database = (house.wires.all[f"{server}:{client}"].listen for server in ("broker", "database"))
    told = {
        "POWER_DATA_DIR": str(data_dir),
        "POWER_CONFIG": str(house.directory / "power.toml"),
        "POWER_DATABASE_URL": f"postgresql+psycopg://postgres@127.0.0.1:{database}/{NAME}",
        "POWER_BROKER_URL": f"redis://:{house.broker.password}@127.0.0.1:{broker}/0",
        **more,
    }
    foreign = {name: value for name, value in own.items() if not name.startswith(("POWER_", "DOCKER_"))}
    return environment(foreign, data_dir, told)


def _plan(data_dir: Path, environ: dict[str, str], node: str) -> ChildSettings:
    return ChildSettings(data_dir, node, environ, datetime.now(UTC).isoformat())


def _log(house: House, name: str) -> Path:
    logs = house.directory / "logs"
    logs.mkdir(exist_ok=True)
    return logs / f"{name}.log"


def _broker(house: House, own: dict[str, str]) -> Kept:
    argv = [str(brokers.server_binary()), str(house.broker.config_file)]
    return Kept("broker", argv, own, _log(house, "broker"), lambda _: brokers.answers(house.broker))


def _front(house: House, own: dict[str, str]) -> Kept:
    environ = _environ(house, own, "front", house.directory / "front")

    def answers(_: Kept) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{house.url}/healthz", timeout=1).status_code == 200
        return False

    return Kept("front", serving(f"127.0.0.1:{house.port}"), environ, _log(house, "front"), answers)


def _beat(house: House, own: dict[str, str]) -> Kept:
    data_dir = house.directory / "beat-data"
    data_dir.mkdir()
    environ = _environ(house, own, "beat", data_dir)
    child = beat(_plan(data_dir, environ, "a"))
    log = _log(house, "beat")
    return Kept(
        "beat", child.argv, environ, log, lambda one: one.said("beat: Starting"), lambda: child.before(0)
    )


def _worker(house: House, own: dict[str, str], name: str) -> Kept:
    node = WORKERS[name]
    stack = next(stack for stack, of in stacks.NODES.items() if of == node)
    data_dir = house.disks[f"data.{node}"].at / "power"
    data_dir.mkdir(mode=0o700, exist_ok=True)
    more = {
        "POWER_CONFIG": str(house.directory / stack / "power.toml"),
        "POWER_NODE": node,
        "DOCKER_HOST": f"unix://{house.wires.all[f'engine.{node}:{name}'].listen}",
        "CHAOS_WORKER": name,
        "CHAOS_ENGINE": node,
        "POWER_COMPOSE": str(house.shim.program),
    }
    environ = _environ(house, own, name, data_dir, **more)
    _, *words = worker(_plan(data_dir, environ, node)).argv
    argv = [str(house.shim.python), *(word.replace(f"power@{node}", f"power@{name}") for word in words)]
    return Kept(name, argv, environ, _log(house, name), lambda one: one.said(" ready."))
