"""Inspects a stack's containers, judges them and records the result in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.domain import call_output, redaction, untrusted_text
from app.domain.calls import SeenContainers
from app.domain.enums import Power, Role
from app.domain.planning import ServiceSpec, StackSpec
from app.domain.readiness import Container, ReadinessVerdict, is_outdated, judge
from app.domain.stack_id import StackId
from app.store import services
from app.store import windows as rows
from app.store.tables import Service
from app.usecases.reconciliation import drift, observations
from workers.engine import compose_program, negotiation, references, stack_secrets
from workers.reconcile import diagnosis_requests, restart_policy, run_images
from workers.reconcile.missing_images import asks_for_images, note_missing_images
from workers.state.context import WorkerContext
from workers.state.inspection_queue import InspectionRequest
from workers.state.repairs import ObservedState, UnexplainedChanges

log = logging.getLogger(__name__)
OUTPUT_DELAY = timedelta(seconds=2)
"""How long after a container's end its last lines may still be on their way."""
DETAIL = call_output.MOST_CHARACTERS
"""Characters kept of what a failing service said."""

_READ = 16 * 1024
"""Characters of that, at the most, in which secrets are looked for."""

JudgedService = tuple[SeenContainers, datetime | None]
"""What a service does, and when that may change without an event."""


def inspect_stack(
    context: WorkerContext, stack: StackId, request: InspectionRequest | None = None
) -> dict[str, datetime]:
    """Inspect a stack, or only the services of `request`, and store the result.

    Returns, by service, when its verdict may change or its drift is to be stopped without an event, by
    the engine's clock.
    """
    served, selected = context.stacks.get(stack), request.services if request else None
    if served is None:
        # It was taken out since this look was asked for.
        return {}
    with context.inspection_lock(stack):
        at = context.database.now()
        verdicts = _verdicts(context, served.spec, at, selected)
        seen = {name: seen for name, (seen, _again) in verdicts.items()}
        if asks_for_images(request):
            seen = note_missing_images(context.engine, served.spec, seen)
        repair = request is not None and request.is_repair
        with context.database.write() as session:
            now = context.database.now()
            before = ObservedState.of(session, stack, now) if repair else None
            observations.record_inspection(
                session, served.spec, seen, at=at, now=now, engine_id=context.engine_id
            )
            diagnosis_requests.after_settling(context, session, stack, now)
            changes = before.changes(session, stack) if before else UnexplainedChanges()
            graces = _rest_of_graces(session, served.spec, verdicts, now)
        if changes.description:
            context.repairs.record_repair(stack, changes, context.engine.now())
    return _next_looks(verdicts, graces, context.engine.now())


def _rest_of_graces(
    session: Session, spec: StackSpec, names: Collection[str], now: datetime
) -> dict[str, timedelta]:
    """How long the drifts of these services go on until they are to be stopped, by service."""
    ends = drift.grace_ends(spec, services.of(session, spec.name), now)
    return {name: end - now for name, end in ends.items() if name in names}


def _next_looks(
    verdicts: Mapping[str, JudgedService], graces: Mapping[str, timedelta], now: datetime
) -> dict[str, datetime]:
    """The earlier one of the moment that a verdict names and the end of a drift's grace, by service."""
    moments = {name: again for name, (_seen, again) in verdicts.items() if again}
    return moments | {name: min(now + rest, moments.get(name, now + rest)) for name, rest in graces.items()}


def _verdicts(
    context: WorkerContext, spec: StackSpec, at: datetime, only: Collection[str] | None
) -> dict[str, JudgedService]:
    with context.database.read() as session:
        wanted = {lease.service for lease in rows.live_leases(session, [spec.name], at)}
        before = services.of(session, spec.name)
    pending = {name for name, row in before.items() if row.stop_pending}
    selected = None if only is None else _with_namespace_users(spec, only)
    watched = [one for one in _services_to_inspect(spec, pending) if selected is None or one.name in selected]
    if not watched:
        return {}
    try:
        containers = seen_containers(context, spec, (service.name for service in watched))
    except negotiation.Unable as error:
        context.unread(spec.name, negotiation.why(error))
        return {service.name: (_unknown_containers(error), None) for service in watched}
    context.unread(spec.name, "")
    for service in watched:
        context.concerned.note(spec.name, service.name, _of(service, containers))
    wanted_since_death = wanted - _of_earlier_windows(context, spec, containers, wanted, at)
    verdicts = {
        service.name: _verdict(context, spec, service, containers, wanted=service.name in wanted_since_death)
        for service in watched
    }
    for name in _back(spec, verdicts, before, wanted):
        seen, again = verdicts[name]
        mine = [one for one in containers if one.service == name]
        try:
            revived = restart_policy.by_the_engine(context.engine, mine, before[name], at)
            verdicts[name] = replace(seen, revived=revived), again
        except negotiation.Unable as error:
            verdicts[name] = _unknown_containers(error), None
    return verdicts


def _of_earlier_windows(
    context: WorkerContext, spec: StackSpec, containers: Iterable[Container], wanted: set[str], at: datetime
) -> set[str]:
    """Wanted services whose containers ended before a window wanted them, and that it has not started yet.

    How such a container ended says nothing of the window that holds the service now: the service is off.
    """
    ends = _ends(one for one in containers if one.service in wanted and not _is_oneshot(spec, one.service))
    if not ends:
        return set()
    with context.database.read() as session:
        since = rows.untried_since(session, spec.name, at)
    ahead = context.engine.now() - context.database.now()
    return {name for name, ended in ends.items() if name in since and ended < since[name] + ahead}


