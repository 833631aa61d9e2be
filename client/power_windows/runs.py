"""The routes for runs of scenarios: start one, read it, cancel it, read its report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, cast
from urllib.parse import quote

from power_windows.errors import PowerError
from power_windows.payloads import Run
from power_windows.rest import Api

RUN_POLL_SECONDS = 0.5
"""Seconds between two readings of a run that is awaited."""


class RunRoutes:
    """The runs of one server. Every method raises `power_windows.errors`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def start(self, scenario: Mapping[str, Any]) -> Run:
        """Start a run of a scenario, given as the document of its file; return the run, which is queued."""
        services = scenario.get("services") or ()
        reply = self._api.send("POST", "/runs", json={"scenario": scenario}, requested=list(services))
        return cast(Run, reply.json())

    def read(self, identifier: str) -> Run:
        """Return one run; raises NotFound."""
        return cast(Run, self._api.get(_path(identifier)))

    def wait(self, run: Run) -> Run:
        """Return a run once it is finished. An exception meanwhile, Ctrl-C included, cancels it."""
        try:
            while run["state"] != "finished":
                time.sleep(RUN_POLL_SECONDS)
                run = self.read(run["id"])
        except BaseException:
            with suppress(PowerError):
                self.cancel(run["id"])
            raise
        return run

    def newest(self, limit: int | None = None, **filters: str | None) -> Iterator[Run]:
        """Yield runs, newest first; `filters` are the route's query parameters."""
        return self._api.pages("/runs", limit=limit, **filters)

    def cancel(self, identifier: str) -> Run:
        """Cancel a run; return it. Its worker closes the window and finishes the run with a report."""
        return cast(Run, self._api.send("POST", f"{_path(identifier)}/cancel").json())

    def report(self, identifier: str, form: str = "json") -> str:
        """Return the report of a finished run: `json`, `md`, `html`, `junit`. Raises Refused without one."""
        return self._api.send("GET", f"{_path(identifier)}/report", params={"format": form}).text


def _path(identifier: str) -> str:
    return f"/runs/{quote(identifier, safe='')}"
