"""Requests that only look: they open nothing, and each token may say which ones they are."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from app.domain.enums import Event
from app.store import audit
from tests.system import System
from tests.web.caller import Caller
from tests.web.wake.wake_caller import FORGE, made, windows

LOOKERS = [
    {"X-Forwarded-Uri": "/favicon.ico?v=2"},
    {"X-Forwarded-Uri": "/robots.txt"},
    {"X-Forwarded-Uri": "/apple-touch-icon-precomposed.png"},
    {"X-Forwarded-Uri": "/.well-known/security.txt"},
    {"User-Agent": "Uptime-Kuma/1.23"},
    {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"},
    {"Purpose": "prefetch"},
    {"X-Forwarded-Method": "head"},
]


@pytest.mark.parametrize("headers", LOOKERS)
def test_who_only_looks_wakes_nothing(door: Caller, system: System, headers: dict[str, str]) -> None:
    assert "asleep" in door.get(FORGE, headers=headers).json["detail"]
    assert windows(system) == []


def wakes(door: Caller, **headers: str) -> bool:
    return "asleep" not in door.get(FORGE, headers=headers).json["detail"]


BOT = {"User-Agent": "Robot-Arm-Client/2"}
FEED = {"X-Forwarded-Uri": "/Feed.xml?since=1"}
ICON = {"X-Forwarded-Uri": "/favicon.ico"}


def test_a_token_may_have_agents_of_its_own_that_only_look(app: Flask, api: Caller) -> None:
    with_agents = made(app, api, only_looks_agents=["MyReader"])
    assert not wakes(with_agents, **{"User-Agent": "myreader/1.0"})
    assert not wakes(with_agents, **ICON)
    assert wakes(with_agents, **BOT)


def test_a_token_may_have_paths_of_its_own_that_only_look(app: Flask, api: Caller) -> None:
    with_paths = made(app, api, only_looks_paths=["/feed"])
    assert not wakes(with_paths, **FEED)
    assert not wakes(with_paths, **BOT)
    assert wakes(with_paths, **ICON)


@pytest.mark.parametrize("headers", [BOT, ICON])
def test_with_empty_lists_every_visitor_wakes_it(app: Flask, api: Caller, headers: dict[str, str]) -> None:
    with_empty_lists = made(app, api, only_looks_agents=[], only_looks_paths=[])
    assert not wakes(with_empty_lists, **{"Purpose": "prefetch"})
    assert wakes(with_empty_lists, **headers)


def test_who_only_looks_is_shown_with_the_token_and_on_record(
    app: Flask, api: Caller, system: System
) -> None:
    made(app, api, only_looks_agents=[])
    (listed,) = [one for one in api.get("/tokens").json["items"] if one["name"] == "own"]
    assert listed["only_looks_agents"] == []
    assert "/robots.txt" in listed["only_looks_paths"]
    with system.database.read() as session:
        entries = audit.entries(session, limit=5000)
    facts = [one.as_json()["facts"] for one in entries if one.event == Event.TOKEN_CREATED]
    assert facts[-1]["only_looks_agents"] == []
    assert "only_looks_paths" not in facts[-1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"only_looks_agents": [""]},
        {"only_looks_agents": "bot"},
        {"only_looks_agents": ["x" * 121]},
        {"only_looks_agents": ["x"] * 101},
        {"only_looks_paths": ["feed"]},
        {"only_looks_paths": ["/"]},
        {"only_looks_paths": [7]},
    ],
)
def test_lists_that_cannot_be_meant_are_refused_by_name(api: Caller, wrong: dict[str, Any]) -> None:
    body = {"name": "own", "wake": {"stack": "studio", "service": "forge"}, **wrong}
    answer = api.post("/tokens", body)
    assert answer.status_code == 422
    assert next(iter(wrong)) in answer.text


@pytest.mark.parametrize(
    "request_headers",
    [
        {"Sec-Purpose": "prefetch;prerender"},
        {"Purpose": "prefetch"},
        {"X-Forwarded-Method": "HEAD"},
    ],
)
def test_what_is_only_looked_at_is_not_opened_nor_kept(
    door: Caller, system: System, request_headers: dict[str, str]
) -> None:
    assert door.get(FORGE, headers=request_headers).status_code == 503
    assert windows(system) == []
    door.get(FORGE)
    system.work()
    deadline = windows(system)[0].deadline
    system.tick(300)
    assert door.get(FORGE, headers=request_headers).status_code == 200
    assert windows(system)[0].deadline == deadline


def test_a_head_request_opens_nothing(door: Caller, system: System) -> None:
    headers = {"Authorization": f"Bearer {door.token}"}
    assert door.open("HEAD", FORGE, headers=headers).status_code == 503
    assert windows(system) == []
