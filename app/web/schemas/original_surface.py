"""The responses of the original API, `/madre/power`."""

from __future__ import annotations

from pydantic import Field

from app.domain.enums import Mode, State, Status
from app.web.schemas.base import AnswerModel, Timestamp
from app.web.schemas.stacks import Stack
from app.web.schemas.windows import Call, Window


class LegacyWindow(AnswerModel):
    """A window, as the original API answers."""

    window_id: str
    state: State
    created_at: Timestamp
    deadline: Timestamp
    ttl_remaining_sec: float
    status: Status | None
    results: list[Call]
    timestamp: Timestamp


class LegacyClosed(LegacyWindow):
    """A closed window, as the original API answers."""

    services_stopped: list[str]


class LegacyStatus(AnswerModel):
    """The state of all stacks, as the original API answers."""

    mode: Mode | None = Field(description="The first that is true of any stack; null where there is none.")
    stacks: list[Stack]
    windows: list[Window] = Field(description="Those that are not closed.")
    timestamp: Timestamp
