"""Whatever is sent, the answer is one of the specification, and never a fault of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.web import problems
from tests.web.caller import Caller

AGAIN = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

WORDS = st.one_of(st.text(max_size=40), st.sampled_from(["forge", "redis", "secret", "studio", "--", "\0"]))
NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([10**400, 1e308, 5e-324, -0.0]))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=6,
)
MEMBERS = st.sampled_from(["services", "stack", "ttl_sec", "reason", "force", "window_id"])
BODIES = st.one_of(
    VALUES,
    st.dictionaries(st.one_of(MEMBERS, WORDS), st.one_of(VALUES, st.lists(WORDS, max_size=3)), max_size=5),
)
RAW = st.one_of(st.binary(max_size=200), BODIES.map(lambda body: json.dumps(body).encode()))
KINDS = st.sampled_from(["application/json", "application/problem+json", "text/plain", "", "a/b; charset=x"])
ROUTES = st.sampled_from(
    [
        ("POST", "/windows"),
        ("POST", "/windows?plan=1"),
        ("PATCH", "/windows/WINDOW"),
        ("POST", "/windows/WINDOW/close"),
        ("POST", "/madre/power/window/close"),
    ]
)
HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60)
QUERIES = st.dictionaries(
    st.one_of(st.sampled_from(["state", "stack", "limit", "cursor", "window", "actor", "after"]), WORDS),
    st.one_of(WORDS, st.integers().map(str), st.sampled_from(["open", "W10", "WyIyMDI2Il0"])),
    max_size=3,
)


# A thread of the application that draws a random number meanwhile is none of the strategies.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")


def never_a_fault(answer: Any) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.content_type == problems.PROBLEM_JSON
        assert {"type", "title", "status", "detail"} <= answer.json.keys()


@AGAIN
@given(route=ROUTES, raw=RAW, kind=KINDS)
def test_no_body_is_a_fault(api: Caller, route: tuple[str, str], raw: bytes, kind: str) -> None:
    method, path = route
    never_a_fault(api.call(method, path.replace("WINDOW", "0123456789abcdef"), data=raw, content_type=kind))


@AGAIN
@given(body=BODIES)
def test_no_extension_of_a_live_window_is_a_fault(api: Caller, body: Any) -> None:
    windows = api.get("/windows?limit=1").json["items"]
    window = windows[0] if windows else api.post("/windows", {"services": ["forge"]}).json
    raw = json.dumps(body)
    never_a_fault(
        api.patch(f"/windows/{window['id']}", data=raw, headers={"Content-Type": "application/json"})
    )


@AGAIN
@given(path=st.sampled_from(["/windows", "/stacks", "/audit"]), query=QUERIES)
def test_no_query_is_a_fault(api: Caller, path: str, query: dict[str, str]) -> None:
    clean = {name: value.encode(errors="replace").decode() for name, value in query.items()}
    never_a_fault(api.get(path, query_string=clean))


@AGAIN
@given(rest=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_no_address_is_a_fault(api: Caller, rest: str) -> None:
    plain = rest.replace("?", "").replace("#", "")
    for path in ("/windows/", "/stacks/", "/"):
        never_a_fault(api.open("GET", f"/api/v1{path}{plain}", headers=_token(api)))


@AGAIN
@given(
    name=st.sampled_from(["Idempotency-Key", "Prefer", "Last-Event-ID", "Accept", "Authorization"]),
    value=HEADER,
)
def test_no_header_is_a_fault(api: Caller, name: str, value: str) -> None:
    headers = _token(api) | {name: value}
    if name == "Last-Event-ID":
        answer = api.open("GET", "/api/v1/events", headers=headers, buffered=False)
        answer.close()
    else:
        body = {"services": ["forge"]}
        answer = api.open("POST", "/api/v1/windows", json=body, headers=headers)
    if answer.status_code >= 400:
        never_a_fault(answer)


def _token(api: Caller) -> dict[str, str]:
    return {"Authorization": f"Bearer {api.token}"}
