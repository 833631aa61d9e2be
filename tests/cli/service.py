"""A service to talk to: the contract's JSON over real HTTP, told by a test what happens next.

It remembers every request. A window follows its `course`: each look at it takes
the next step, so a test says in which order things are seen and nothing depends
on time.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.serving import make_server

from tests.cli.api_bodies import window

TOKEN = "opensesame"
Answer = Response | tuple[Response, int] | tuple[Response, int, dict[str, str]]


@dataclass
class Asked:
    """One request as it came in."""

    method: str
    path: str
    args: dict[str, str]
    body: Any
    headers: dict[str, str]


@dataclass
class Service:
    """What the service knows, and what it was asked."""

    windows: dict[str, dict[str, Any]] = field(default_factory=dict)
    diagnoses: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    stacks: list[dict[str, Any]] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    opens_as: dict[str, Any] = field(default_factory=window)
    courses: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    refusals: dict[tuple[str, str], tuple[int, dict[str, Any]]] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)
    verdict: dict[str, Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    page: int = 100
    streams: bool = True
    said: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    listeners: int = 0
    logs: list[dict[str, Any]] = field(default_factory=list)
    breaks_after: int | None = None
    """Events after which each stream breaks off."""
    over: bool = False

    def add(self, *windows: dict[str, Any]) -> None:
        self.windows |= {one["id"]: dict(one) for one in windows}

    def course(self, identifier: str, *steps: dict[str, Any]) -> None:
        """What each further look at the window changes."""
        self.courses[identifier] = list(steps)

    def refuse(self, method: str, path: str, status: int, **problem: Any) -> None:
        self.refusals[method, path] = (status, problem)

    def say(self, identifier: str, entry: dict[str, Any]) -> None:
        """Send this to every listener."""
        with self.changed:
            self.said.append((identifier, entry))
            self.changed.notify_all()

    def wait_for_listener(self) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.listeners > 0, timeout=10)

    def requests(self, method: str, path: str) -> list[Asked]:
        return [one for one in self.asked if (one.method, one.path) == (method, path)]

    def stop(self) -> None:
        with self.changed:
            self.over = True
            self.changed.notify_all()

    def look(self, identifier: str) -> dict[str, Any]:
        if steps := self.courses.get(identifier):
            self.windows[identifier] = self.windows[identifier] | steps.pop(0)
        return self.windows[identifier]


class Server:
    """The service on a free loopback port, in a thread."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._server = make_server("127.0.0.1", 0, application(service), threaded=True)
        service.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Service:
        self._thread.start()
        return self._service

    def __exit__(self, *_: object) -> None:
        self._service.stop()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def problem(status: int, **members: Any) -> Response:
    text = json.dumps({"type": "about:blank", "title": "no", "status": status} | members)
    return Response(text, status, content_type="application/problem+json")


def application(service: Service) -> Flask:
    app = Flask(__name__)

    @app.before_request
    def remember() -> Response | None:
        path = request.path.removeprefix("/api/v1")
        body = request.get_json(silent=True)
        asked = Asked(request.method, path, dict(request.args), body, dict(request.headers))
        service.asked.append(asked)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return problem(401, detail="no such token")
        if refusal := service.refusals.get((request.method, path)):
            return problem(refusal[0], **refusal[1])
        return None

    _windows(app, service)
    _diagnoses(app, service)
    _trail(app, service)

    @app.get("/api/v1/stacks")
    def stacks() -> Answer:
        return _page(service, service.stacks)

    @app.get("/api/v1/stacks/<name>")
    def stack(name: str) -> Answer:
        matching = [one for one in service.stacks if one["name"] == name]
        allowed = [one["name"] for one in service.stacks]
        return (
            jsonify(matching[0])
            if matching
            else problem(404, detail=f"there is no stack {name!r}", allowed=allowed)
        )

    @app.get("/api/v1/stacks/<_name>/services/<service_name>/logs")
    def service_logs(_name: str, service_name: str) -> Answer:
        return _log_lines(service, service_name)

    @app.post("/api/v1/stacks/<name>/relocate")
    def relocate(name: str) -> Answer:
        return jsonify(next(one for one in service.stacks if one["name"] == name))

    return app


