"""The REST API as it is: requests out, the server's JSON or an error of `power_windows.errors` back.

This module takes no decisions. `power_windows.Client` makes values of the replies for programs;
the command `power` shows the replies as they are.
"""

import json
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Self, cast
from urllib.parse import quote

import httpx

from power_windows import discovery, problems
from power_windows.discovery import Target
from power_windows.errors import PowerError, Unreachable, not_text
from power_windows.event_stream import Stream
from power_windows.payloads import Diagnosis, Entry, Plan, Stack, Verdict, Window
from power_windows.server_address import authorization, base_url, is_loopback, without_password

TIMEOUT = httpx.Timeout(30, connect=5)
STREAM_TIMEOUT = httpx.Timeout(45, connect=5)
"""An open stream carries data or a comment at least every 15 s, so a silent one has lost its server."""
VERIFY_TIMEOUT = 600.0
"""Seconds for the check of the audit trail, which computes the hash of every entry."""
PAGE_SIZE = 100
RETRY_PAUSES = (0.3, 1.0, 2.0, 3.0)
"""Seconds before each repeated opening; together long enough for a standalone to restart its web process."""
RECONNECT_SECONDS = 1.0
"""Seconds between the end of an event stream and the request for the next."""


def _ignore() -> None:
    """Do nothing when a stream breaks."""


