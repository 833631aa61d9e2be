"""What a trace may and may not do to the rest."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import Any

import pytest

from app import settings, tracing

FORGED = ["", "x" * 5000, 7, None, ["00"], "00-0-0-00", "00-" + "g" * 32 + "-" + "a" * 16 + "-01", b"\xff"]


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr(tracing, "FAREWELL", 0.0)
    tracing.begin("test")
    yield
    tracing.end()


@pytest.mark.parametrize("forged", FORGED)
def test_a_header_of_another_form_is_no_trace(traced: None, forged: Any) -> None:
    with tracing.span("task", forged):
        assert tracing.trace_headers()[tracing.HEADER]


def test_what_is_carried_is_gone_on_with(traced: None) -> None:
    with tracing.span("request"):
        sent = tracing.trace_headers()[tracing.HEADER]
    with tracing.span("task", sent):
        assert tracing.trace_headers()[tracing.HEADER].split("-")[1] == sent.split("-")[1]


def test_without_the_packages_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    genuine = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ImportError(f"No module named {name!r}")
        return genuine(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    tracing.begin("test")
    assert "pip install 'power-windows[traces]'" in caplog.text
    with tracing.span("task"):
        assert tracing.trace_headers() == {}


def test_only_an_endpoint_turns_it_on() -> None:
    asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
    assert [settings.load(one).traces for one in ({}, asked, asked | {"OTEL_SDK_DISABLED": "true"})] == [
        False,
        True,
        False,
    ]
