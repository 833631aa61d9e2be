"""`Client`: what a program may ask of the service, in and out as values.

It may be shared by threads. Every method raises an error of `power_windows.errors`.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator
from typing import Any, Self

from power_windows import discovery, durations
from power_windows.discovery import Target
from power_windows.errors import Unreachable
from power_windows.held_window import HeldWindow, Terms
from power_windows.rest import Api
from power_windows.states import State
from power_windows.values import Entry, Line, Plan, Stack, Window

Duration = float | str
"""Seconds, or as people write them: `90`, `90s`, `30m`, `1h30m`."""


class Client:
    """One service. Without an address, the one that POWER_URL names or the standalone that runs here."""

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        environ = dict(os.environ)
        if url:
            environ["POWER_URL"] = url
        if token:
            environ["POWER_TOKEN"] = token
        target = discovery.find(environ)
        self._api = Api(Target(target.url, target.token))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()

    def disconnect(self) -> None:
        """Let go of the connections; windows stay as they are."""
        self._api.__exit__()

    @property
    def url(self) -> str:
        return self._api.url

    def open(
        self,
        *services: str,
        stack: str | None = None,
        ttl: Duration | None = None,
        reason: str | None = None,
        key: str | None = None,
    ) -> Window:
        """Ask for a window, and return it on its way up.

        Asked again by itself where the answer is lost, under one Idempotency-Key, so it opens once. Who
        may be interrupted and start over gives a `key` of his own.
        """
        return Window.of(self._api.open(window_request(services, stack, ttl, reason), key))

    def plan(self, *services: str, stack: str | None = None, ttl: Duration | None = None) -> Plan:
        """What opening would do; changes nothing."""
        return Plan.of(self._api.plan(window_request(services, stack, ttl, None)))

    def extend(self, window: str | Window, ttl: Duration) -> Window:
        """Move a window's deadline to so long from now."""
        return Window.of(self._api.extend(_id(window), seconds(ttl)))

    def close(self, window: str | Window, *, reason: str | None = None, force: bool = False) -> Window:
        """Start closing a window; one that is closed stays as it is."""
        return Window.of(self._api.close(_id(window), force=force, reason=reason))

    def get(self, window: str | Window) -> Window:
        """The window as it is now."""
        return Window.of(self._api.window(_id(window)))

    def windows(
        self, *, state: State | str | None = None, stack: str | None = None, limit: int | None = None
    ) -> Iterator[Window]:
        """Windows, newest first."""
        return map(Window.of, self._api.windows(limit=limit, state=state, stack=stack))

    def stacks(self) -> list[Stack]:
        return [Stack.of(told) for told in self._api.stacks()]

    def stack(self, name: str) -> Stack:
        return Stack.of(self._api.stack(name))

    def audit(
        self, *, window: str | Window | None = None, actor: str | None = None, limit: int | None = None
    ) -> Iterator[Entry]:
        """The trail, oldest first."""
        asked = {"window": _id(window) if window else None, "actor": actor, "limit": limit}
        return map(Entry.of, self._api.audit(**asked))

    def events(self) -> Iterator[Entry]:
        """Every change from now on, without an end; a stream that breaks is resumed and misses nothing."""
        return map(Entry.of, self._api.events())

    def logs(
        self,
        window: str | Window,
        *,
        service: str | None = None,
        tail: int | None = None,
        follow: bool = False,
    ) -> Iterator[Line]:
        """What the window's services wrote while it held them, in order of time."""
        told = self._api.logs(_id(window), service=service, tail=tail, follow=follow)
        return (Line.of(one) for one in told if "line" in one)

    def window(
        self,
        *services: str,
        stack: str | None = None,
        ttl: Duration = "2m",
        reason: str | None = None,
        within: Duration | None = None,
        partial_ok: bool = False,
    ) -> HeldWindow:
        """Hold services for the length of a block:

            with client.window("switch", "hermes", ttl="5m", reason="tests") as window:
                ...

        Opens, waits until they are ready (`within` so long, if given), extends the window to `ttl` again
        and again while the block runs, and closes it at the end, whatever ends it. A process that is killed
        extends no more, so a short `ttl` is how soon its services are let go of.

        Raises NotReady, with the window closed again, where a service failed; `partial_ok` is content with
        some. What went wrong while the block ran is in `window.faults`; that a window could not be kept
        is logged at once, and warned of (LetGo) when the block ends.
        """
        body = window_request(services, stack, ttl, reason)
        terms = Terms(body, str(uuid.uuid4()), None if within is None else seconds(within), partial_ok)
        return HeldWindow(self._api, terms)

    def here(self) -> bool:
        """Does it answer?"""
        try:
            self._api.stacks()
        except Unreachable:
            return False
        return True


def seconds(given: Duration) -> float:
    """Raises ValueError, saying what would be right."""
    return durations.parse(given) if isinstance(given, str) else given


def window_request(
    services: Iterable[str], stack: str | None, ttl: Duration | None, reason: str | None
) -> dict[str, Any]:
    """The body that asks for a window."""
    asked = {"stack": stack, "ttl_sec": None if ttl is None else seconds(ttl), "reason": reason}
    return {"services": list(services)} | {name: value for name, value in asked.items() if value is not None}


def _id(window: str | Window) -> str:
    return window if isinstance(window, str) else window.id
