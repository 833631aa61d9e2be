"""The service from a program: `Client`, its values and its errors.

    from app.client import Client

    with Client() as client, client.window("switch", "hermes", ttl="5m") as window:
        ...

Nothing is loaded until it is asked for, so that importing this costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.client.errors import Failed, NotFound, NotReady, PowerError, Refused, Unreachable, WrongUsage
    from app.client.holding import Held, LetGo
    from app.client.house import Client
    from app.client.windows import Call, Entry, Health, Line, Plan, Service, Stack, Window

_WHERE = {
    "house": ("Client",),
    "holding": ("Held", "LetGo"),
    "windows": ("Call", "Entry", "Health", "Line", "Plan", "Service", "Stack", "Window"),
    "errors": ("Failed", "NotFound", "NotReady", "PowerError", "Refused", "Unreachable", "WrongUsage"),
}
_MODULES = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "Call", "Client", "Entry", "Failed", "Health", "Held", "LetGo", "Line", "NotFound", "NotReady", "Plan",
    "PowerError", "Refused", "Service", "Stack", "Unreachable", "Window", "WrongUsage",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"app.client.{_MODULES[name]}"), name)
