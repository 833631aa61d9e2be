"""The REST API as it is: requests out, the service's JSON or an error of `power_windows.errors` back.

Nothing is decided here. `power_windows.Client` makes values of the replies for programs;
the commands show them as they came.
"""

import ipaddress
import json
import os
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Self, cast
from urllib.parse import quote

import httpx

from power_windows import discovery, problems
from power_windows.discovery import Target
from power_windows.errors import PowerError, Unreachable, WrongUsage, not_text
from power_windows.payloads import Entry, Plan, Stack, Verdict, Window

ROOT = "/api/v1"
TIMEOUT = httpx.Timeout(30, connect=5)
# The service says something at least every quarter of a minute on an open stream; silence means it is gone.
STREAM_TIMEOUT = httpx.Timeout(45, connect=5)
PAGE = 100
# Long enough together for a standalone to start its front again.
_PAUSES = (0.3, 1.0, 2.0, 3.0)


# Seconds before a stream that broke is asked for again.
AGAIN = 1.0


def _nothing() -> None:
    """Nobody wants to know."""


def _no_stream(_: "Stream") -> None:
    """Nobody wants to know that either."""


class Api:
    """One service, reached with one token."""

    def __init__(self, target: Target) -> None:
        self.url = target.url
        self._http = httpx.Client(
            base_url=_address(target.url) + ROOT,
            headers=_authorization(target.token),
            timeout=TIMEOUT,
            verify=target.url.startswith("https:"),
            # A proxy that the environment names for the world would swallow requests to this machine.
            trust_env=not _loopback(target.url),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **params: Any) -> Any:
        return self._json(self._send("GET", path, params=_given(params)))

    def pages(self, path: str, *, limit: int | None = None, **params: Any) -> Iterator[Any]:
        """The items of a list, page after page, `limit` of them at most."""
        cursor, left = None, limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            page = self.get(path, **params, limit=size, cursor=cursor)
            if not isinstance(page, dict) or "items" not in page:
                raise Unreachable(
                    f"{_without_password(self.url)} did not answer with a list; is POWER_URL right?"
                )
            items = page["items"][:left]
            yield from items
            cursor, left = page["next"], None if left is None else left - len(items)
            if cursor is None:
                return

    def stacks(self) -> list[Stack]:
        return list(self.pages("/stacks"))

    def stack(self, name: str) -> Stack:
        reply = self._send("GET", f"/stacks/{_quoted(name)}", asked=[name])
        return cast(Stack, self._json(reply))

    def relocate(self, name: str) -> Stack:
        """Let what a stack holds and owes count for wherever its worker serves it next."""
        reply = self._send("POST", f"/stacks/{quote(name, safe='')}/relocate", asked=[name])
        return cast(Stack, self._json(reply))

    def window(self, identifier: str) -> Window:
        return cast(Window, self.get(_window(identifier)))

    def windows(self, limit: int | None = None, **filters: str | None) -> Iterator[Window]:
        return self.pages("/windows", limit=limit, **filters)

    def plan(self, body: Mapping[str, Any]) -> Plan:
        reply = self._send("POST", "/windows", params={"plan": "1"}, json=body, asked=_names(body))
        return cast(Plan, self._json(reply))

    def open(self, body: Mapping[str, Any], key: str | None = None) -> Window:
        """Ask for a window; asked again under the same key when an answer is lost, so it opens once."""
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        try:
            return self._open(body, headers)
        except Unreachable as error:
            if not _interrupted(error):
                raise
        return self._again(body, headers)

    def _again(self, body: Mapping[str, Any], headers: dict[str, str]) -> Window:
        for pause in _PAUSES[:-1]:
            time.sleep(pause)
            with suppress(Unreachable):
                return self._open(body, headers)
        time.sleep(_PAUSES[-1])
        return self._open(body, headers)

    def _open(self, body: Mapping[str, Any], headers: dict[str, str]) -> Window:
        reply = self._send("POST", "/windows", json=body, headers=headers, asked=_names(body))
        return cast(Window, self._json(reply))

    def extend(self, identifier: str, ttl_sec: float) -> Window:
        return cast(Window, self._json(self._send("PATCH", _window(identifier), json={"ttl_sec": ttl_sec})))

    def close(self, identifier: str, *, force: bool, reason: str | None = None) -> Window:
        body = _given({"force": force or None, "reason": reason})
        return cast(Window, self._json(self._send("POST", f"{_window(identifier)}/close", json=body)))

    def create_token(
        self, name: str, stack: str, service: str, ttl_sec: float | None, **lookers: list[str] | None
    ) -> dict[str, Any]:
        """A token for one service's waiting page; `token` is its text, said this once.

        `lookers` are `only_looks_agents` and `only_looks_paths`, where other than the usual ones.
        """
        route = {"stack": stack, "service": service}
        body = _given({"name": name, "wake": route, "ttl_sec": ttl_sec, **lookers})
        return cast(dict[str, Any], self._json(self._send("POST", "/tokens", json=body, asked=[service])))

    def tokens(self) -> list[dict[str, Any]]:
        return list(self.get("/tokens")["items"])

    def revoke_token(self, name: str) -> None:
        self._send("DELETE", f"/tokens/{_quoted(name)}")

    def verify(self) -> Verdict:
        # Every entry is hashed again, which takes its time on a long trail.
        return cast(Verdict, self._json(self._send("GET", "/audit/verify", timeout=600)))

    def audit(self, **params: Any) -> Iterator[Entry]:
        """The trail, oldest first, as it is read."""
        headers = {"Accept": "application/x-ndjson"}
        with self._stream("/audit", headers=headers, params=_given(params), timeout=TIMEOUT) as reply:
            for line in reply.iter_lines():
                if line.strip():
                    yield json.loads(line)

    @contextmanager
    def listen(self, last: str | None = None) -> Iterator["Stream"]:
        """The events from now on, or from after the event `last`."""
        headers = _given({"Accept": "text/event-stream", "Last-Event-ID": last})
        with self._stream("/events", headers=headers, timeout=STREAM_TIMEOUT) as reply:
            yield Stream(reply)

    def events(
        self,
        *,
        before: Callable[[], Iterable[Entry]] = tuple,
        lost: Callable[[], None] = _nothing,
        found: Callable[["Stream"], None] = _no_stream,
    ) -> Iterator[Entry]:
        """Every event from now on, without an end; a stream that breaks is resumed and misses nothing.

        What is written already comes `before`, asked for once the first stream is open, so that nothing
        falls between. `found` is told of each stream and `lost` when it breaks. Raises Unreachable only
        where the first one cannot be had.
        """
        place: str | None = None
        began = False
        while True:
            stream: Stream | None = None
            try:
                with self.listen(place) as stream:
                    found(stream)
                    if not began:
                        yield from before()
                    began = True
                    yield from stream
            except Unreachable:
                if not began:
                    raise
            place = (stream and stream.place) or place
            lost()
            time.sleep(AGAIN)

    def logs(
        self, identifier: str, *, service: str | None = None, tail: int | None = None, follow: bool = False
    ) -> Iterator[dict[str, Any]]:
        """What a window's services wrote, line by line; with `follow` until the window has ended."""
        params = _given({"service": service, "tail": tail, "follow": "1" if follow else None})
        headers = {"Accept": "application/x-ndjson"}
        path, timeout = f"{_window(identifier)}/logs", STREAM_TIMEOUT
        with self._stream(path, headers=headers, params=params, timeout=timeout) as reply:
            for line in reply.iter_lines():
                if line.strip():
                    yield json.loads(line)

    def _send(self, method: str, path: str, asked: Iterable[str] = (), **rest: Any) -> httpx.Response:
        with self._reached():
            reply = self._http.request(method, path, **rest)
        if not reply.is_success:
            raise problems.failure(reply, asked)
        return reply

    @contextmanager
    def _stream(self, path: str, **rest: Any) -> Iterator[httpx.Response]:
        with self._reached(), self._http.stream("GET", path, **rest) as reply:
            if not reply.is_success:
                reply.read()
                raise problems.failure(reply)
            yield reply

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except UnicodeEncodeError as error:
            raise not_text(str(error.object), error.start) from error
        except httpx.RequestError as error:
            said = str(error) or type(error).__name__
            raise Unreachable(
                f"{_without_password(self.url)} cannot be reached: {said}; is the service running?"
            ) from error

    def _json(self, reply: httpx.Response) -> Any:
        try:
            return reply.json()
        except ValueError as error:
            raise Unreachable(
                f"{_without_password(str(reply.request.url))} did not answer in JSON; is POWER_URL right?"
            ) from error