class Api:
    """The routes of one server, called with one token. Every method raises `power_windows.errors`."""

    def __init__(self, target: Target) -> None:
        self.url = target.url
        self._http = httpx.Client(
            base_url=base_url(target.url),
            headers=authorization(target.token),
            timeout=TIMEOUT,
            verify=target.url.startswith("https:"),
            # A proxy that the environment names for outside addresses cannot reach this machine's loopback.
            trust_env=not is_loopback(target.url),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        """Return the JSON of a GET; parameters that are None are left out."""
        return self._json(self.send("GET", path, params=_without_none(params)))

    def pages(self, path: str, *, limit: int | None = None, **params: Any) -> Iterator[Any]:
        """Yield the items of a list route, page after page, at most `limit` of them."""
        cursor, left = None, limit
        while left is None or left > 0:
            size = PAGE_SIZE if left is None else min(PAGE_SIZE, left)
            page = self.get(path, **params, limit=size, cursor=cursor)
            if not isinstance(page, dict) or "items" not in page:
                raise Unreachable(
                    f"{without_password(self.url)} did not answer with a list; is POWER_URL right?"
                )
            items = page["items"][:left]
            yield from items
            cursor, left = page["next"], None if left is None else left - len(items)
            if cursor is None:
                return

    def stacks(self) -> list[Stack]:
        """Return all stacks with their services."""
        return list(self.pages("/stacks"))

    def stack(self, name: str) -> Stack:
        """Return one stack; raises NotFound."""
        reply = self.send("GET", f"/stacks/{_path_part(name)}", requested=[name])
        return cast(Stack, self._json(reply))

    def service_diagnosis(self, stack: str, service: str) -> Diagnosis:
        """Return why a service of a stack fails, without causes where it does not; raises NotFound."""
        path = f"/stacks/{_path_part(stack)}/services/{_path_part(service)}/diagnosis"
        return cast(Diagnosis, self._json(self.send("GET", path, requested=[stack, service])))

    def window_diagnosis(self, window: str) -> list[Diagnosis]:
        """Return why services of a window failed while it held them; raises NotFound."""
        path = f"/windows/{_path_part(window)}/diagnosis"
        reply = self._json(self.send("GET", path, requested=[window]))
        return cast(list[Diagnosis], reply["items"])

    def relocate(self, name: str) -> Stack:
        """Allow a stack's held services and pending stops to apply to the next engine that serves it."""
        reply = self.send("POST", f"/stacks/{quote(name, safe='')}/relocate", requested=[name])
        return cast(Stack, self._json(reply))

    def window(self, identifier: str) -> Window:
        """Return one window; raises NotFound."""
        return cast(Window, self.get(_window_path(identifier)))

    def windows(self, limit: int | None = None, **filters: str | None) -> Iterator[Window]:
        """Yield windows, newest first; `filters` are the route's query parameters."""
        return self.pages("/windows", limit=limit, **filters)

    def plan(self, body: Mapping[str, Any]) -> Plan:
        """Return what an opening with this body would start; nothing is changed."""
        reply = self.send("POST", "/windows", params={"plan": "1"}, json=body, requested=_names(body))
        return cast(Plan, self._json(reply))

    def open(self, body: Mapping[str, Any], key: str | None = None) -> Window:
        """Open a window; return it as soon as the server has accepted it.

        The request has an Idempotency-Key, `key` or a new one. Where the answer is lost, it is sent again
        with the same key after each of RETRY_PAUSES, so it opens one window.
        """
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        try:
            return self._open(body, headers)
        except Unreachable as error:
            if not _may_have_arrived(error):
                raise
        return self._open_again(body, headers)

    def _open_again(self, body: Mapping[str, Any], headers: dict[str, str]) -> Window:
        for pause in RETRY_PAUSES[:-1]:
            time.sleep(pause)
            with suppress(Unreachable):
                return self._open(body, headers)
        time.sleep(RETRY_PAUSES[-1])
        return self._open(body, headers)

    def _open(self, body: Mapping[str, Any], headers: dict[str, str]) -> Window:
        reply = self.send("POST", "/windows", json=body, headers=headers, requested=_names(body))
        return cast(Window, self._json(reply))

    def extend(self, identifier: str, ttl_sec: float) -> Window:
        """Move a window's deadline to `ttl_sec` seconds from now; return the window."""
        reply = self.send("PATCH", _window_path(identifier), json={"ttl_sec": ttl_sec})
        return cast(Window, self._json(reply))

    def close(self, identifier: str, *, force: bool, reason: str | None = None) -> Window:
        """Start to close a window; return it. With `force` its services are killed."""
        body = _without_none({"force": force or None, "reason": reason})
        return cast(Window, self._json(self.send("POST", f"{_window_path(identifier)}/close", json=body)))

    def create_token(
        self, name: str, stack: str, service: str, ttl_sec: float | None, **lookers: list[str] | None
    ) -> dict[str, Any]:
        """Create a token for one service's waiting page; only this reply has the token's text, as `token`.

        `lookers` are `only_looks_agents` and `only_looks_paths`, the requests that open no window;
        None means the server's defaults.
        """
        route = {"stack": stack, "service": service}
        body = _without_none({"name": name, "wake": route, "ttl_sec": ttl_sec, **lookers})
        reply = self.send("POST", "/tokens", json=body, requested=[service])
        return cast(dict[str, Any], self._json(reply))

    def create_namespace_token(self, name: str, namespace: str) -> dict[str, Any]:
        """Create a token with every right in one namespace; only this reply has its text, as `token`."""
        reply = self.send("POST", "/tokens", json={"name": name, "namespace": namespace})
        return cast(dict[str, Any], self._json(reply))

    def tokens(self) -> list[dict[str, Any]]:
        """Return all tokens, without their texts."""
        return list(self.get("/tokens")["items"])

    def revoke_token(self, name: str) -> None:
        """Revoke a token; raises NotFound."""
        self.send("DELETE", f"/tokens/{_path_part(name)}")

    def verify(self) -> Verdict:
        """Have the server check the hash chains of the audit trail; return the result of each chain."""
        return cast(Verdict, self._json(self.send("GET", "/audit/verify", timeout=VERIFY_TIMEOUT)))

    def audit(self, **params: Any) -> Iterator[Entry]:
        """Yield entries of the audit trail, oldest first, while the response arrives."""
        return self._json_lines("/audit", _without_none(params), TIMEOUT)

    def logs(
        self, identifier: str, *, service: str | None = None, tail: int | None = None, follow: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Yield the log lines of a window's services; with `follow` until the window has ended."""
        params = _without_none({"service": service, "tail": tail, "follow": "1" if follow else None})
        return self._json_lines(f"{_window_path(identifier)}/logs", params, STREAM_TIMEOUT)

    def service_logs(self, stack: str, service: str, *, tail: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield the last log lines of an allowed service, whether or not a window holds it."""
        path = f"/stacks/{_path_part(stack)}/services/{_path_part(service)}/logs"
        return self._json_lines(path, _without_none({"tail": tail}), STREAM_TIMEOUT)

    @contextmanager
    def listen(self, last_id: str | None = None) -> Iterator[Stream]:
        """Open an event stream: the events from now on, or those after the event `last_id`."""
        headers = _without_none({"Accept": "text/event-stream", "Last-Event-ID": last_id})
        with self._stream("/events", headers=headers, timeout=STREAM_TIMEOUT) as reply:
            yield Stream(reply)

    def events(
        self, *, before: Callable[[], Iterable[Entry]] = tuple, lost: Callable[[], None] = _ignore
    ) -> Iterator[Entry]:
        """Yield every event from now on, without end. A stream that breaks is resumed after its last event.

        `before` is called once, when the first stream is open, and its entries come first; so no entry is
        missed between the two. `lost` is called each time a stream ends. Raises Unreachable only where
        the first stream cannot be opened.
        """
        last_id: str | None = None
        began = False
        while True:
            stream: Stream | None = None
            try:
                with self.listen(last_id) as stream:
                    if not began:
                        yield from before()
                    began = True
                    yield from stream
            except Unreachable:
                if not began:
                    raise
            last_id = (stream and stream.last_id) or last_id
            lost()
            time.sleep(RECONNECT_SECONDS)

    def send(self, method: str, path: str, requested: Iterable[str] = (), **options: Any) -> httpx.Response:
        """Send a request; `requested` are names in it, which an error compares with those allowed."""
        with self._connection_errors():
            reply = self._http.request(method, path, **options)
        if not reply.is_success:
            raise problems.failure(reply, requested)
        return reply

    def _json_lines(self, path: str, params: dict[str, Any], timeout: httpx.Timeout) -> Iterator[Any]:
        headers = {"Accept": "application/x-ndjson"}
        with self._stream(path, headers=headers, params=params, timeout=timeout) as reply:
            for line in reply.iter_lines():
                if line.strip():
                    yield json.loads(line)

    @contextmanager
    def _stream(self, path: str, **options: Any) -> Iterator[httpx.Response]:
        with self._connection_errors(), self._http.stream("GET", path, **options) as reply:
            if not reply.is_success:
                reply.read()
                raise problems.failure(reply)
            yield reply

    @contextmanager
    def _connection_errors(self) -> Iterator[None]:
        """Raise Unreachable for an error of the connection, WrongUsage for text that is not UTF-8."""
        try:
            yield
        except UnicodeEncodeError as error:
            raise not_text(str(error.object), error.start) from error
        except httpx.RequestError as error:
            cause = str(error) or type(error).__name__
            raise Unreachable(
                f"{without_password(self.url)} cannot be reached: {cause}; is the service running?"
            ) from error

    def _json(self, reply: httpx.Response) -> Any:
        try:
            return reply.json()
        except ValueError as error:
            url = without_password(str(reply.request.url))
            raise Unreachable(f"{url} did not answer in JSON; is POWER_URL right?") from error


def connect() -> Api:
    """Return the API of the server that the environment names, else of the standalone that runs here.

    No request is sent. Raises the errors of `discovery.find`.
    """
    return Api(discovery.find(os.environ))


def _path_part(text: str) -> str:
    """Return text as a part of a path; raises WrongUsage for text that is not UTF-8."""
    try:
        return quote(text, safe="")
    except UnicodeEncodeError as error:
        raise not_text(text, error.start) from error


def _window_path(identifier: str) -> str:
    return f"/windows/{_path_part(identifier)}"


def _without_none(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _names(body: Mapping[str, Any]) -> list[str]:
    return [*body["services"], *filter(None, [body.get("stack")])]


def _may_have_arrived(error: PowerError) -> bool:
    """Tell whether the connection broke after it was made, so that the server may have the request."""
    cause = error.__cause__
    return isinstance(cause, httpx.RequestError) and not isinstance(cause, httpx.ConnectError)
