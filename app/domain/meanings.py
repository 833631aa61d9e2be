"""What each word that the product shows of a stack, a service or a window means, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from app.domain.enums import Mode, Power, Role, State, Status

MODES: Mapping[StrEnum, str] = {
    Mode.REJECTED: "power.toml or a compose file has faults, so nothing can be opened; each fault is shown",
    Mode.DRIFT: "a service runs though no window holds it, is off though an open window holds it, or core is "
    "down; `power ps` says which",
    Mode.CLOSING: "a window is closing: its services are being stopped",
    Mode.OPEN: "a window is opening or open",
    Mode.SOLO_CORE: "no window is open, and only the core services are on",
}
POWERS: Mapping[StrEnum, str] = {
    Power.OFF: "no container of it runs",
    Power.STARTING: "it is being started, or runs and is not ready yet",
    Power.ON: "it runs and is ready: healthy, or without a healthcheck steady for `stable_for`",
    Power.DONE: "a one-shot that has exited with 0",
    Power.FAILING: "it should run and does not, is paused, keeps restarting, or is unhealthy; "
    "`power diagnose` says why",
    Power.STOPPING: "it is being stopped",
    Power.UNKNOWN: "the engine does not answer about it, or its worker is away",
}
ROLES: Mapping[StrEnum, str] = {
    Role.CORE: "always on; Power Windows never starts, stops, restarts or recreates it",
    Role.ALLOWED: "off, until a window powers it",
    Role.NONE: "in neither list of power.toml, so Power Windows never starts it",
}
STATES: Mapping[StrEnum, str] = {
    State.WAITING: "it begins later, when its node is back; it holds nothing yet",
    State.OPENING: "its services start, in the order of their dependencies",
    State.OPEN: "its services are ready, or some of them (`partial`), until the deadline",
    State.CLOSING: "its services stop, unless another window holds them; `stuck` where one does not stop",
    State.CLOSED: "it has ended; `close_reason` says why",
}
STATUSES: Mapping[StrEnum, str] = {
    Status.OK: "all its services came up",
    Status.PARTIAL: "some of its services came up",
    Status.FAIL: "none of the services that it was opened for came up",
}
GROUPS: Mapping[str, Mapping[StrEnum, str]] = {
    "Mode of a stack, the first that is true": MODES,
    "Power of a service": POWERS,
    "Role of a service": ROLES,
    "State of a window": STATES,
    "Status of a window": STATUSES,
}
"""All words with their meanings, by what they are said of."""