class Stream:
    """An open stream of server-sent events; `hang_up` ends it from another thread."""

    place: str | None = None
    """The id to resume after."""

    def __init__(self, reply: httpx.Response) -> None:
        self._reply = reply

    def __iter__(self) -> Iterator[Entry]:
        data: list[str] = []
        place = self.place
        for line in self._reply.iter_lines():
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "id":
                place = value
            elif name == "data":
                data.append(value)
            elif not line:
                # Only now: what broke off half-way is to come again.
                self.place = place
                if data and (entry := _entry("\n".join(data))):
                    yield entry
                data = []

    def hang_up(self) -> None:
        raw = self._reply.extensions["network_stream"].get_extra_info("socket")
        # The other side may have been faster.
        with suppress(OSError):
            raw.shutdown(socket.SHUT_RDWR)


def _entry(data: str) -> Entry | None:
    """What an event tells; None where that is no JSON, which the next event says nothing of."""
    try:
        return cast(Entry, json.loads(data))
    except ValueError:
        return None


def here() -> Api:
    """A client of the service that this environment means."""
    return Api(discovery.find(os.environ))


def _quoted(text: str) -> str:
    """Text as a part of a path; raises WrongUsage for what is no text."""
    try:
        return quote(text, safe="")
    except UnicodeEncodeError as error:
        raise not_text(text, error.start) from error


def _window(identifier: str) -> str:
    return f"/windows/{_quoted(identifier)}"


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _names(body: Mapping[str, Any]) -> list[str]:
    return [*body["services"], *filter(None, [body.get("stack")])]


def _interrupted(error: PowerError) -> bool:
    """Was the service there when we began, so that it may have heard us?"""
    cause = error.__cause__
    return isinstance(cause, httpx.RequestError) and not isinstance(cause, httpx.ConnectError)


def _address(url: str) -> str:
    try:
        given = httpx.URL(url)
    except httpx.InvalidURL:
        given = httpx.URL()
    if given.scheme not in {"http", "https"} or not given.host or "%" in given.host:
        raise WrongUsage(
            f"POWER_URL={_without_password(url)} is not an address; write it like http://127.0.0.1:8420"
        )
    return url.rstrip("/").removesuffix(ROOT)


def _without_password(url: str) -> str:
    """An address as a message may show it: without a user and password."""
    return re.sub(r"//.*@", "//***@", url)


def _loopback(url: str) -> bool:
    try:
        host = httpx.URL(url).host
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except (httpx.InvalidURL, ValueError):
        return False


def _authorization(token: str | None) -> dict[str, str]:
    if token is None:
        return {}
    if not (token.isascii() and token.isprintable()):
        raise WrongUsage("POWER_TOKEN holds characters that no token has; was it copied whole?")
    return {"Authorization": f"Bearer {token}"}
