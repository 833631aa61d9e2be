"""The routes for intents: list them, plan and make a request, follow it, approve or cancel it.

A server whose feature `intents` is off has none of these routes and answers NotFound.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote

from power_windows.payloads import BuildOutput, Intent, IntentPlan, IntentRequest
from power_windows.rest import Api

INTENT_POLL_SECONDS = 0.5
"""Seconds between two readings of a request that is awaited."""


class IntentRoutes:
    """The intents of one server. Every method raises `power_windows.errors`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def intents(self) -> list[Intent]:
        """Return all intents, by name."""
        return cast(list[Intent], self._api.get("/intents")["items"])

    def plan(self, name: str, body: Mapping[str, Any]) -> IntentPlan:
        """Return what a request would do; raises NotFound and what `want` raises."""
        return cast(IntentPlan, self._post(_intent_path(name), body, plan="1"))

    def want(self, name: str, body: Mapping[str, Any]) -> IntentRequest:
        """Ask for an intent: `ttl_sec` or `until`, `reason`, `stack`, `approve`; return the request."""
        return cast(IntentRequest, self._post(_intent_path(name), body))

    def request(self, identifier: str) -> IntentRequest:
        """Return one request; raises NotFound."""
        return cast(IntentRequest, self._api.get(_request_path(identifier)))

    def newest(self, limit: int | None = None, intent: str | None = None) -> list[IntentRequest]:
        """Return requests, newest first."""
        return list(self._api.pages("/intent-requests", limit=limit, intent=intent))

    def output(self, identifier: str, after: int = 0) -> tuple[list[BuildOutput], int]:
        """Return pieces of what builds have printed, and the number to send as `after` next time."""
        page = self._api.get(f"{_request_path(identifier)}/output", after=after)
        return cast(list[BuildOutput], page["items"]), int(page["next"])

    def approve(self, identifier: str) -> IntentRequest:
        """Approve a request that another token has made; raises Refused for one's own."""
        return cast(IntentRequest, self._post(f"{_request_path(identifier)}/approve", None))

    def cancel(self, identifier: str) -> IntentRequest:
        """Cancel a request and close its window; one that is finished stays as it is."""
        return cast(IntentRequest, self._post(f"{_request_path(identifier)}/cancel", None))

    def create_approver(self, name: str) -> dict[str, Any]:
        """Create a token that only approves requests; only this reply has its text, as `token`."""
        return cast(dict[str, Any], self._post("/tokens", {"name": name, "approver": True}))

    def wait(self, request: IntentRequest) -> IntentRequest:
        """Return a request once it is finished. Interrupting the wait leaves it as it is."""
        while request["state"] != "finished":
            time.sleep(INTENT_POLL_SECONDS)
            request = self.request(request["id"])
        return request

    def _post(self, path: str, body: Mapping[str, Any] | None, **params: str) -> Any:
        more: dict[str, Any] = {} if body is None else {"json": dict(body)}
        return self._api.send("POST", path, params=params, **more).json()


def _intent_path(name: str) -> str:
    return f"/intents/{quote(name, safe='')}"


def _request_path(identifier: str) -> str:
    return f"/intent-requests/{quote(identifier, safe='')}"
