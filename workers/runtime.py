"""A worker's composition root: what it is made of, put together once when it starts."""

from __future__ import annotations

import logging
from contextlib import ExitStack

from app import settings, tracing
from app.host import data_directory, snapshot_file
from app.host.engine_endpoint import BadEndpoint
from app.settings import ConfigError, Settings
from app.store import schema
from app.store import stacks as known
from app.store.database import Database
from app.usecases.nodes.claims import NodeTaken
from workers.broker import transport
from workers.engine.client import Engine
from workers.loops.heartbeat import HeartbeatLoop
from workers.loops.idle_visits import IdleVisitChecks
from workers.loops.notifier import Notifier
from workers.loops.sampler import Sampler
from workers.loops.stack_loader import StackLoader
from workers.loops.watch import Watch
from workers.state.concurrency import CallQueue, closing_limits, opening_limits
from workers.state.context import WorkerContext
from workers.state.identity import Identity
from workers.state.inspection_queue import Trigger

log = logging.getLogger(__name__)


class _House:
    """What this process holds while it works."""

    def __init__(self) -> None:
        self.station: WorkerContext | None = None
        self.watch: Watch | None = None
        self.leaving = ExitStack()


_house = _House()


def station() -> WorkerContext:
    if _house.station is None:
        raise RuntimeError("this worker has not begun")
    return _house.station


def begin(environment: Settings | None = None) -> WorkerContext:
    """Read the stacks of this node, claim them, and start watching.

    A bad power.toml, an address of the engine that cannot be used, or a node that another
    worker has, ends the process. A database or an engine that is away does not: what the
    files say is served from the first moment.
    """
    environment = environment or settings.load_or_exit()
    if environment.traces:
        tracing.begin("power-worker", environment.trace_timeout)
    try:
        for warning in data_directory.claim(environment.data_dir):
            log.warning("%s", warning)
    except data_directory.UnusableDirectory as unusable:
        raise SystemExit(str(unusable)) from unusable
    me = Identity(environment.lock_dir, environment.node)
    database = Database(environment.database_url)
    _require_schema(database, environment)
    found = WorkerContext(
        database,
        _engine(),
        me,
        environment.node,
        environment.lock_dir,
        opening=CallQueue("opening", opening_limits(environment.opening_calls)),
        closing=CallQueue("closing", closing_limits(environment.closing_calls)),
    )
    transport.count_with(found.guard.count)
    loading = StackLoader(found, environment.config)
    try:
        loading.begin()
    except ConfigError as error:
        raise SystemExit(str(error)) from error
    _house.leaving.enter_context(me.living())
    presence = HeartbeatLoop(found, loading)
    try:
        presence.begin()
    except NodeTaken as taken:
        _house.leaving.close()
        raise SystemExit(str(taken)) from taken
    _house.leaving.callback(found.close)
    _house.leaving.callback(presence.end)
    _house.station, _house.watch = found, Watch(found, loading, presence)
    _house.watch.start()
    _begin_beside(found, loading, environment)
    return found


def _begin_beside(found: WorkerContext, loading: StackLoader, environment: Settings) -> None:
    """What a worker does besides its watch: it sends notices, takes samples, and waits for last bytes."""
    postman = Notifier(found, loading, environment.public_url, environment.data_dir)
    postman.begin()
    _house.leaving.callback(postman.end)
    sampling = Sampler(found)
    sampling.begin()
    _house.leaving.callback(sampling.end)
    looks = IdleVisitChecks(found)
    looks.begin()
    _house.leaving.callback(looks.end)


def _require_schema(database: Database, environment: Settings) -> None:
    """Leave a database alone that cannot be used; where nothing can be on, this process ends."""
    if environment.database_fault:
        database.refuse(environment.database_fault)
        return
    try:
        schema.require(database)
    except schema.Mismatch as mismatch:
        if not snapshot_file.on(environment.data_dir, environment.node):
            raise SystemExit(str(mismatch)) from mismatch
        schema.await_match(database, mismatch)


def _engine() -> Engine:
    """The engine of this process; its address is found here and stays the same for as long as this lives."""
    try:
        engine = Engine()
    except BadEndpoint as error:
        raise SystemExit(f"the engine's address cannot be used: {error}") from error
    log.info("the engine is at %s", engine.endpoint)
    return engine


def end() -> bool:
    """Stop watching, and leave only when the calls under way are made and on record.

    The tasks have ended by now, since Celery waits for them; what the watch began itself is waited
    for here. Until then we are alive to the other workers, who would call them lost otherwise.
    False where this worker ends because its claim was refused, which is a failure.
    """
    welcome = not (_house.watch and _house.watch.refused)
    if _house.watch:
        _house.watch.stop(patiently=True)
    _house.leaving.close()
    _house.station = _house.watch = None
    return welcome


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
        _house.watch.mark_all(Trigger.RESYNC)