def _ends(containers: Iterable[Container]) -> dict[str, datetime]:
    """By service whose containers have all ended: when the last of them did, by the engine's clock."""
    last: dict[str, list[datetime | None]] = {}
    for one in containers:
        last.setdefault(one.service, []).append(None if one.alive else one.finished_at)
    return {
        name: max(ends)
        for name, moments in last.items()
        if len(ends := [*filter(None, moments)]) == len(moments)
    }


def _is_oneshot(spec: StackSpec, service: str) -> bool:
    defined = spec.services.get(service)
    return bool(defined and defined.oneshot)


def _with_namespace_users(spec: StackSpec, only: Collection[str]) -> set[str]:
    """These services, and those that may have changed with them: they use a namespace through one of them."""
    names = new = set(only)
    while new:
        new = {name for name, one in spec.services.items() if not one.shares_with.isdisjoint(new)} - names
        names = names | new
    return names


def _unknown_containers(error: BaseException) -> SeenContainers:
    """The result for a service of which the engine shows nothing."""
    return SeenContainers(
        Power.UNKNOWN, untrusted_text.shorten(redaction.redact(negotiation.why(error)), DETAIL)
    )


def _back(
    spec: StackSpec, verdicts: Mapping[str, JudgedService], before: Mapping[str, Service], wanted: set[str]
) -> list[str]:
    """Services that run again although they were off, no window holds them and we did not start them."""
    off = {name for name, row in before.items() if row.observed_at and not (row.alive or row.stop_pending)}
    allowed = {
        name for name in off - wanted if name in spec.services and spec.services[name].role is Role.ALLOWED
    }
    return [name for name in sorted(allowed & verdicts.keys()) if verdicts[name][0].alive]


def _services_to_inspect(spec: StackSpec, pending: set[str]) -> list[ServiceSpec]:
    """The listed services, and those removed from power.toml whose stop is not confirmed."""
    listed = [one for one in spec.services.values() if one.role is not Role.NONE or one.name in pending]
    return listed + [ServiceSpec(name) for name in sorted(pending - spec.services.keys())]


def seen_containers(context: WorkerContext, spec: StackSpec, services: Iterable[str]) -> list[Container]:
    """Containers of these services, with the restarts that are remembered of them."""
    named = list(services)
    containers = context.engine.containers(spec.project, named)
    context.restarts.forget_gone(spec.project, named, {container.id for container in containers})
    remembered = [context.restarts.remember(spec.project, container) for container in containers]
    marked = run_images.mark_left_over(context, spec.name, remembered)
    return references.reachable(context.engine, marked)


def _of(service: ServiceSpec, containers: Iterable[Container]) -> list[Container]:
    return [container for container in containers if container.service == service.name]


def _verdict(
    context: WorkerContext,
    spec: StackSpec,
    service: ServiceSpec,
    containers: Iterable[Container],
    *,
    wanted: bool,
) -> JudgedService:
    mine = _of(service, containers)
    # Core is judged as wanted, since it always is.
    wanted = wanted or service.role is Role.CORE
    verdict = judge(service, mine, wanted=wanted, now=context.engine.now())
    diagnosis_requests.after_inspection(context, spec.name, service, mine, verdict, wanted=wanted)
    if verdict.power is Power.FAILING:
        verdict = replace(verdict, detail=stack_secrets.redact(spec.project, verdict.detail))
        verdict = _with_last_words(context, spec.project, verdict, mine)
    alive = any(container.alive for container in mine)
    severed = any(container.severed for container in mine if container.alive)
    outdated = any(is_outdated(service, container, compose_program.known_version()) for container in mine)
    seen = SeenContainers(verdict.power, verdict.detail, alive, severed=severed, outdated=outdated)
    return seen, verdict.look_again


def _last_run(container: Container) -> datetime | None:
    """Since when it writes of what it failed of; None where every run belongs to it, as in a crash loop."""
    return None if container.restarts else container.started_at


def await_output(verdict: ReadinessVerdict, newest: Container | None, now: datetime) -> ReadinessVerdict:
    """Ask for another inspection where a container ended a moment ago and its lines are not readable yet.

    An engine may store the last lines of a container after it reports its end.
    """
    ended = newest.finished_at if newest and not newest.alive else None
    if ended is None or now - ended > OUTPUT_DELAY:
        return verdict
    soon = now + OUTPUT_DELAY / 4
    return replace(verdict, look_again=min(verdict.look_again or soon, soon))


def _with_last_words(
    context: WorkerContext, project: str, verdict: ReadinessVerdict, containers: list[Container]
) -> ReadinessVerdict:
    """A failing service is shown with the last lines it wrote."""
    newest = max(containers, key=lambda one: (one.restarts, one.exit_code != 0, one.number), default=None)
    written = context.engine.log(newest.id, _last_run(newest))[-_READ:] if newest else ""
    output = stack_secrets.redact(project, written)
    if not output:
        return await_output(verdict, newest, context.engine.now())
    return replace(verdict, detail=untrusted_text.with_end(verdict.detail, output, DETAIL))