def _diagnoses(app: Flask, service: Service) -> None:
    @app.get("/api/v1/windows/<identifier>/diagnosis")
    def diagnosis(identifier: str) -> Answer:
        return jsonify({"items": service.diagnoses.get(identifier, [])}), 200


def _windows(app: Flask, service: Service) -> None:
    @app.post("/api/v1/windows")
    def open_one() -> Answer:
        if request.args.get("plan"):
            return jsonify(service.plan)
        service.add(service.opens_as)
        return jsonify(service.opens_as), 202, {"Location": f"/api/v1/windows/{service.opens_as['id']}"}

    @app.get("/api/v1/windows")
    def listed() -> Answer:
        matching = [
            one
            for one in service.windows.values()
            if request.args.get("state") in {None, one["state"]}
            and request.args.get("stack") in {None, one["stack"]}
        ]
        return _page(service, matching)

    @app.get("/api/v1/windows/<identifier>/logs")
    def logs(identifier: str) -> Answer:
        return _log_lines(service, request.args.get("service"))

    @app.get("/api/v1/windows/<identifier>")
    def one(identifier: str) -> Answer:
        if identifier not in service.windows:
            return problem(404, detail=f"there is no window {identifier!r}")
        return jsonify(service.look(identifier))

    @app.patch("/api/v1/windows/<identifier>")
    def extend(identifier: str) -> Answer:
        ttl = request.get_json()["ttl_sec"]
        service.windows[identifier] |= {"ttl_remaining_sec": ttl, "deadline": "2026-03-01T11:00:00.000Z"}
        return jsonify(service.windows[identifier])

    @app.post("/api/v1/windows/<identifier>/close")
    def close(identifier: str) -> Answer:
        if service.windows[identifier]["state"] == "closed":
            return jsonify(service.windows[identifier])
        service.windows[identifier] |= {"state": "closing"}
        return jsonify(service.windows[identifier]), 202


def _log_lines(service: Service, wanted: str | None) -> Response:
    matching = [one for one in service.logs if wanted in {None, one["service"]}]
    return Response("".join(json.dumps(one) + "\n" for one in matching), mimetype="application/x-ndjson")


def _trail(app: Flask, service: Service) -> None:
    @app.get("/api/v1/audit")
    def audit() -> Answer:
        wanted = request.args.get("window")
        matching = [one for one in service.entries if wanted in {None, one["window"]}]
        if request.headers.get("Accept") == "application/x-ndjson":
            return Response(
                "".join(json.dumps(one) + "\n" for one in matching), mimetype="application/x-ndjson"
            )
        return _page(service, matching)

    @app.get("/api/v1/audit/verify")
    def verify() -> Answer:
        return jsonify(service.verdict)

    @app.get("/api/v1/events")
    def events() -> Answer:
        if not service.streams:
            return problem(404, detail="no streams here")
        return Response(_stream(service, request.headers.get("Last-Event-ID")), mimetype="text/event-stream")


def _page(service: Service, items: list[dict[str, Any]]) -> Response:
    start = int(request.args.get("cursor", 0))
    end = start + min(service.page, int(request.args.get("limit", 100)))
    return jsonify({"items": items[start:end], "next": str(end) if end < len(items) else None})


def _stream(service: Service, last: str | None) -> Iterator[str]:
    identifiers = [identifier for identifier, _ in service.said]
    at = identifiers.index(last) + 1 if last else len(identifiers)

    def more() -> bool:
        return service.over or len(service.said) > at

    # A comment opens the stream, so that the listener knows it is heard.
    yield ": here\n\n"
    with service.changed:
        service.listeners += 1
        service.changed.notify_all()
    told_here = 0
    while not service.over:
        with service.changed:
            service.changed.wait_for(more, timeout=10)
            fresh, at = service.said[at:], len(service.said)
        for identifier, told_entry in fresh:
            yield f"id: {identifier}\nevent: {told_entry['event']}\ndata: {json.dumps(told_entry)}\n\n"
            told_here += 1
            if told_here == service.breaks_after:
                return
