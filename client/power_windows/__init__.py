"""A Power Windows server from a program: `Client`, its values and its errors.

    from power_windows import Client

    with Client() as client, client.window("switch", "hermes", ttl="5m") as window:
        ...

A name is imported at its first use, so that `import power_windows` does not load httpx.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from power_windows.client import Client
    from power_windows.diagnoses import Cause, Diagnosis
    from power_windows.errors import Failed, NotFound, NotReady, PowerError, Refused, Unreachable, WrongUsage
    from power_windows.held_window import HeldWindow, LetGo
    from power_windows.values import (
        Call,
        Entry,
        Health,
        IntentRequest,
        Line,
        Plan,
        Run,
        Service,
        Stack,
        Window,
    )

_NAMES_BY_MODULE = {
    "client": ("Client",),
    "held_window": ("HeldWindow", "LetGo"),
    "diagnoses": ("Cause", "Diagnosis"),
    "values": (
        "Call",
        "Entry",
        "Health",
        "IntentRequest",
        "Line",
        "Plan",
        "Run",
        "Service",
        "Stack",
        "Window",
    ),
    "errors": ("Failed", "NotFound", "NotReady", "PowerError", "Refused", "Unreachable", "WrongUsage"),
}
_MODULE_BY_NAME = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names}

__all__ = [
    "Call", "Cause", "Client", "Diagnosis", "Entry", "Failed", "Health", "HeldWindow", "IntentRequest",
    "LetGo", "Line",
    "NotFound", "NotReady", "Plan", "PowerError", "Refused", "Run", "Service", "Stack", "Unreachable",
    "Window", "WrongUsage",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _MODULE_BY_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"power_windows.{_MODULE_BY_NAME[name]}"), name)
