"""The waiting page: one window per bound token, opened by who comes, kept while they come."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from app.domain.enums import Event, Role
from app.settings import Settings
from app.store import audit
from app.store import windows as rows
from app.store.tables import Window
from app.usecases import wake as waking
from app.web import create_app, route_table
from app.web.wake import waiting_page
from tests.simultaneous import together
from tests.system import System
from tests.web.caller import Answer, Caller, Remembering

FORGE = "/wake/studio/forge"
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def bound(app: Flask, system: System, service: str = "forge", name: str = "door") -> Caller:
    with system.database.write() as session:
        text = waking.create(
            session, name, stack="studio", service=service, ttl_sec=None, actor="ada", now=system.now
        )
    return Caller.of(app, text)


@pytest.fixture
def door(app: Flask, system: System) -> Caller:
    return bound(app, system)


def windows(system: System) -> list[Window]:
    with system.database.read() as session:
        return rows.page(session)


def kind(answer: Answer) -> tuple[int, str]:
    return answer.status_code, answer.json["type"].rpartition("/")[2]


def test_the_first_visit_opens_and_once_it_is_ready_requests_pass(
    door: Caller, system: System, broker: Remembering
) -> None:
    first = door.get(FORGE)
    assert kind(first) == (503, "starting")
    assert (first.headers["Retry-After"], first.headers["Cache-Control"]) == ("2", "no-store")
    (window,) = windows(system)
    assert (window.actor, window.services, window.ttl_sec) == ("door", ["forge"], 600)
    assert broker.sent[-1] == ("power.open_window", [window.id], broker.sent[-1][2])

    system.work()
    passed = door.get(FORGE)
    assert (passed.status_code, passed.headers["X-Power-Window"]) == (200, window.id)
    assert len(windows(system)) == 1


def test_many_first_visits_open_one_window(door: Caller, system: System) -> None:
    def visit(_number: int) -> int:
        return Caller.of(door.client.application, door.token).get(FORGE).status_code

    assert together(50, visit) == [503] * 50
    assert len(windows(system)) == 1
    assert system.trail().count("window.opening") == 1
    assert system.intact()


@pytest.mark.integration
def test_visits_keep_it_up_to_the_cap_and_then_begin_anew(door: Caller, system: System) -> None:
    door.get(FORGE)
    system.work()
    first = windows(system)[0].id
    passed = 0
    while system.state(first) == "open":
        passed += door.get(FORGE).status_code == 200
        system.tick(30)
    # An hour is the most, however many come; and it is written down ten times a time at most.
    assert passed == pytest.approx(3600 / 30, abs=2)
    assert system.trail(first).count("window.extended") <= 3600 / 60 + 1
    assert system.state(first) == "closed"

    assert kind(door.get(FORGE)) == (503, "starting")
    assert len(windows(system)) == 2
    assert system.intact()


def test_a_window_that_nobody_visits_ends(door: Caller, system: System) -> None:
    door.get(FORGE)
    system.work()
    system.tick(599)
    assert "forge" in system.running()
    system.tick(1)
    assert "forge" not in system.running()


def test_most_that_pass_write_nothing(door: Caller, system: System) -> None:
    door.get(FORGE)
    system.work()
    before = system.trail()
    assert {door.get(FORGE).status_code for _ in range(20)} == {200}
    assert system.trail() == before


def test_a_window_that_was_made_longer_stays_so(door: Caller, api: Caller, system: System) -> None:
    door.get(FORGE)
    system.work()
    window = windows(system)[0].id
    assert api.patch(f"/windows/{window}", {"ttl_sec": 3000}).status_code == 200
    system.tick(100)
    before = system.window(window).deadline
    assert door.get(FORGE).status_code == 200
    assert system.window(window).deadline == before


def test_reading_a_window_renews_nothing(door: Caller, api: Caller, system: System) -> None:
    door.get(FORGE)
    system.work()
    window = windows(system)[0]
    system.tick(300)
    api.get(f"/windows/{window.id}")
    assert system.window(window.id).deadline == window.deadline


def test_a_bound_token_is_good_for_nothing_else(app: Flask, door: Caller) -> None:
    """Every other route there is, and every other service's waiting page."""
    for route in route_table.ROUTES:
        if not route.tokened or route.path.startswith("/wake"):
            continue
        path = route.path.replace("<window>", "x").replace("<name>", "x")
        assert kind(door.call(route.method, path)) == (403, "out-of-scope"), path
    # Nor does it sign anybody in to the console.
    assert door.client.application.extensions["power-windows"].authenticator.knows(door.token) is None
    for path in ("/wake/studio/mill", "/wake/other/forge", "/wake/studio/mill/waiting"):
        assert kind(door.get(path)) == (403, "out-of-scope")


