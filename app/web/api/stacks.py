"""Stacks over HTTP: what each is up to, and what each of its services is doing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Response
from sqlalchemy.orm import Session

from app.domain import stack_mode
from app.domain.enums import Power, Role, State
from app.domain.errors import UnknownStack
from app.domain.leases import HeldLease
from app.domain.stack_mode import ServiceStatus
from app.store import services, stacks, windows, workers
from app.store.tables import Call, Service, Stack, Window, stamp
from app.usecases.nodes import relocation
from app.web import problems, request_parsing, responses, row_views, schemas
from app.web.api.windows import audit_refusals
from app.web.authentication import Caller
from app.web.context import WebContext
from app.web.problems import ApiError
from app.web.routes import Answer, Routes

routes = Routes("stacks", "/api/v1")


@routes.add("GET", "/stacks", {200: Answer("Every stack.", schemas.Stacks)}, query=schemas.StacksQuery)
def list_stacks(front: WebContext, caller: Caller, *, query: schemas.StacksQuery) -> Response:
    """List the stacks with their mode and their services."""
    after = str(request_parsing.place(query.cursor, "cursor", str)[0]) if query.cursor else ""
    with front.database.read() as session:
        found = [stack for stack in stacks.every(session) if stack.name > after]
        page = found[: query.limit]
        items = describe_stacks(session, page, front.database.now())
    more = len(found) > len(page)
    return responses.json({"items": items, "next": request_parsing.cursor(page[-1].name) if more else None})


@routes.add("GET", "/stacks/<name>", {200: Answer("The stack.", schemas.Stack)}, refuses=(404,))
def show_stack(front: WebContext, caller: Caller, *, name: str) -> Response:
    """Show one stack with its mode and its services."""
    with front.database.read() as session:
        return responses.json(describe_stacks(session, [_found(session, name)], front.database.now())[0])


@routes.add("POST", "/stacks/<name>/relocate", {200: Answer("The stack.", schemas.Stack)}, refuses=(404, 409))
def relocate_stack(front: WebContext, caller: Caller, *, name: str) -> Response:
    """Let a stack's windows and owed offs count for wherever its worker serves it next.

    For a stack that is not served because something of it is held in another project or on another
    engine or node, which is gone for good. What may still run there is not turned off any more.
    """
    with front.database.read() as session:
        stack = _found(session, name)
    with audit_refusals(front, caller, "relocate", stack.name), front.database.write() as session:
        relocation.relocate(session, stack.name, actor=caller.name, now=front.database.now())
    with front.database.read() as session:
        return responses.json(describe_stacks(session, [_found(session, name)], front.database.now())[0])


def _found(session: Session, name: str) -> Stack:
    try:
        if "\0" in name:
            raise UnknownStack(name, stacks.names(session))
        return stacks.chosen(session, name)
    except UnknownStack as unknown:
        raise ApiError(problems.NO_SUCH_STACK, str(unknown), **unknown.facts) from unknown


def describe_stacks(session: Session, found: Iterable[Stack], now: datetime) -> list[dict[str, Any]]:
    found = list(found)
    away = workers.away(session, found, now)
    return [_stack(_Scene.of(session, stack, now, away.get(stack.name))) for stack in found]


@dataclass(frozen=True, slots=True)
class _Scene:
    """One stack at one moment, with all that its answer is made from."""

    stack: Stack
    seen: Mapping[str, Service]
    live: list[HeldLease]
    moving: list[Window]
    calls: Mapping[tuple[str, str], Call]
    now: datetime
    away: datetime | None
    """Since when nobody who serves it was heard of."""

    @classmethod
    def of(cls, session: Session, stack: Stack, now: datetime, away: datetime | None) -> _Scene:
        return cls(
            stack=stack,
            seen=services.of(session, stack.name),
            live=windows.live_leases(session, [stack.name], now),
            moving=windows.moving_of(session, stack.name),
            calls=services.last_calls(session, [stack.name]),
            now=now,
            away=away,
        )

    @property
    def held(self) -> set[str]:
        return {lease.service for lease in self.live}

    def standing(self, name: str, role: Role) -> ServiceStatus:
        row = self.seen.get(name)
        if row is None:
            return ServiceStatus(role, Power.UNKNOWN)
        return ServiceStatus(
            role,
            Power(row.power),
            alive=row.alive,
            held=name in self.held,
            awaited=any(lease.service == name for window in self.moving for lease in window.leases),
            owed=row.owed,
            missed=row.drift_since is not None and not row.alive and name in self.held,
            failures=row.failures,
        )


def _stack(scene: _Scene) -> dict[str, Any]:
    roles = {name: spec.role for name, spec in scene.stack.spec.services.items()}
    # What was held once and is listed no more may still be there to be stopped.
    roles |= {name: Role.NONE for name, row in scene.seen.items() if name not in roles and row.alive}
    states = {State(window.state) for window in scene.moving}
    standings = [scene.standing(name, role) for name, role in roles.items()]
    said = {
        "name": scene.stack.name,
        "mode": stack_mode.mode(standings, states, rejected=bool(scene.stack.faults)),
        "node": scene.stack.node,
        "away": scene.away is not None,
        "away_since": stamp(scene.away) if scene.away else None,
        "services": [_service(scene, name, role) for name, role in sorted(roles.items(), key=_in_order)],
    }
    told = {"faults": scene.stack.faults, "refused": scene.stack.refused}
    return said | {name: lines for name, lines in told.items() if lines}


def _in_order(named: tuple[str, Role]) -> tuple[int, str]:
    return list(Role).index(named[1]), named[0]


def _power(scene: _Scene, row: Service | None) -> dict[str, Any]:
    if scene.away:
        return row_views.unheard(scene.stack.node, scene.away)
    if row is None:
        return {"power": Power.UNKNOWN, "ready": False, "detail": ""}
    return {"power": row.power, "ready": row.ready, "detail": row.detail}


def _service(scene: _Scene, name: str, role: Role) -> dict[str, Any]:
    row, call = scene.seen.get(name), scene.calls.get((scene.stack.name, name))
    live = [lease for lease in scene.live if lease.service == name]
    ends = max((lease.deadline for lease in live), default=None)
    return {
        "name": name,
        "role": role,
        **_power(scene, row),
        "holders": [lease.window for lease in live],
        "time_left_sec": row_views.number(round((ends - scene.now).total_seconds(), 3)) if ends else None,
        "last_call": row_views.call(call) if call else None,
        "drift": _drift(row, scene.standing(name, role)),
        "failed_stops": row.failures if row else 0,
        "retry_at": stamp(row.retry_at) if row and row.retry_at else None,
    }


def _drift(row: Service | None, service: ServiceStatus) -> dict[str, Any] | None:
    """Why its power is not what is wanted though nobody waits for it, and since when that is on record."""
    if row is None or not stack_mode.strays(service):
        return None
    return {"since": stamp(row.drift_since) if row.drift_since else None, "why": stack_mode.why(service)}
