"""What workers report: calls that began and ended, and what the engine was seen doing.

Everything that is learned goes through here, so that a window changes in the same
transaction as the news that changed it. `app.usecases.windows.settle` draws the conclusions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.domain import backoff, call_output, untrusted_text
from app.domain.enums import Action, CallStatus, Event, Power, Role
from app.domain.locations import Location
from app.domain.planning import ServiceSpec, StackSpec
from app.store import audit, services
from app.store import windows as rows
from app.store.tables import LONGEST_MS, Call, Lease, Node, Service, Stack, stamp
from app.usecases import restore
from app.usecases.nodes import relocation
from app.usecases.reconciliation import drift
from app.usecases.windows import expire as expiry
from app.usecases.windows.settle import STUCK_AFTER, settle
from app.usecases.windows.transitions import SYSTEM_ACTOR

TRIES = 2
"""Calls to bring a service up for one window; the second only where nobody knows what became of the first."""
_ENDS = {Action.PRE_STOP, Action.STOP, Action.KILL}
RETRY_FIRST, RETRY_CAP = timedelta(seconds=10), timedelta(minutes=5)
"""A stop that failed is tried again after this long, doubled each time, up to the cap."""


@dataclass(frozen=True, slots=True)
class StartedCall:
    """A compose call about to be made: for whom, by whom, and the whole command line."""

    stack: str
    service: str
    action: Action
    argv: tuple[str, ...]
    node: str
    worker: str
    window: str | None = None
    image: str = ""
    image_digest: str = ""
    config_hash: str = ""


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How a call ended. `returncode` is None where it did not end by itself."""

    status: CallStatus
    returncode: int | None
    elapsed_ms: int
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True, slots=True)
class SeenContainers:
    """What one service was seen doing."""

    power: Power
    detail: str = ""
    alive: bool = False
    revived: bool = False
    """The engine itself has started it again since it was last seen off: no hand, and nothing of ours."""
    severed: bool = False
    """It runs, but what it refers to by id is gone."""

    @property
    def ready(self) -> bool:
        return self.power in {Power.ON, Power.DONE}


def start_call(session: Session, begun: StartedCall, now: datetime) -> int:
    """Put a call on record before it is made; return its id."""
    call = Call(
        window_id=begun.window,
        stack=begun.stack,
        service=begun.service,
        node=begun.node,
        worker=begun.worker,
        action=begun.action,
        argv=list(begun.argv),
        started_at=now,
    )
    session.add(call)
    _expect(session, begun, now)
    session.flush()
    facts = {"image": begun.image, "image_digest": begun.image_digest, "config_hash": begun.config_hash}
    record_call_entry(session, call, Event.CALL_STARTED, now, **facts)
    return call.id


def _expect(session: Session, begun: StartedCall, now: datetime) -> None:
    service = session.get(Service, (begun.stack, begun.service), with_for_update=True)
    if service is None:
        return
    if begun.action is Action.UP:
        service.owe(services.location(session, service))
        service.unsure = True
        service.power, service.ready, service.detail = Power.STARTING, False, ""
        if lease := lease_of_call(session, begun.window, begun.service):
            lease.tried += 1
    elif service.power == Power.UNKNOWN:
        # Nothing is seen of what this call does.
        return
    elif begun.action in _ENDS and service.alive:
        service.power, service.ready = Power.STOPPING, False
    service.changed_at = now


def finish_call(session: Session, call_id: int, outcome: CallOutcome, now: datetime) -> None:
    """Put on record how a call ended, and what that means for the service."""
    call = session.get(Call, call_id, with_for_update=True)
    if call is None or call.status != CallStatus.RUNNING:
        return
    call.status, call.returncode = outcome.status, outcome.returncode
    call.elapsed_ms = min(outcome.elapsed_ms, LONGEST_MS)
    call.stdout, call.stderr, call.finished_at = (
        bounded_output(outcome.stdout),
        bounded_output(outcome.stderr),
        now,
    )
    _conclude(session, call, now)
    facts = {"status": outcome.status, "returncode": outcome.returncode, "elapsed_ms": call.elapsed_ms}
    record_call_entry(session, call, Event.CALL_FINISHED, now, **facts, stderr=call.stderr)


