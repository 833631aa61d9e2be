"""Every answer has the headers that keep it from being framed, guessed at or stored."""

from __future__ import annotations

import pytest

from app.domain.names import RESERVED
from tests.web.caller import Caller


@pytest.mark.parametrize(
    "path",
    [
        *("/docs", "/openapi.json", "/healthz", "/readyz", "/metrics", "/api/v1/windows", "/api/v1/stacks"),
        *("/api/v1/audit", "/api/v1/tokens", "/api/v1/windows/none", "/nothing", "/wake/x/y", "//docs"),
    ],
)
def test_every_answer_is_complete(api: Caller, path: str) -> None:
    for headers in ({}, {"Authorization": f"Bearer {api.token}"}, {"Authorization": "Bearer no"}):
        answer = api.open("GET", path, headers=headers)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    "path", ["//docs", "/docs//", "/api//v1/windows", "/api/v1//windows", "/madre//power/status"]
)
def test_the_host_header_decides_no_redirect(api: Caller, path: str) -> None:
    answer = api.open("GET", path, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
    assert "evil.example" not in answer.headers.get("Location", "")
    assert answer.status_code < 500


@pytest.mark.parametrize("name", [*sorted(RESERVED), "Clock", "HOUSE", "Power-Windows"])
def test_no_token_takes_a_reserved_name(api: Caller, name: str) -> None:
    body = {"name": name, "wake": {"stack": "studio", "service": "forge"}}
    answer = api.post("/tokens", body)
    assert (answer.status_code, "reserved" in answer.text) == (422, True)
