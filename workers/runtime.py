"""A worker's composition root: what it is made of, put together once when it starts."""

from __future__ import annotations

import logging
from contextlib import ExitStack

from app import settings, tracing
from app.domain.stack_id import StackId
from app.domain.throttling import CallBounds, CallLimit
from app.host import data_directory, node_snapshot
from app.host.engine_endpoint import BadEndpoint
from app.host.pressure import LoadReader
from app.settings import ConfigError, Settings
from app.store import schema
from app.store import stacks as known
from app.store.database import Database
from app.usecases.nodes.claims import NodeTaken
from workers.broker import transport
from workers.conductor.conductor import Conductor
from workers.engine.client import Engine
from workers.intents.runner import IntentRunner
from workers.loops.call_output_writer import CallOutputWriter
from workers.loops.call_throttle import CallThrottle
from workers.loops.heartbeat import HeartbeatLoop
from workers.loops.idle_visits import IdleVisitChecks
from workers.loops.notifier import Notifier
from workers.loops.sampler import Sampler
from workers.loops.stack_loader import StackLoader
from workers.loops.watch import Watch
from workers.state.concurrency import CallQueue, closing_limits, opening_limits, start_bounds
from workers.state.context import WorkerContext
from workers.state.identity import Identity
from workers.state.inspection_queue import Trigger

log = logging.getLogger(__name__)


class _Runtime:
    """What this process holds while it works."""

    def __init__(self) -> None:
        self.context: WorkerContext | None = None
        self.watch: Watch | None = None
        self.conductor: Conductor | None = None
        self.intents: IntentRunner | None = None
        self.leaving = ExitStack()


process_state = _Runtime()


def context() -> WorkerContext:
    """The context of this process. Raises RuntimeError before `begin` and after `end`."""
    if process_state.context is None:
        raise RuntimeError("this worker has not begun")
    return process_state.context


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
    context = WorkerContext(
        database,
        _engine(),
        me,
        environment.node,
        environment.lock_dir,
        opening=CallQueue("opening", opening_limits(environment.opening_calls)),
        closing=CallQueue("closing", closing_limits(environment.closing_calls)),
    )
    transport.count_with(context.guard.count)
    loading = StackLoader(context, environment.config)
    try:
        loading.begin()
    except ConfigError as error:
        raise SystemExit(str(error)) from error
    process_state.leaving.enter_context(me.living())
    heartbeat = HeartbeatLoop(context, loading)
    try:
        heartbeat.begin()
    except NodeTaken as taken:
        process_state.leaving.close()
        raise SystemExit(str(taken)) from taken
    process_state.leaving.callback(context.close)
    process_state.leaving.callback(heartbeat.end)
    process_state.context, process_state.watch = context, Watch(context, loading, heartbeat)
    process_state.watch.start()
    _begin_beside(context, loading, environment)
    return context


def _begin_beside(context: WorkerContext, loading: StackLoader, environment: Settings) -> None:
    """Start what is not part of the watch: notices, samples, call output, idle visits, runs and intents."""
    _begin_throttle(context, environment.opening_calls)
    notifier = Notifier(context, loading, environment.public_url, environment.data_dir)
    notifier.begin()
    process_state.leaving.callback(notifier.end)
    sampling = Sampler(context)
    sampling.begin()
    process_state.leaving.callback(sampling.end)
    call_output = CallOutputWriter(context)
    call_output.begin()
    process_state.leaving.callback(call_output.end)
    idle_visit_checks = IdleVisitChecks(context)
    idle_visit_checks.begin()
    process_state.leaving.callback(idle_visit_checks.end)
    if process_state.watch:
        process_state.conductor = Conductor(context, process_state.watch.pools)
        process_state.conductor.begin()
        process_state.leaving.callback(process_state.conductor.end)
        if environment.features.intents:
            process_state.intents = IntentRunner(context, process_state.watch.pools)
            process_state.intents.begin()
            process_state.leaving.callback(process_state.intents.end)


def _begin_throttle(context: WorkerContext, setting: CallBounds | None) -> None:
    """Let the limit of starting calls follow the host, unless it is set to one number."""
    bounds = start_bounds(setting)
    context.call_limit = CallLimit(bounds.most)
    if bounds.least < bounds.most:
        throttle = CallThrottle(context, bounds, LoadReader())
        throttle.begin()
        process_state.leaving.callback(throttle.end)


def _require_schema(database: Database, environment: Settings) -> None:
    """Leave a database alone that cannot be used; where nothing can be on, this process ends."""
    if environment.database_fault:
        database.refuse(environment.database_fault)
        return
    try:
        schema.require(database)
    except schema.Mismatch as mismatch:
        if not node_snapshot.services_on(environment.data_dir, environment.node):
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
    """Stop every loop, and return when the calls under way are made and recorded.

    Celery has waited for the tasks; this waits for the calls that the loops began. Until then this worker
    counts as alive, or other workers would record these calls as lost. False where this worker ends because
    its claim was refused, which is a failure.
    """
    welcome = not (process_state.watch and process_state.watch.refused)
    if process_state.conductor:
        # Before the watch, which stops the services of the runs that are cut.
        process_state.conductor.end()
    if process_state.watch:
        process_state.watch.stop(patiently=True)
    process_state.leaving.close()
    process_state.context = process_state.watch = None
    process_state.conductor = process_state.intents = None
    return welcome


def nodes() -> list[str]:
    """The names of all nodes in the database."""
    with context().database.read() as session:
        return [node.name for node in known.nodes(session)]


def close_soon(stack: StackId) -> bool:
    """Inspect a stack of this node at once and stop what is due; False where this node does not serve it."""
    if process_state.watch is None or stack not in context().stacks:
        return False
    process_state.watch.close_soon(stack)
    return True


def conduct_soon() -> None:
    """Begin the next round of the conductor now."""
    if process_state.conductor:
        process_state.conductor.wake()


def attend_intents_soon() -> None:
    """Begin the next round of the intent runner now."""
    if process_state.intents:
        process_state.intents.wake()


def resync() -> None:
    """Inspect every stack again, independent of events."""
    if process_state.watch:
        process_state.watch.beat(context().database.now())
        process_state.watch.mark_all(Trigger.RESYNC)