def bounded_output(said: str) -> str:
    """The beginning and the end of what was said, without the characters that no database keeps."""
    return untrusted_text.storable(call_output.kept(said))


def lose_call(session: Session, call: Call, now: datetime) -> bool:
    """A call was started and nobody was there when it ended: say so, and let the truth be looked up.

    False where its end is known after all.
    """
    # Another may have said so, or told its end, since it was found running.
    session.refresh(call, with_for_update=True)
    if call.status != CallStatus.RUNNING:
        return False
    call.status, call.finished_at = CallStatus.LOST, now
    _conclude(session, call, now)
    record_call_entry(session, call, Event.CALL_LOST, now)
    return True


def _conclude(session: Session, call: Call, now: datetime) -> None:
    service = session.get(Service, (call.stack, call.service), with_for_update=True)
    if service is None or (call.blind and services.started_since(session, call)):
        # What was done blind says nothing of what has been started since.
        return
    if call.action == Action.UP:
        service.fault = "" if call.status == CallStatus.OK else _fault(call)
        service.start_failed = call.status != CallStatus.OK
        _tried(lease_of_call(session, call.window_id, call.service), CallStatus(call.status), now)
    elif call.action == Action.PRE_STOP:
        if call.status == CallStatus.LOST and services.lost_before(session, call):
            record_failed_stop(service, now)
    elif call.action in {Action.STOP, Action.KILL}:
        _stopped(session, service, call, now)
        if call.action == Action.KILL:
            rows.attempted(session, call.stack, call.service)


def _tried(lease: Lease | None, status: CallStatus, now: datetime) -> None:
    unknown = status in {CallStatus.TIMEOUT, CallStatus.LOST, CallStatus.CANCELLED}
    if lease and not (unknown and lease.tried < TRIES):
        lease.tried_at = now


def _stopped(session: Session, service: Service, call: Call, now: datetime) -> None:
    if call.status == CallStatus.OK:
        # Whether it has failed all the same, only a look can tell; see `_in_vain`.
        service.unsure, service.retry_at = False, _unseen_until(service, now)
    elif _is_failure(session, call):
        record_failed_stop(service, now)


def _unseen_until(service: Service, now: datetime) -> datetime | None:
    """When a stop that returned 0 is made again while the engine shows nothing; None where it shows a state.

    Each pause is as long as nothing has been shown so far. The first look that shows the service ends it.
    """
    if service.power != Power.UNKNOWN:
        return None
    return now + min(max(now - (service.changed_at or now), RETRY_FIRST), RETRY_CAP)


def _is_failure(session: Session, call: Call) -> bool:
    """Does this stop, which was not confirmed, say anything against its service?

    One that was cut short does not. One that was lost says that its worker died: it is made again at
    once, and as gently; a second one in a row waits as after any failure.
    """
    if call.status == CallStatus.LOST:
        return services.lost_before(session, call)
    return call.status != CallStatus.CANCELLED


def record_failed_stop(service: Service, now: datetime) -> None:
    service.failures += 1
    service.retry_at = now + backoff.delay(service.failures, RETRY_FIRST, RETRY_CAP)


def _fault(call: Call) -> str:
    if call.status == CallStatus.TIMEOUT:
        return f"its start did not finish within {(call.elapsed_ms or 0) / 1000:.0f} s"
    if call.status in {CallStatus.LOST, CallStatus.CANCELLED}:
        return "its start was cut off before it ended"
    printed = call.stderr.strip() or call.stdout.strip()
    said = call_output.reason(printed) or "no output"
    if mended_by := call_output.advice(printed, _project(call), call.service):
        said = f"{said.splitlines()[0]}; {mended_by}"
    # Without an exit code nothing was run at all, and what was said is why.
    code = "" if call.returncode is None else f" (exit {call.returncode})"
    return f"could not be started{code}: {said}"


def _project(call: Call) -> str:
    argv = list(call.argv)
    return argv[argv.index("-p") + 1] if "-p" in argv[:-1] else call.stack


