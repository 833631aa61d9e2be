"""What the waiting page shows: the state, the pause, and pages for browsers and for nginx."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from app.settings import Settings
from app.web import create_app
from app.web.wake import waiting_page
from tests.system import System
from tests.web.caller import Caller, Remembering
from tests.web.wake.wake_caller import FORGE, HTML, kind, windows


def test_a_long_pause_is_reported_in_hours(door: Caller) -> None:
    problem: dict[str, Any] = {"type": "/problems/not-started", "title": "a", "detail": "b"}
    assert "asks again in 4 h." in waiting_page.page(problem, "14400")
    assert "asks again in 1 min 30 s." in waiting_page.page(problem, "90")


def state(door: Caller) -> str:
    answer = door.get(f"{FORGE}/state")
    assert answer.status_code == 200
    return str(answer.json["state"])


def test_the_state_is_shown_and_nothing_is_done(door: Caller, system: System) -> None:
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


def test_a_browser_gets_a_page_that_asks_again_without_a_script(door: Caller) -> None:
    answer = door.get(FORGE, headers=HTML)
    assert (answer.status_code, answer.media) == (503, "text/html")
    assert (answer.headers["Refresh"], answer.headers["Retry-After"]) == ("2", "2")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "forge is starting" in answer.text
    assert "<script" not in answer.text
    assert "Ask now" in answer.text


def test_a_sent_form_gets_a_note_that_it_was_not_passed_on(door: Caller) -> None:
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


def test_a_visitors_query_from_a_proxy_is_ignored(door: Caller) -> None:
    assert kind(door.get(f"{FORGE}?a=1&a=2&limit=x")) == (503, "starting")


def test_the_page_of_nginx_acts_on_nothing(door: Caller, system: System) -> None:
    assert "is asleep" in door.get(f"{FORGE}/waiting").json["detail"]
    assert windows(system) == []
