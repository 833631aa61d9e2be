"""Collect the evidence of a service that never started, since a dependency of it failed or is down.

It has no container of this window, so what speaks is the dependency: its verdict and its own diagnosis.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.orm import Session

from app.domain import dependencies, untrusted_text
from app.domain.diagnosis.evidence import DependencyEvidence, Evidence
from app.domain.diagnosis.rules import UNKNOWN_CAUSE
from app.domain.enums import Power, Role
from app.domain.planning import ServiceSpec, StackSpec
from app.store import diagnoses, services
from app.store import windows as rows
from app.store.tables import Service, Window
from workers.stacks.stack_reader import Served
from workers.state.context import WorkerContext
from workers.state.diagnosis_queue import DiagnosisRequest


def collect_blocked(context: WorkerContext, served: Served, request: DiagnosisRequest) -> Evidence:
    """The evidence of a service that a dependency kept from starting under the request's window."""
    spec = served.spec.services.get(request.service) or ServiceSpec(request.service)
    with context.database.read() as session:
        seen = services.of(session, request.stack)
        window = rows.get(session, request.window)
        path = _path(served.spec, request, window)
        dependency = _dependency(session, served.spec, seen, path, window) if path else DependencyEvidence()
    return Evidence(
        stack=request.stack,
        service=request.service,
        detail=untrusted_text.harmless(request.blocked.partition("\n")[0]),
        oneshot=spec.oneshot,
        services=tuple(served.spec.services),
        depends_on=tuple(spec.depends_on),
        dependencies_down=tuple(one for one in spec.depends_on if one not in seen or not seen[one].ready),
        dependency=dependency,
    )


def _path(spec: StackSpec, request: DiagnosisRequest, window: Window | None) -> list[str]:
    """From the direct dependency to the one that failed by itself; those between wait in turn."""
    blocked = {lease.service: lease.blocked for lease in window.leases} if window else {}
    path: list[str] = []
    why, name = request.blocked, request.service
    while why and (other := _direct_dependency(spec, name, why)) and other not in path:
        path.append(other)
        why, name = blocked.get(other, ""), other
    return path


def _direct_dependency(spec: StackSpec, service: str, why: str) -> str:
    """The dependency that these words name; empty where it is none of this service."""
    known = spec.services.get(service)
    names = known.depends_on if known else ()
    return next((one for one in names if dependencies.is_blocked_by(why, one)), "")


def _dependency(
    session: Session, spec: StackSpec, seen: Mapping[str, Service], path: list[str], window: Window | None
) -> DependencyEvidence:
    root = path[-1]
    row, best = seen.get(root), _own_cause(session, spec, root, window)
    health = next((one for one in window.leases if one.service == root), None) if window else None
    verdict = (health.detail if health else "") or (row.detail if row else "") or (row.fault if row else "")
    core = spec.services[root].role is Role.CORE
    return DependencyEvidence(
        name=root,
        via=path[0] if len(path) > 1 else "",
        core=core,
        power=str(Power(row.power)) if row else str(Power.UNKNOWN),
        reason=untrusted_text.harmless(best.get("title") or verdict.partition("\n")[0]),
        cause=best.get("cause", ""),
    )


def _own_cause(session: Session, spec: StackSpec, service: str, window: Window | None) -> Mapping[str, str]:
    """The best cause of the dependency's own diagnosis for this window; empty without one."""
    if window is None or spec.services[service].role is Role.CORE:
        row = diagnoses.newest(session, spec.name, [service]).get(service)
    else:
        row = diagnoses.of_windows(session, [window])[window.id].get(service)
    if row is None:
        return {}
    best = row.causes[0] if row.causes else {}
    return {} if best.get("cause") == UNKNOWN_CAUSE else best