def lease_of_call(session: Session, window: str | None, service: str) -> Lease | None:
    return session.get(Lease, (window, service), with_for_update=True) if window else None


def record_inspection(
    session: Session,
    spec: StackSpec,
    seen: Mapping[str, SeenContainers],
    *,
    at: datetime,
    now: datetime,
    engine_id: str = "",
) -> list[str]:
    """Take in what the engine of this id showed at the moment `at`, and settle what that settles.

    An older look never overwrites a newer one, and what owes its off in another location was
    not seen. Returns the ids of windows that changed.
    """
    known = _rows(session, spec, seen)
    here = Location(spec.project, engine_id)
    seen = {
        name: _unseen(known[name]) if known[name].owed_outside(here) else one for name, one in seen.items()
    }
    wanted = {lease.service for lease in rows.live_leases(session, [spec.name], now)}
    calling = services.calling(session, spec.name)
    new = [name for name in seen if (last := known[name].observed_at) is None or last < at]
    for name in new:
        _take_in(
            known[name],
            seen[name],
            spec.services.get(name),
            wanted=name in wanted,
            calling=calling.get(name),
            at=at,
            now=now,
        )
    shown = [known[name] for name in new if seen[name].power != Power.UNKNOWN]
    for name in _in_vain(session, shown, wanted | calling.keys(), at):
        record_failed_stop(known[name], now)
    back = [known[name] for name in new if name not in wanted and drift.is_back(known[name])]
    ours = {
        row.name: why for row in back if (why := drift.why_ours(session, row, seen[row.name].revived, now))
    }
    for name in ours:
        known[name].owe(services.location(session, known[name]))
    return settle(session, spec, known, now, ours)


def _unseen(row: Service) -> SeenContainers:
    return SeenContainers(Power.UNKNOWN, f"it may still run in {row.location}, which is not looked at")


def _in_vain(session: Session, looked_at: Iterable[Service], busy: set[str], at: datetime) -> list[str]:
    """What runs on after a stop that returned 0 and was over before this look began: that stop has failed."""
    doubted = [
        row
        for row in looked_at
        if row.owed and row.alive and not row.unsure and row.retry_at is None and row.name not in busy
    ]
    last = services.last_calls(session, {row.stack for row in doubted}) if doubted else {}
    return [row.name for row in doubted if _ended_well(last.get((row.stack, row.name)), at)]


def _ended_well(call: Call | None, at: datetime) -> bool:
    stop = call and call.action in {Action.STOP, Action.KILL} and call.status == CallStatus.OK
    return bool(stop and call and call.finished_at and call.finished_at < at)


def _rows(session: Session, spec: StackSpec, seen: Iterable[str]) -> dict[str, Service]:
    """Every service of the stack, locked; what is seen for the first time gets its row."""
    known = services.locked(session, spec.name)
    new = {name: spec.services[name].role for name in seen if name not in known}
    if not new:
        return known
    services.ensure(session, spec.name, new)
    return services.locked(session, spec.name)


def _take_in(
    row: Service,
    one: SeenContainers,
    spec: ServiceSpec | None,
    *,
    wanted: bool,
    calling: Action | None,
    at: datetime,
    now: datetime,
) -> None:
    one = replace(one, detail=bounded_output(one.detail))
    if row.power == Power.UNKNOWN and one.power != Power.UNKNOWN:
        _answers_again(row)
    shown = _shown(row, one, spec, wanted=wanted, calling=calling)
    if (shown.power, shown.ready, shown.detail, shown.alive) != (row.power, row.ready, row.detail, row.alive):
        row.power, row.ready, row.detail, row.alive = shown.power, shown.ready, shown.detail, shown.alive
        row.changed_at = now
    row.observed_at = at
    row.severed = one.severed or (wanted and unfinished(row, spec, one.alive))
    if wanted:
        row.failures, row.retry_at = 0, None
    else:
        row.fault, row.start_failed = "", False
    if _confirmed_off(row, wanted=wanted, calling=calling):
        row.confirm_off()
        row.failures, row.retry_at = 0, None


