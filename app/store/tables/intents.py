"""Requests for intents, what their builds print, and which content each service's image was built from."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import JSON, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.intents import Approval, IntentOutcome, IntentState
from app.domain.stack_id import StackId
from app.store.tables.base import BigId, EnumColumn, Table
from app.store.tables.jobs import JobColumns


class IntentRequest(JobColumns, Table):
    """One request for an intent: who asked for it, how far it is, and how it ended."""

    __tablename__ = "intent_requests"
    __table_args__ = (
        Index("intent_requests_newest", "created_at", "id"),
        Index("intent_requests_by_state", "state", "node"),
    )

    UNFINISHED: ClassVar[tuple[IntentState, ...]] = tuple(
        state for state in IntentState if state is not IntentState.FINISHED
    )

    intent: Mapped[str] = mapped_column(String(60))
    ttl_sec: Mapped[float | None]
    """The length of the window from its opening; None where it ends at `until`."""
    until: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)
    approval: Mapped[Approval] = mapped_column(EnumColumn(Approval, Approval.OTHER), default=Approval.NONE)
    state: Mapped[IntentState] = mapped_column(EnumColumn(IntentState, IntentState.FINISHED))
    outcome: Mapped[IntentOutcome | None] = mapped_column(EnumColumn(IntentOutcome, None))
    builds: Mapped[list[dict[str, Any]]] = mapped_column(JSON(), default=list)
    """`service`, `status` and `detail` of each build, in their order."""
    checks: Mapped[list[dict[str, Any]]] = mapped_column(JSON(), default=list)
    """Each check as a step of a run."""
    approved_by: Mapped[str | None] = mapped_column(String(120))

    def audit_facts(self) -> dict[str, str]:
        """Which request it is, as every audit entry about it has it."""
        return {"request": self.id, "intent": self.intent}


class BuildOutput(Table):
    """A piece of what the builds of a request print, in the order of `id`."""

    __tablename__ = "build_output"
    __table_args__ = (Index("build_output_of_request", "request_id", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    request_id: Mapped[str] = mapped_column(String(32))
    service: Mapped[str] = mapped_column(String(120))
    at: Mapped[datetime]
    text: Mapped[str] = mapped_column(Text)


class ServiceBuild(Table):
    """The content that the image of a service was last built from by a request."""

    __tablename__ = "service_builds"

    stack: Mapped[StackId] = mapped_column(String(120), primary_key=True)
    service: Mapped[str] = mapped_column(String(120), primary_key=True)
    content: Mapped[str] = mapped_column(String(64))
    """The digest of build section, Dockerfile and build context."""
    image_id: Mapped[str] = mapped_column(String(120))
    built_at: Mapped[datetime]
