"""A worker's composition root: what it is made of, put together once when it starts."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path

from app import observe, settings
from app.settings import ConfigError, PowerToml, Settings
from app.store import stacks as known
from app.store.database import Database
from app.store.tables import Stack
from workers import engine, stacks
from workers.engine import Engine
from workers.identity import Identity
from workers.stacks import Rejected, Served
from workers.station import Station
from workers.watch import Watch

log = logging.getLogger(__name__)


class _House:
    """What this process holds while it works."""

    def __init__(self) -> None:
        self.station: Station | None = None
        self.watch: Watch | None = None
        self.leaving = ExitStack()


_house = _House()


def station() -> Station:
    if _house.station is None:
        raise RuntimeError("this worker has not begun")
    return _house.station


def begin(environment: Settings | None = None) -> Station:
    """Read the stacks of this node, publish them, and start watching; a bad power.toml ends the process."""
    environment = environment or settings.load()
    try:
        toml = settings.read_power_toml(environment.config)
    except ConfigError as error:
        raise SystemExit(str(error)) from error
    me = Identity(environment.lock_dir, environment.node)
    _house.leaving.enter_context(me.living())
    database = Database(environment.database_url)
    found = Station(database, Engine(), me, environment.node, environment.lock_dir)
    load(found, environment.config, toml)
    _house.station, _house.watch = found, Watch(found)
    _house.watch.beat(database.now())
    _house.watch.start()
    return found


def end() -> None:
    """Stop watching. Calls under way end with the process, and the next worker finds them lost."""
    if _house.watch:
        _house.watch.stop()
    _house.leaving.close()
    _house.station = _house.watch = None


def load(found: Station, path: Path, toml: PowerToml) -> None:
    """Read, check and publish every stack of this node; one that is rejected does not keep the others out."""
    for name, stack in toml.on_node(found.node).items():
        found.core[name] = frozenset(stack.core)
        try:
            served = stacks.read(path, toml, name)
        except Rejected as rejected:
            _reject(found, rejected)
            continue
        found.stacks[name] = served
        with found.database.write() as session:
            observe.published(session, served.spec, found.database.now())
        log.info("stack %s is served", name)
    _remember_gone(found, path, toml)
    found.engine_id = _engine_id(found)


def _reject(found: Station, rejected: Rejected) -> None:
    for fault in rejected.faults:
        log.error("%s", fault)
    with found.database.write() as session:
        observe.rejected(session, rejected.spec, rejected.faults, found.database.now())
        before = session.get(Stack, rejected.spec.name)
    _turn_off_only(found, before)


def _remember_gone(found: Station, path: Path, toml: PowerToml) -> None:
    """A stack that is no longer in the file is forgotten, once nothing of it is on any more."""
    with found.database.write() as session:
        gone = [row for row in known.every(session) if row.node == found.node and row.name not in toml.stacks]
        fault = f"{path}: is no longer there; its services are turned off when their windows end"
        kept = [row for row in gone if not observe.forgotten(session, row, fault, found.database.now())]
    for row in kept:
        _turn_off_only(found, row)


def _turn_off_only(found: Station, row: Stack | None) -> None:
    if row is not None:
        found.stacks[row.name] = Served(row.spec)


def _engine_id(found: Station) -> str:
    try:
        return found.engine.id()
    except engine.Away as error:
        log.warning("the engine does not answer yet: %s", error)
        return ""


def nodes() -> list[str]:
    with station().database.read() as session:
        return [node.name for node in known.nodes(session)]


def close_soon(stack: str) -> bool:
    """Have a stack of this node seen to at once; False where it is another's."""
    if _house.watch is None or stack not in station().stacks:
        return False
    _house.watch.close_soon(stack)
    return True


def resync() -> None:
    """Look at everything again, whatever events have said or not said."""
    if _house.watch:
        _house.watch.beat(station().database.now())
        _house.watch.mark_all()
