"""The words of the API that the client compares with: states of a window, how it opened, power of a service.

The server has the same words in its own module. A server of a later version may send words that are not here.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a window is between its request and its end."""

    WAITING = "waiting"
    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class Status(StrEnum):
    """How many of a window's services became ready: all, some or none."""

    OK = "ok"
    PARTIAL = "partial"
    FAIL = "fail"


class Power(StrEnum):
    """What a service does, as its worker last observed it."""

    OFF = "off"
    STARTING = "starting"
    ON = "on"
    DONE = "done"
    FAILING = "failing"
    STOPPING = "stopping"
    UNKNOWN = "unknown"
