"""The response of the summary for dashboards."""

from __future__ import annotations

from pydantic import Field

from app.web.schemas.base import AnswerModel, Timestamp


class DashboardSummary(AnswerModel):
    """Everything a dashboard shows in one flat object of numbers and texts."""

    stacks: int
    stacks_rejected: int = Field(
        description="Stacks whose files were refused, so that nothing can be opened."
    )
    stacks_away: int = Field(description="Stacks whose node sends no heartbeat.")
    services: int = Field(description="Services that are core or allowed.")
    services_on: int = Field(description="Those of them that run and are ready.")
    failing: int = Field(description="Services of any role that fail.")
    failing_services: str = Field(description="Their names, as `stack/service`, separated by commas.")
    drifting: int = Field(description="Services whose power no window explains.")
    windows_waiting: int
    windows_opening: int
    windows_open: int
    windows_closing: int
    stuck: int = Field(description="Closing windows whose services refuse to stop.")
    next_deadline: Timestamp | None = Field(description="When the next window ends; null without one.")
    minutes_left: float | None = Field(description="Minutes until then.")
    next_services: str = Field(description="The services of that window, separated by commas.")
    next_actor: str = Field(description="Who opened it.")