def _answers_again(row: Service) -> None:
    """What failed while the engine was away is tried again now, and says nothing against the service."""
    row.retry_at = None
    if row.failures < STUCK_AFTER:
        row.failures = 0


def _shown(
    row: Service, one: SeenContainers, spec: ServiceSpec | None, *, wanted: bool, calling: Action | None
) -> SeenContainers:
    """What is seen, in the light of a call that is under way or has failed."""
    if one.power is Power.UNKNOWN:
        return SeenContainers(one.power, one.detail, alive=row.alive)
    if one.power is Power.DONE and not row.unsure and row.role != Role.CORE:
        # It ran for an earlier window; for this one it has yet to run.
        return SeenContainers(Power.OFF)
    if calling is Action.UP and not one.alive:
        return SeenContainers(Power.STARTING, "being started")
    if calling in _ENDS and one.alive:
        detail = "its pre_stop hook runs" if calling is Action.PRE_STOP else one.detail
        return SeenContainers(Power.STOPPING, detail, alive=True)
    if wanted and row.fault and not one.alive and not one.ready:
        return SeenContainers(Power.FAILING, row.fault)
    return _after_hook(row, one, calling) if spec and spec.post_start and wanted else one


def _after_hook(row: Service, one: SeenContainers, calling: Action | None) -> SeenContainers:
    """A container with a post_start hook is ready when that has ended well, not when it runs."""
    if calling is Action.UP and one.ready:
        return replace(one, power=Power.STARTING, detail="its post_start hook runs")
    if row.start_failed and one.alive:
        return replace(one, power=Power.FAILING, detail=row.fault)
    return one


def unfinished(row: Service | None, spec: ServiceSpec | None, alive: bool) -> bool:
    """It runs, and its `post_start` hook did not end well: only a container made anew runs it again."""
    return bool(row and row.start_failed and spec and spec.post_start and alive)


def _confirmed_off(row: Service, *, wanted: bool, calling: Action | None) -> bool:
    """Nobody wants it, nothing of it runs, and nothing that was started may still come up.

    Core is no exception: what a window has started before it became core still owes its off afterwards.
    """
    known = row.power != Power.UNKNOWN
    return known and not (wanted or calling or row.alive or row.unsure)


def record_lost_calls(session: Session, node: str, dead: Mapping[str, bool], now: datetime) -> list[Call]:
    """Declare every running call of workers that are `dead` lost; return them."""
    found = [call for call in services.running_calls(session, node) if dead.get(call.worker, False)]
    return [call for call in found if lose_call(session, call, now)]


def publish_stack(session: Session, spec: StackSpec, now: datetime, engine_id: str = "") -> None:
    """A worker has read and checked a stack: the front may know it.

    `engine_id` tells the engine on which it serves it; empty while that has not answered.
    """
    before = session.get(Stack, spec.name)
    at = Location(spec.project, engine_id or (before.engine_id if before else ""))
    before_node = before.node if before else spec.node
    if _differs(before, spec):
        facts = {"digest": spec.digest, "before": before.digest if before else None, "node": spec.node}
        audit.record(session, Event.STACK_LOADED, actor=SYSTEM_ACTOR, now=now, stack=spec.name, **facts)
    if restore.behind(session, before):
        restore.doubt(session, spec, at)
    session.merge(
        Stack(
            name=spec.name,
            node=spec.node,
            project=spec.project,
            definition=spec.as_json(),
            digest=spec.digest,
            loaded_at=now,
            faults=[],
            refused=[],
            engine_id=at.engine_id,
        )
    )
    _roles(session, spec)
    relocation.complete(session, spec.name, at)
    if before and before_node != spec.node:
        rows.move(session, spec.name, spec.node)


def _differs(before: Stack | None, spec: StackSpec) -> bool:
    if before is None or before.faults or before.refused:
        return True
    return (before.digest, before.node) != (spec.digest, spec.node)


