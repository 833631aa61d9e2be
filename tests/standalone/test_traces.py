"""Traces of a whole standalone, by a receiver that reads OTLP, and by one that never answers."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from app import tracing
from tests.standalone.waiting import until
from tests.standalone.whole_standalone import Standalone

NAMES = ["POST /api/v1/windows", "power.open_window", "compose up"]


class Receiver:
    """Keeps every span it is sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        spans = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = ExportTraceServiceRequest()
                assert self.headers.get("Content-Encoding") in {None, "identity"}
                sent.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
                for resource in sent.resource_spans:
                    for scope in resource.scope_spans:
                        spans.extend(scope.spans)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """What is asked is no news."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def of(self, window: str) -> list[Span]:
        """The spans above the first compose call for a window, from the request down."""
        spans = {span.span_id: span for span in list(self.spans)}
        for span in spans.values():
            if span.name == NAMES[-1] and facts(span).get("power.window") == window:
                line = [span]
                while line[0].parent_span_id in spans:
                    line.insert(0, spans[line[0].parent_span_id])
                if [one.name for one in line] == NAMES:
                    return line
        return []


def facts(span: Span) -> dict[str, str]:
    return {one.key: one.value.string_value for one in span.attributes}


@pytest.fixture
def standalone(tmp_path: Path) -> Iterator[Standalone]:
    one = Standalone(tmp_path)
    yield one
    one.clear()


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()
        thread.join()


def opened(standalone: Standalone, **headers: str) -> str:
    token = (standalone.data / "token").read_text().strip()
    answer = httpx.post(
        f"http://127.0.0.1:{standalone.port}/api/v1/windows",
        json={"services": ["forge"], "ttl_sec": 60},
        headers={"Authorization": f"Bearer {token}", **headers},
        timeout=20,
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_one_trace_goes_from_the_request_to_the_compose_call(
    standalone: Standalone, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        standalone.start()

        def traced() -> list[Span]:
            # On a busy machine the watch may come before the task, and begins a trace of its own.
            window = opened(standalone)
            patience = time.monotonic() + 15
            while time.monotonic() < patience and not receiver.of(window):
                time.sleep(0.1)
            return receiver.of(window)

        line = until(traced, 90)
        standalone.stop()

    assert len({span.trace_id for span in line}) == 1
    assert facts(line[2])["power.service"] == "forge"
    assert facts(line[2])["process.command"].endswith("-- forge")


def test_a_receiver_that_never_answers_delays_nothing(
    standalone: Standalone, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        standalone.start()
        for forged in ("00-" + "f" * 32 + "-" + "f" * 16 + "-01", "x" * 5000, "00-0-0-00"):
            began = time.monotonic()
            window = opened(standalone, traceparent=forged)
            assert time.monotonic() - began < 5
            until(partial(ended, standalone, window), 30)
        began = time.monotonic()
        assert standalone.stop() == 0
        assert time.monotonic() - began < 30


def ended(standalone: Standalone, window: str) -> bool:
    """Its one service has no image, so it has been tried when it is closed."""
    token = (standalone.data / "token").read_text().strip()
    address = f"http://127.0.0.1:{standalone.port}/api/v1/windows/{window}"
    body = httpx.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=20).json()
    return bool(body["state"] == "closed" and body["results"])


def test_without_being_asked_there_is_nothing() -> None:
    with tracing.span("nothing", "00-" + "a" * 32 + "-" + "b" * 16 + "-01") as span:
        span.tell(what="ever")
        assert tracing.trace_headers() == {}