def test_no_other_token_opens_by_a_link(api: Caller, system: System) -> None:
    for path in (FORGE, f"{FORGE}/waiting"):
        assert kind(api.get(path)) == (403, "out-of-scope")
    assert windows(system) == []


def test_the_proxys_own_header_goes_before_what_a_visitor_sent(door: Caller) -> None:
    headers = {"X-VX11-Token": door.token, "Authorization": "Bearer a-visitors-own"}
    assert door.open("GET", FORGE, headers=headers).status_code == 503
    alone = {"X-VX11-Token": "a-visitors-own", "Authorization": f"Bearer {door.token}"}
    assert door.open("GET", FORGE, headers=alone).status_code == 401


VISITORS = {
    "a WebSocket": {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"},
    "another protocol": {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c"},
    "a body to come": {"Expect": "100-continue"},
    "a part": {"Range": "bytes=0-1", "If-Range": "x"},
    "what it has": {"If-None-Match": "*", "If-Modified-Since": "Thu, 26 Nov 2026 00:00:00 GMT"},
    "another method": {"X-HTTP-Method-Override": "DELETE", "X-Forwarded-Method": "BREW"},
    "a part of a form": {"Content-Type": "multipart/form-data"},
    "an address": {"X-Forwarded-Uri": "//[", "X-Forwarded-Host": "a b", "X-Forwarded-Proto": "wss"},
    "an agent": {"User-Agent": "\xff" * 300},
}


@pytest.mark.integration
@pytest.mark.parametrize("kind_of", VISITORS)
def test_a_visitors_headers_are_the_services_affair(door: Caller, system: System, kind_of: str) -> None:
    assert kind(door.get(FORGE, headers=VISITORS[kind_of])) == (503, "starting")
    system.work()
    assert door.get(FORGE, headers=VISITORS[kind_of]).status_code == 200


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


def made(app: Flask, api: Caller, **more: Any) -> Caller:
    """A token that is made by the API."""
    body = {"name": "own", "wake": {"stack": "studio", "service": "forge"}, **more}
    answer = api.post("/tokens", body)
    assert answer.status_code == 201, answer.text
    return Caller.of(app, answer.json["token"])


def wakes(door: Caller, **headers: str) -> bool:
    return "asleep" not in door.get(FORGE, headers=headers).json["detail"]


BOT = {"User-Agent": "Robot-Arm-Client/2"}
FEED = {"X-Forwarded-Uri": "/Feed.xml?since=1"}
ICON = {"X-Forwarded-Uri": "/favicon.ico"}


def test_a_token_may_have_agents_of_its_own_that_only_look(app: Flask, api: Caller) -> None:
    own = made(app, api, only_looks_agents=["MyReader"])
    assert not wakes(own, **{"User-Agent": "myreader/1.0"})
    assert not wakes(own, **ICON)
    assert wakes(own, **BOT)


def test_a_token_may_have_paths_of_its_own_that_only_look(app: Flask, api: Caller) -> None:
    own = made(app, api, only_looks_paths=["/feed"])
    assert not wakes(own, **FEED)
    assert not wakes(own, **BOT)
    assert wakes(own, **ICON)


@pytest.mark.parametrize("headers", [BOT, ICON])
def test_empty_lists_let_everybody_wake_it(app: Flask, api: Caller, headers: dict[str, str]) -> None:
    own = made(app, api, only_looks_agents=[], only_looks_paths=[])
    assert not wakes(own, **{"Purpose": "prefetch"})
    assert wakes(own, **headers)


def test_who_only_looks_is_shown_with_the_token_and_on_record(
    app: Flask, api: Caller, system: System
) -> None:
    made(app, api, only_looks_agents=[])
    (shown,) = [one for one in api.get("/tokens").json["items"] if one["name"] == "own"]
    assert shown["only_looks_agents"] == []
    assert "/robots.txt" in shown["only_looks_paths"]
    with system.database.read() as session:
        entries = audit.entries(session, limit=5000)
    said = [one.as_json()["facts"] for one in entries if one.event == Event.TOKEN_CREATED]
    assert said[-1]["only_looks_agents"] == []
    assert "only_looks_paths" not in said[-1]


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


def test_a_long_pause_is_told_in_hours(door: Caller) -> None:
    problem: dict[str, Any] = {"type": "/problems/not-started", "title": "a", "detail": "b"}
    assert "asks again in 4 h." in waiting_page.page(problem, "14400")
    assert "asks again in 1 min 30 s." in waiting_page.page(problem, "90")


def state(door: Caller) -> str:
    answer = door.get(f"{FORGE}/state")
    assert answer.status_code == 200
    return str(answer.json["state"])


def test_the_state_is_told_and_nothing_is_done(door: Caller, system: System) -> None:
    assert (state(door), windows(system)) == ("asleep", [])
    door.get(FORGE)
    assert state(door) == "starting"
    system.work()
    assert state(door) == "on"
    deadline = windows(system)[0].deadline
    system.now += timedelta(seconds=100)
    assert (state(door), windows(system)[0].deadline) == ("on", deadline)


def failed_and_due(settings: Settings, door: Caller, system: System) -> float:
    """Let one more window fail; the seconds until a visitor opens the next, as a new process tells it."""
    assert kind(door.get(FORGE)) == (503, "starting")
    system.work()
    app = create_app(settings, system.database, Remembering())
    anew = Caller.of(app, door.token)
    assert state(anew) == "failing"
    pause = float(anew.get(FORGE).headers["Retry-After"])
    app.extensions["power-windows"].event_feed.stop()
    system.now += timedelta(seconds=pause + 1)
    return pause


def test_the_pause_doubles_while_it_fails_and_outlives_the_process(
    settings: Settings, door: Caller, system: System
) -> None:
    system.will_not_start.add("forge")
    assert [failed_and_due(settings, door, system) for _ in range(4)] == [30, 60, 120, 240]
    system.will_not_start.clear()
    door.get(FORGE)
    system.work()
    assert state(door) == "on"


@pytest.mark.parametrize(
    "said",
    [
        {"Sec-Purpose": "prefetch;prerender"},
        {"Purpose": "prefetch"},
        {"X-Forwarded-Method": "HEAD"},
    ],
)
def test_what_is_only_looked_at_is_not_opened_nor_kept(
    door: Caller, system: System, said: dict[str, str]
) -> None:
    assert door.get(FORGE, headers=said).status_code == 503
    assert windows(system) == []
    door.get(FORGE)
    system.work()
    deadline = windows(system)[0].deadline
    system.tick(300)
    assert door.get(FORGE, headers=said).status_code == 200
    assert windows(system)[0].deadline == deadline


def test_a_head_request_opens_nothing(door: Caller, system: System) -> None:
    headers = {"Authorization": f"Bearer {door.token}"}
    assert door.open("HEAD", FORGE, headers=headers).status_code == 503
    assert windows(system) == []


def test_a_browser_gets_a_page_that_asks_again_without_a_script(door: Caller) -> None:
    answer = door.get(FORGE, headers=HTML)
    assert (answer.status_code, answer.media) == (503, "text/html")
    assert (answer.headers["Refresh"], answer.headers["Retry-After"]) == ("2", "2")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "forge is starting" in answer.text
    assert "<script" not in answer.text
    assert "Ask now" in answer.text


def test_who_sent_a_form_is_told_that_it_was_not_passed_on(door: Caller) -> None:
    answer = door.get(FORGE, headers=HTML | {"X-Forwarded-Method": "POST"})
    assert "What you sent was not passed on" in answer.text
    assert "Refresh" not in answer.headers


def test_what_a_page_names_cannot_be_markup() -> None:
    problem: dict[str, Any] = {"type": "/problems/starting", "title": "a", "detail": "<b>&'", "window": "<i>"}
    page = waiting_page.page(problem, "2")
    assert "<b>" not in page
    assert "<i>" not in page


def test_nginx_hears_401_instead_of_what_it_does_not_know(door: Caller, system: System) -> None:
    asked = f"{FORGE}?as=nginx"
    answer = door.get(asked)
    assert (answer.status_code, "WWW-Authenticate" in answer.headers) == (401, False)
    page = door.get(f"{FORGE}/waiting", headers=HTML)
    assert (page.status_code, page.headers["Refresh"]) == (503, "2")
    system.work()
    assert door.get(asked).status_code == 200
    assert kind(door.get(f"{FORGE}/waiting")) == (503, "starting")


def test_a_visitors_query_that_a_proxy_left_there_is_nobodys_business(door: Caller) -> None:
    assert kind(door.get(f"{FORGE}?a=1&a=2&limit=x")) == (503, "starting")


def test_the_page_of_nginx_acts_on_nothing(door: Caller, system: System) -> None:
    assert "is asleep" in door.get(f"{FORGE}/waiting").json["detail"]
    assert windows(system) == []


def test_a_service_that_fails_is_said_so_and_not_opened_at_each_refresh(door: Caller, system: System) -> None:
    system.will_not_start.add("forge")
    door.get(FORGE)
    system.work()
    failed = door.get(FORGE, headers=HTML)
    assert failed.status_code == 503
    assert "could not be started" in failed.text
    # Visitors are strangers: what the engine said is for those who run it.
    assert "No such image" not in failed.text
    for _ in range(5):
        system.now += timedelta(seconds=5)
        assert kind(door.get(FORGE)) == (503, "not-started")
    assert len(windows(system)) == 1

    system.will_not_start.clear()
    system.now += timedelta(seconds=10)
    assert kind(door.get(FORGE)) == (503, "starting")
    assert len(windows(system)) == 2


def test_a_service_that_may_not_be_powered_any_more_is_refused_and_once_on_record(
    door: Caller, system: System
) -> None:
    strict = dict(system.spec.services) | {"forge": replace(system.spec.services["forge"], role=Role.NONE)}
    system.publish(replace(system.spec, services=strict))
    for _ in range(3):
        assert kind(door.get(FORGE)) == (403, "not-allowed")
    assert kind(door.get(f"{FORGE}?as=nginx")) == (403, "not-allowed")
    with system.database.read() as session:
        said = [one for one in audit.entries(session, limit=500) if one.event == Event.REFUSED]
    assert len(said) == 1


def test_two_doors_to_one_service_have_a_window_each(app: Flask, door: Caller, system: System) -> None:
    other = bound(app, system, name="another")
    for one in (door, other):
        assert one.get(FORGE).status_code == 503
    assert sorted(window.actor for window in windows(system)) == ["another", "door"]


def test_a_revoked_token_wakes_nothing(app: Flask, door: Caller, api: Caller, system: System) -> None:
    assert api.call("DELETE", "/tokens/door").status_code == 200
    assert door.get(FORGE).status_code == 401
    assert windows(system) == []


def test_a_token_is_made_listed_and_revoked(app: Flask, api: Caller, system: System) -> None:
    body = {"name": "wiki", "wake": {"stack": "studio", "service": "forge"}, "ttl_sec": 120}
    made = api.post("/tokens", body)
    assert (made.status_code, made.headers["Cache-Control"]) == (201, "no-store")
    text = made.json["token"]
    listed = api.get("/tokens")
    assert text not in listed.text
    assert {one["name"]: one["scope"] for one in listed.json["items"]} == {"ada": "admin", "wiki": "wake"}

    assert Caller.of(app, text).get(FORGE).status_code == 503
    assert windows(system)[0].ttl_sec == 120
    assert kind(api.post("/tokens", body)) == (409, "token-exists")
    assert api.call("DELETE", "/tokens/wiki").json["revoked_at"]
    assert kind(api.call("DELETE", "/tokens/wiki")) == (404, "unknown-token")
    assert kind(api.call("DELETE", "/tokens/ada")) == (409, "last-token")
    # A name may be taken again: that is how a text that got about is changed for another.
    again = api.post("/tokens", body).json["token"]
    assert again != text
    said = [one["event"] for one in api.get("/audit").json["items"] if one["event"].startswith("token")]
    assert said == ["token.created", "token.created", "token.revoked", "token.created"]


@pytest.mark.parametrize(
    ("wake", "status"),
    [
        ({"stack": "studio", "service": "redis"}, 403),
        ({"stack": "studio", "service": "nothing"}, 422),
        ({"stack": "nowhere", "service": "forge"}, 422),
        ({"stack": "studio"}, 422),
    ],
)
def test_a_token_is_made_only_for_what_may_be_powered(api: Caller, wake: dict[str, str], status: int) -> None:
    assert api.post("/tokens", {"name": "wiki", "wake": wake}).status_code == status
