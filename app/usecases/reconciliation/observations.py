"""Store what workers observed on the engine, and what follows for services and windows.

Everything that is learned goes through here, so that a window changes in the same
transaction as the observation that changed it. `app.usecases.windows.settle` draws the conclusions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from app.domain.calls import SeenContainers
from app.domain.enums import Action, CallStatus, Power, Role
from app.domain.locations import Location
from app.domain.planning import ServiceSpec, StackSpec
from app.store import services
from app.store import windows as rows
from app.store.tables import Call, Service, Stack
from app.usecases.reconciliation import drift
from app.usecases.reconciliation.calls import ENDING_ACTIONS, bounded_output, record_failed_stop
from app.usecases.windows.settle import STUCK_AFTER, StackSituation, settle


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

    An older look never overwrites a newer one, and a service whose stop is pending in another location was
    not seen. Returns the ids of windows that changed.
    """
    row_of = _rows(session, spec, seen)
    here = Location(spec.project, engine_id)
    seen = {
        name: _unseen(row_of[name]) if row_of[name].has_stop_pending_outside(here) else one
        for name, one in seen.items()
    }
    wanted = {lease.service for lease in rows.live_leases(session, [spec.name], now)}
    calling = services.calling(session, spec.name)
    new = [name for name in seen if (last := row_of[name].observed_at) is None or last < at]
    for name in new:
        _update_service(
            row_of[name],
            seen[name],
            spec.services.get(name),
            wanted=name in wanted,
            calling=calling.get(name),
            at=at,
            now=now,
        )
    changed = [row_of[name] for name in new if seen[name].power != Power.UNKNOWN]
    for name in _failed_stops(session, changed, wanted | calling.keys(), at):
        record_failed_stop(row_of[name], now)
    back = [row_of[name] for name in new if name not in wanted and drift.is_back(row_of[name])]
    ours = {
        row.name: why for row in back if (why := drift.why_ours(session, row, seen[row.name].revived, now))
    }
    for name in ours:
        row_of[name].mark_stop_pending(services.location(session, row_of[name]))
    return settle_stack(session, spec, row_of, now, ours)


def _unseen(row: Service) -> SeenContainers:
    return SeenContainers(Power.UNKNOWN, f"it may still run in {row.location}, which is not looked at")


def _failed_stops(session: Session, looked_at: Iterable[Service], busy: set[str], at: datetime) -> list[str]:
    """Services that still run although a stop returned 0 before this inspection: that stop has failed."""
    doubted = [
        row
        for row in looked_at
        if row.stop_pending and row.alive and not row.unsure and row.retry_at is None and row.name not in busy
    ]
    last = services.last_calls(session, {row.stack for row in doubted}) if doubted else {}
    return [row.name for row in doubted if _ended_well(last.get((row.stack, row.name)), at)]


def _ended_well(call: Call | None, at: datetime) -> bool:
    stop = call and call.action in {Action.STOP, Action.KILL} and call.status == CallStatus.OK
    return bool(stop and call and call.finished_at and call.finished_at < at)


def _rows(session: Session, spec: StackSpec, seen: Iterable[str]) -> dict[str, Service]:
    """Every service of the stack, locked; what is seen for the first time gets its row."""
    rows = services.lock_services(session, spec.name)
    new = {name: spec.services[name].role for name in seen if name not in rows}
    if not new:
        return rows
    services.ensure(session, spec.name, new)
    return services.lock_services(session, spec.name)


def _update_service(
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
        _end_disconnection(row)
    judged = _judge_shown(row, one, spec, wanted=wanted, calling=calling)
    if (judged.power, judged.ready, judged.detail, judged.alive) != (
        row.power,
        row.ready,
        row.detail,
        row.alive,
    ):
        row.power, row.ready, row.detail, row.alive = judged.power, judged.ready, judged.detail, judged.alive
        row.changed_at = now
    row.observed_at = at
    row.outdated = one.outdated
    if one.image_missing is not None:
        row.image_missing = one.image_missing
    row.severed = one.severed or (wanted and is_start_unfinished(row, spec, one.alive))
    if wanted:
        row.failures, row.retry_at = 0, None
    else:
        row.fault, row.start_failed = "", False
    if _confirmed_off(row, wanted=wanted, calling=calling):
        row.confirm_off()
        row.failures, row.retry_at = 0, None


def _end_disconnection(row: Service) -> None:
    """Forget the failures of a time in which the engine was away, so that the next attempt is due now."""
    row.retry_at = None
    if row.failures < STUCK_AFTER:
        row.failures = 0


def _judge_shown(
    row: Service, one: SeenContainers, spec: ServiceSpec | None, *, wanted: bool, calling: Action | None
) -> SeenContainers:
    """The observed power, corrected by a call that is under way or has failed."""
    if one.power is Power.UNKNOWN:
        return SeenContainers(one.power, one.detail, alive=row.alive)
    if one.power is Power.DONE and not row.unsure and row.role != Role.CORE:
        # It ran for an earlier window; for this one it has yet to run.
        return SeenContainers(Power.OFF)
    if calling is Action.UP and not one.alive:
        return SeenContainers(Power.STARTING, "being started")
    if calling in ENDING_ACTIONS and one.alive:
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


def is_start_unfinished(row: Service | None, spec: ServiceSpec | None, alive: bool) -> bool:
    """Whether it runs and its `post_start` hook failed: only a new container runs the hook again."""
    return bool(row and row.start_failed and spec and spec.post_start and alive)


def _confirmed_off(row: Service, *, wanted: bool, calling: Action | None) -> bool:
    """No lease wants it, nothing of it runs, and no start that was made may still come up.

    Core is no exception: the stop of what a window started before it became core stays pending.
    """
    observed = row.power != Power.UNKNOWN
    return observed and not (wanted or calling or row.alive or row.unsure)


def settle_stack(
    session: Session,
    spec: StackSpec,
    seen: Mapping[str, Service],
    now: datetime,
    restarted: Mapping[str, str] | None = None,
) -> list[str]:
    """Move on the windows of a stack and record drift; return the ids of windows that changed.

    `restarted` names services that run again without a window and without a person, with the reason.
    """
    situation = StackSituation(session, spec, seen, rows.unfinished_windows(session, spec.name), now)
    changed = settle(situation)
    holds = drift.Holds(situation.windows, situation.held, situation.awaited, now)
    drift.find(session, spec, seen, holds, restarted or {})
    return changed


def mark_unreachable(session: Session, stack: Stack, engine_id: str, now: datetime) -> None:
    """Services with a pending stop on another engine may run there; a worker on this one cannot tell."""
    rows = services.lock_services(session, stack.name)
    here = Location(engine_id=engine_id)
    for row in rows.values():
        if row.has_stop_pending_outside(here) and row.power != Power.UNKNOWN:
            row.power, row.ready, row.detail, row.changed_at = Power.UNKNOWN, False, _unseen(row).detail, now
    settle_stack(session, stack.spec, rows, now)
