"""Follows a request for an intent: build output as it comes, then a line for each change."""

from __future__ import annotations

import time

import click

from app.cli import output, window_text
from app.domain.intents import IntentState
from power_windows.errors import Unreachable
from power_windows.intents import INTENT_POLL_SECONDS, IntentRoutes
from power_windows.payloads import IntentRequest

LOST_WAIT = 30.0
"""Seconds for which a server that is away is waited for."""


def follow_request(routes: IntentRoutes, request: IntentRequest, *, silent: bool) -> IntentRequest:
    """The finished request. Interrupting the wait leaves it as it is and ends the command with 1."""
    shown = _RequestLines(routes, silent=silent)
    lost_since: float | None = None
    try:
        while True:
            shown.update(request)
            if request["state"] == IntentState.FINISHED:
                return request
            time.sleep(INTENT_POLL_SECONDS)
            try:
                request, lost_since = routes.request(request["id"]), None
            except Unreachable:
                lost_since = lost_since or time.monotonic()
                if time.monotonic() - lost_since > LOST_WAIT:
                    raise
    except KeyboardInterrupt:
        output.note(
            f"\nrequest {request['id']} goes on; list requests with `power want`, "
            f"cancel it with `power want --cancel {request['id']}`"
        )
        raise click.exceptions.Exit(1) from None


class _RequestLines:
    """What has been printed of one request."""

    def __init__(self, routes: IntentRoutes, *, silent: bool) -> None:
        self._routes, self._silent = routes, silent
        self._after = 0
        self._printed: dict[str, str] = {}

    def update(self, request: IntentRequest) -> None:
        """Print what is new."""
        if self._silent:
            return
        if request["state"] != IntentState.FINISHED:
            waits = " (Ctrl-C leaves it as it is)" if request["state"] == IntentState.WAITING else ""
            self._print("request", f"request {request['id']}: {request['detail']}{waits}")
        if request["builds"]:
            self._print_output(request["id"])
        for build in request["builds"]:
            if build["status"] != "pending" or build["detail"]:
                service, detail = build["service"], window_text.first_line(build["detail"])
                self._print(f"build {service}", f"build {service}  {build['status']}  {detail}")
        for check in request["checks"]:
            if check["status"] not in {"pending", "skipped"}:
                detail = window_text.first_line(check["detail"])
                self._print(f"check {check['name']}", f"check {check['name']}  {check['status']}  {detail}")

    def _print_output(self, request: str) -> None:
        while True:
            pieces, self._after = self._routes.output(request, self._after)
            for piece in pieces:
                for line in piece["text"].splitlines():
                    output.say(f"  {piece['service']} | {output.harmless(line)}")
            if not pieces:
                return

    def _print(self, subject: str, line: str) -> None:
        if self._printed.get(subject) != line:
            self._printed[subject] = line
            output.say(output.harmless(line).rstrip())
