"""`Client`: the API for programs, with values as arguments and results.

Threads may share a client. Every method raises the errors of `power_windows.errors`.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Self

from power_windows import discovery, durations
from power_windows.diagnoses import Diagnosis
from power_windows.discovery import Target
from power_windows.errors import Unreachable
from power_windows.held_window import HeldWindow, Terms
from power_windows.intents import IntentRoutes
from power_windows.rest import Api
from power_windows.runs import RunRoutes
from power_windows.states import State
from power_windows.values import Entry, IntentRequest, Line, Plan, Run, Stack, Window

DurationLike = float | str
"""Seconds as a number, or a duration as text: `90`, `90s`, `30m`, `1h30m`."""


class Client:
    """A client of one server: of `url`, else of POWER_URL, else of the standalone that runs on this machine.

    Without `token`, POWER_TOKEN or the standalone's own token is used.
    """

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
        """Close the connections; windows stay as they are."""
        self._api.__exit__()

    @property
    def url(self) -> str:
        """The server's address."""
        return self._api.url

    def open(
        self,
        *services: str,
        stack: str | None = None,
        ttl: DurationLike | None = None,
        reason: str | None = None,
        key: str | None = None,
    ) -> Window:
        """Open a window; return it while it is opening.

        Where the answer is lost, the request is sent again with the same Idempotency-Key, so it opens one
        window. A program that may restart in between gives its own `key`.
        """
        return Window.of(self._api.open(window_request(services, stack, ttl, reason), key))

    def plan(self, *services: str, stack: str | None = None, ttl: DurationLike | None = None) -> Plan:
        """Return what an opening would start; nothing is changed."""
        return Plan.of(self._api.plan(window_request(services, stack, ttl, None)))

    def extend(self, window: str | Window, ttl: DurationLike) -> Window:
        """Move a window's deadline to `ttl` from now; return the window."""
        return Window.of(self._api.extend(_id(window), seconds(ttl)))

    def close(self, window: str | Window, *, reason: str | None = None, force: bool = False) -> Window:
        """Start to close a window; return it. A closed one stays as it is; `force` kills its services."""
        return Window.of(self._api.close(_id(window), force=force, reason=reason))

    def get(self, window: str | Window) -> Window:
        """Return a window as it is now; raises NotFound."""
        return Window.of(self._api.window(_id(window)))

    def windows(
        self, *, state: State | str | None = None, stack: str | None = None, limit: int | None = None
    ) -> Iterator[Window]:
        """Yield windows, newest first, of one state or stack if given."""
        return map(Window.of, self._api.windows(limit=limit, state=state, stack=stack))

    def stacks(self) -> list[Stack]:
        """Return all stacks with their services."""
        return [Stack.of(payload) for payload in self._api.stacks()]

    def stack(self, name: str) -> Stack:
        """Return one stack; raises NotFound."""
        return Stack.of(self._api.stack(name))

    def audit(
        self, *, window: str | Window | None = None, actor: str | None = None, limit: int | None = None
    ) -> Iterator[Entry]:
        """Yield entries of the audit trail, oldest first, of one window or actor if given."""
        filters = {"window": _id(window) if window else None, "actor": actor, "limit": limit}
        return map(Entry.of, self._api.audit(**filters))

    def events(self) -> Iterator[Entry]:
        """Yield every event from now on, without end; a stream that breaks is resumed after its last one."""
        return map(Entry.of, self._api.events())

    def logs(
        self,
        window: str | Window,
        *,
        service: str | None = None,
        tail: int | None = None,
        follow: bool = False,
    ) -> Iterator[Line]:
        """Yield what the window's services wrote while it held them, in order of time.

        `tail` is the number of last lines for each container; with `follow` until the window has ended.
        """
        payloads = self._api.logs(_id(window), service=service, tail=tail, follow=follow)
        return (Line.of(payload) for payload in payloads if "line" in payload)

    def diagnosis(self, window: str | Window) -> list[Diagnosis]:
        """Return why services of the window failed while it held them; raises NotFound."""
        return [Diagnosis.of(payload) for payload in self._api.window_diagnosis(_id(window))]

    def window(
        self,
        *services: str,
        stack: str | None = None,
        ttl: DurationLike = "2m",
        reason: str | None = None,
        within: DurationLike | None = None,
        partial_ok: bool = False,
    ) -> HeldWindow:
        """Return a context manager that holds services for the length of a block:

            with client.window("switch", "hermes", ttl="5m", reason="tests") as window:
                ...

        It opens a window, waits until the services are ready, at most `within` if given, extends the
        window to `ttl` from now every third of `ttl` while the block runs, and closes it when the block
        ends for any reason. A killed process does not extend it, so its services go off within `ttl`.

        Entering raises NotReady, with the window closed, where a service failed; with `partial_ok` one
        ready service is enough. Errors while the block ran are in `window.faults`. A window that ends
        before its block is logged at once, and the warning LetGo follows when the block ends.
        """
        body = window_request(services, stack, ttl, reason)
        terms = Terms(body, str(uuid.uuid4()), None if within is None else seconds(within), partial_ok)
        return HeldWindow(self._api, terms)

    def conduct(self, scenario: Mapping[str, Any], *, wait: bool = True) -> Run:
        """Run a scenario, given as the document of its file; return the finished run, with its outcome.

        Without `wait` the run is returned queued. An exception while it is awaited cancels it, Ctrl-C too.
        """
        routes = RunRoutes(self._api)
        payload = routes.start(scenario)
        return Run.of(routes.wait(payload) if wait else payload)

    def run(self, run: str | Run) -> Run:
        """Return a run as it is now; raises NotFound."""
        return Run.of(RunRoutes(self._api).read(_id(run)))

    def runs(self, *, stack: str | None = None, limit: int | None = None) -> Iterator[Run]:
        """Yield runs, newest first, of one stack if given."""
        return map(Run.of, RunRoutes(self._api).newest(limit=limit, stack=stack))

    def cancel(self, run: str | Run) -> Run:
        """Cancel a run and close its window; return it. A finished one stays as it is."""
        return Run.of(RunRoutes(self._api).cancel(_id(run)))

    def report(self, run: str | Run, form: str = "json") -> str:
        """Return the report of a finished run: `json`, `md`, `html`, `junit`. Raises Refused without one."""
        return RunRoutes(self._api).report(_id(run), form)

    def want(
        self,
        intent: str,
        *,
        ttl: DurationLike | None = None,
        until: datetime | None = None,
        reason: str | None = None,
        stack: str | None = None,
        approve: bool = False,
        wait: bool = True,
    ) -> IntentRequest:
        """Ask for an intent; return the request once it is finished or, without `wait`, at once.

        `until` has a time zone. Raises NotFound for an unknown intent and where intents are off.
        """
        end = {
            "ttl_sec": None if ttl is None else seconds(ttl),
            "until": until.isoformat() if until else None,
        }
        given = {**end, "reason": reason, "stack": stack, "approve": approve}
        routes = IntentRoutes(self._api)
        request = routes.want(intent, {name: value for name, value in given.items() if value is not None})
        return IntentRequest.of(routes.wait(request) if wait else request)

    def here(self) -> bool:
        """Tell whether the server answers; raises Refused for a token that it does not accept."""
        try:
            self._api.stacks()
        except Unreachable:
            return False
        return True


def seconds(given: DurationLike) -> float:
    """Return a duration in seconds; raises ValueError, with the valid forms, for text that is none."""
    return durations.parse(given) if isinstance(given, str) else given


def window_request(
    services: Iterable[str], stack: str | None, ttl: DurationLike | None, reason: str | None
) -> dict[str, Any]:
    """Return the JSON of the request for a window; what is None is left out."""
    options = {"stack": stack, "ttl_sec": None if ttl is None else seconds(ttl), "reason": reason}
    return {"services": list(services)} | {
        name: value for name, value in options.items() if value is not None
    }


def _id(named: str | Window | Run) -> str:
    return named if isinstance(named, str) else named.id
