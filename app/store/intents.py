"""Named queries about requests for intents and their builds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.domain.intents import IntentState
from app.domain.stack_id import StackId
from app.store import paging
from app.store.tables import BuildOutput, IntentRequest, ServiceBuild


def get(session: Session, request: str) -> IntentRequest | None:
    """The request of this id, or None."""
    return session.get(IntentRequest, request)


def page(
    session: Session, *, intent: str | None = None, before: paging.RowPlace | None = None, limit: int = 50
) -> list[IntentRequest]:
    """Requests, newest first, from beyond `before` (created_at, id)."""
    query = paging.newest_first(select(IntentRequest), IntentRequest, before, limit)
    if intent is not None:
        query = query.where(IntentRequest.intent == intent)
    return list(session.scalars(query))


def note_progress(
    session: Session,
    request: str,
    state: IntentState,
    detail: str,
    *,
    builds: Sequence[Mapping[str, Any]],
    checks: Sequence[Mapping[str, Any]],
) -> None:
    """Store how far a request is; a finished one stays as it is."""
    going = update(IntentRequest).where(
        IntentRequest.id == request, IntentRequest.state != IntentState.FINISHED
    )
    rows = {"builds": [dict(one) for one in builds], "checks": [dict(one) for one in checks]}
    session.execute(going.values(state=state, detail=detail, **rows))


def add_output(
    session: Session, request: str, service: str, text: str, now: datetime, *, most_pieces: int
) -> None:
    """Store a piece of a build's output; of more than `most_pieces` the oldest go."""
    session.add(BuildOutput(request_id=request, service=service, text=text, at=now))
    session.flush()
    piece_ids = select(BuildOutput.id).where(BuildOutput.request_id == request)
    first = session.scalar(piece_ids.order_by(BuildOutput.id.desc()).offset(most_pieces).limit(1))
    if first is not None:
        old = delete(BuildOutput).where(BuildOutput.request_id == request, BuildOutput.id <= first)
        session.execute(old)


def output(session: Session, request: str, after: int, limit: int) -> list[BuildOutput]:
    """Pieces of the output of a request's builds beyond the id `after`, oldest first."""
    query = select(BuildOutput).where(BuildOutput.request_id == request, BuildOutput.id > after)
    return list(session.scalars(query.order_by(BuildOutput.id).limit(limit)))


def last_build(session: Session, stack: StackId, service: str) -> ServiceBuild | None:
    """What the image of a service was last built from, or None."""
    return session.get(ServiceBuild, (stack, service))


def last_builds(session: Session, stack: StackId) -> dict[str, ServiceBuild]:
    """What the images of a stack's services were last built from, by service."""
    builds = session.scalars(select(ServiceBuild).where(ServiceBuild.stack == stack))
    return {one.service: one for one in builds}


def note_build(
    session: Session, stack: StackId, service: str, *, content: str, image: str, now: datetime
) -> None:
    """Store what the image of a service was built from."""
    build = ServiceBuild(stack=stack, service=service, content=content, image_id=image, built_at=now)
    session.merge(build)


def forget(session: Session, before: datetime) -> None:
    """Delete the finished requests that were made before this time, with their output."""
    old = select(IntentRequest.id).where(
        IntentRequest.state == IntentState.FINISHED, IntentRequest.created_at < before
    )
    session.execute(delete(BuildOutput).where(BuildOutput.request_id.in_(old)))
    session.execute(delete(IntentRequest).where(IntentRequest.id.in_(old)))
