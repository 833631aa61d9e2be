"""The state of all stacks as one flat object, for dashboards that show single values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from app.domain.enums import Mode, Power, Role, State
from app.store.tables import Window, stamp

_HOLDING = {State.OPENING, State.OPEN}


def summarize(
    stacks: Collection[Mapping[str, Any]], windows: Sequence[Window], now: datetime
) -> dict[str, Any]:
    """The summary of these stacks, as `describe_stacks` returns them, and their unfinished windows."""
    rows = [(stack["name"], service) for stack in stacks for service in stack["services"]]
    known = [service for _, service in rows if service["role"] != Role.NONE]
    failing = [f"{stack}/{service['name']}" for stack, service in rows if service["power"] == Power.FAILING]
    states = [State(window.state) for window in windows]
    return {
        "stacks": len(stacks),
        "stacks_rejected": sum(stack["mode"] == Mode.REJECTED for stack in stacks),
        "stacks_away": sum(stack["away"] for stack in stacks),
        "services": len(known),
        "services_on": sum(service["power"] == Power.ON for service in known),
        "failing": len(failing),
        "failing_services": ", ".join(failing),
        "drifting": sum(service["drift"] is not None for _, service in rows),
        **{f"windows_{state}": states.count(state) for state in State if state is not State.CLOSED},
        "stuck": sum(window.stuck for window in windows),
        **_next_end(windows, now),
    }


def _next_end(windows: Sequence[Window], now: datetime) -> dict[str, Any]:
    """When the next window ends that holds its services, and whose it is."""
    holding = [window for window in windows if window.state in _HOLDING and window.deadline > now]
    if not holding:
        return {"next_deadline": None, "minutes_left": None, "next_services": "", "next_actor": ""}
    window = min(holding, key=lambda one: one.deadline)
    return {
        "next_deadline": stamp(window.deadline),
        "minutes_left": round((window.deadline - now).total_seconds() / 60, 1),
        "next_services": ", ".join(window.services),
        "next_actor": window.actor,
    }