def record_refused_edit(session: Session, stack: str, faults: list[str], digest: str, now: datetime) -> None:
    """A worker has turned down a later change of a stack's files: what was good before stays in force."""
    row = session.get(Stack, stack)
    if row is None or row.faults or (row.refused == faults and _told_of(session, stack, digest)):
        return
    facts: dict[str, Any] = {"faults": faults, "digest": digest, "before": row.digest, "in_force": True}
    audit.record(session, Event.STACK_REJECTED, actor=SYSTEM_ACTOR, now=now, stack=stack, **facts)
    row.refused = faults


def _roles(session: Session, spec: StackSpec) -> None:
    for name, row in services.of(session, spec.name).items():
        row.role = spec.services[name].role if name in spec.services else Role.NONE


def _told_of(session: Session, stack: str, digest: str) -> bool:
    """Has another worker of the node, which reads the same files, said so already?"""
    last = audit.newest(session, stack, Event.STACK_REJECTED)
    return last is not None and json.loads(last.facts).get("digest") == digest


def reject_stack(
    session: Session, empty: StackSpec, faults: list[str], now: datetime, *, digest: str = ""
) -> None:
    """A worker has turned a stack down: nothing can be opened on it until that is mended.

    What was known of it stays, so that what a window still holds can be turned off;
    `empty` stands in where nothing was known.
    """
    before = session.get(Stack, empty.name)
    known = before.digest if before else None
    if before is None:
        before = Stack(name=empty.name, project=empty.project, definition=empty.as_json(), digest="")
        session.add(before)
    if before.faults != faults:
        facts: dict[str, Any] = {"faults": faults, "digest": digest or empty.digest, "before": known}
        audit.record(session, Event.STACK_REJECTED, actor=SYSTEM_ACTOR, now=now, stack=empty.name, **facts)
    if not before.spec.services:
        before.project, before.definition = empty.project, empty.as_json()
    before.node, before.faults, before.loaded_at, before.refused = empty.node, faults, now, []


def mark_unreachable(session: Session, stack: Stack, engine_id: str, now: datetime) -> None:
    """Services that owe an off on another engine may run there; a worker on this one cannot tell."""
    known = services.locked(session, stack.name)
    here = Location(engine_id=engine_id)
    for row in known.values():
        if row.owed_outside(here) and row.power != Power.UNKNOWN:
            row.power, row.ready, row.detail, row.changed_at = Power.UNKNOWN, False, _unseen(row).detail, now
    settle(session, stack.spec, known, now)


def forget_stack(session: Session, stack: Stack, fault: str, now: datetime) -> bool:
    """Let go of a stack that its node no longer has; False while something of it still has to end."""
    expiry.lose_stack(session, stack.name, now)
    rows_of = services.of(session, stack.name)
    owing = any(row.owed and row.role != Role.CORE for row in rows_of.values())
    if rows.unfinished(session, stack.name) or owing:
        reject_stack(session, StackSpec(stack.name, stack.project, stack.node, {}), [fault], now)
        return False
    for row in rows_of.values():
        # Core is not stopped; should it come back as an allowed service, it still owes its off.
        if not row.owed:
            session.delete(row)
    session.delete(stack)
    facts: dict[str, Any] = {"faults": [fault], "digest": None, "before": stack.digest}
    audit.record(session, Event.STACK_REJECTED, actor=SYSTEM_ACTOR, now=now, stack=stack.name, **facts)
    return True


def record_node(session: Session, node: Node) -> None:
    """A worker of this node is there."""
    session.merge(node)


def record_call_entry(session: Session, call: Call, event: Event, now: datetime, **facts: Any) -> None:
    """Put on record what became of a call; of one made blind, that it was, and when it really happened."""
    said = {name: value for name, value in facts.items() if value not in (None, "", [])}
    if call.blind:
        said |= {"blind": True, "started_at": stamp(call.started_at)}
        said |= {"finished_at": stamp(call.finished_at)} if call.finished_at else {}
    audit.record(
        session,
        event,
        actor=SYSTEM_ACTOR,
        now=now,
        stack=call.stack,
        window=call.window_id,
        service=call.service,
        call=call.id,
        action=call.action,
        argv=call.argv,
        **said,
    )
