"""The service from a program: `Client`, its values and its errors.

    from power_windows import Client

    with Client() as client, client.window("switch", "hermes", ttl="5m") as window:
        ...

Nothing is loaded until it is asked for, so that importing this costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from power_windows.client import Client
    from power_windows.errors import Failed, NotFound, NotReady, PowerError, Refused, Unreachable, WrongUsage
    from power_windows.held_window import HeldWindow, LetGo
    from power_windows.values import Call, Entry, Health, Line, Plan, Service, Stack, Window

_WHERE = {
    "client": ("Client",),
    "held_window": ("HeldWindow", "LetGo"),
    "values": ("Call", "Entry", "Health", "Line", "Plan", "Service", "Stack", "Window"),
    "errors": ("Failed", "NotFound", "NotReady", "PowerError", "Refused", "Unreachable", "WrongUsage"),
}
_MODULES = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "Call", "Client", "Entry", "Failed", "Health", "HeldWindow", "LetGo", "Line", "NotFound", "NotReady",
    "Plan", "PowerError", "Refused", "Service", "Stack", "Unreachable", "Window", "WrongUsage",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"power_windows.{_MODULES[name]}"), name)
