"""The original surface, `/madre/power/...`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.store import windows as rows
from tests.system import System
from tests.web.api.test_windows import opened
from tests.web.caller import Caller

FIELDS = {
    "window_id",
    "state",
    "created_at",
    "deadline",
    "ttl_remaining_sec",
    "status",
    "results",
    "timestamp",
}


@contextmanager
def worker(system: System) -> Iterator[None]:
    """Works in the background, whenever there is something to do."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.02):
            with system.database.read() as session:
                states = {window.state for window in rows.moving_of(session, system.spec.name)}
            if states & {"opening", "closing"}:
                system.work()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_open_answers_with_the_outcome(api: Caller, system: System) -> None:
    with worker(system):
        answer = api.post("/madre/power/window/open", {"services": ["forge"], "ttl_sec": 60})
    assert answer.status_code == 200
    assert set(answer.json) == FIELDS
    assert (answer.json["state"], answer.json["status"]) == ("open", "ok")
    assert [(one["service"], one["returncode"]) for one in answer.json["results"]] == [("forge", 0)]


def test_close_without_an_id_closes_the_callers_only_one(api: Caller, grace: Caller, system: System) -> None:
    others = opened(grace, "mill")["id"]
    mine = opened(api, "forge")["id"]
    system.work()
    with worker(system):
        answer = api.post("/madre/power/window/close")
    assert answer.status_code == 200
    assert set(answer.json) == FIELDS | {"services_stopped"}
    assert (answer.json["window_id"], answer.json["state"]) == (mine, "closed")
    assert answer.json["services_stopped"] == ["forge"]
    assert system.state(others) == "open"


def test_close_without_an_id_is_409_where_it_is_not_clear(api: Caller, system: System) -> None:
    assert api.post("/madre/power/window/close", {}).status_code == 409
    ids = {opened(api, "forge")["id"], opened(api, "mill")["id"]}
    answer = api.post("/madre/power/window/close", {})
    assert (answer.status_code, set(answer.json["allowed"])) == (409, ids)


def test_status_shows_the_mode_the_services_and_the_live_windows(api: Caller, system: System) -> None:
    assert api.get("/madre/power/status").json["mode"] == "SOLO_CORE"
    window = opened(api, "forge")["id"]
    status = api.get("/madre/power/status").json
    assert (status["mode"], [one["id"] for one in status["windows"]]) == ("OPEN", [window])
    assert {one["name"] for one in status["stacks"][0]["services"]} >= {"forge", "redis"}
