"""Two engines, two workers, one front: every window ends on its own node, whichever process is killed."""

from __future__ import annotations

import os
import re
import signal
import time
from datetime import datetime
from pathlib import Path

import pytest

from app.domain.enums import Event
from tests.nodes.fleet import REPOSITORY, Fleet, Node


def test_a_window_on_each_node_and_a_killed_workers_window_still_ends(
    fleet: Fleet, here: Node, there: Node
) -> None:
    fleet.begin()
    fleet.worker(here)
    doomed = fleet.worker(there)
    fleet.served("studio", "quarry")

    first, second = fleet.open("studio", "forge")["id"], fleet.open("quarry", "drill", ttl=40)["id"]
    fleet.reaches(first, "open")
    fleet.reaches(second, "open", "closing", "closed")
    assert here.running() == {"forge"}
    doomed.kill()
    doomed.wait()
    fleet.worker(there)

    fleet.reaches(second, "closed")
    assert there.running() == set()
    assert (here.running(), fleet.window(first)["state"]) == ({"forge"}, "open")
    assert sorted(one["facts"]["node"] for one in fleet.entries(Event.NODE_CLAIMED)) == ["here", "there"]


def test_a_second_worker_of_the_node_ends_what_a_killed_one_began(fleet: Fleet, there: Node) -> None:
    fleet.begin()
    doomed = fleet.worker(there)
    fleet.served("quarry")
    fleet.worker(there)
    window = fleet.open("quarry", "drill", ttl=30)["id"]
    fleet.reaches(window, "open", "closing", "closed")

    doomed.kill()

    fleet.reaches(window, "closed")
    assert there.running() == set()
    assert fleet.stack("quarry")["away"] is False


@pytest.mark.parametrize("ahead", [420, -420])
def test_a_host_whose_clock_is_minutes_off_keeps_its_deadlines(fleet: Fleet, there: Node, ahead: int) -> None:
    fleet.begin()
    path = f"{Path(__file__).with_name('otherwhen')}{os.pathsep}{REPOSITORY}"
    worker = fleet.worker(there, PYTHONPATH=path, OTHERWHEN=str(ahead))
    fleet.served("quarry")
    ttl = 15
    window = fleet.open("quarry", "drill", ttl=ttl)["id"]

    opened = fleet.reaches(window, "open")
    assert 0 < opened["ttl_remaining_sec"] <= ttl
    assert there.running() == {"drill"}
    assert abs(_ahead(fleet.said(worker)) - ahead) < 120

    closed = fleet.reaches(window, "closed")
    assert there.running() == set()
    lasted = _moment(closed["closed_at"]) - _moment(closed["created_at"])
    assert ttl <= lasted.total_seconds() < ttl + 30


def _ahead(log: str) -> float:
    """Seconds from our clock to the one that dated a worker's banner."""
    dated = re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", log)
    assert dated
    return _moment(dated[0]).astimezone().timestamp() - time.time()


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_an_opening_waits_for_its_node_and_begins_when_that_is_back(
    fleet: Fleet, here: Node, there: Node
) -> None:
    fleet.begin()
    fleet.worker(here)
    worker = fleet.worker(there)
    fleet.served("studio", "quarry")
    worker.kill()
    fleet.until(lambda: fleet.stack("quarry")["away"], "the stack is away")

    away = fleet.stack("quarry")
    assert away["away_since"]
    assert {one["power"] for one in away["services"]} == {"unknown"}
    assert "there" in away["services"][0]["detail"]
    assert fleet.stack("studio")["away"] is False
    assert 'power_stack_away{node="there",stack="quarry"} 1.0' in fleet.api.get("/metrics").text
    nodes = {one["name"]: one for one in fleet.api.get("/readyz").json()["nodes"]}
    assert (nodes["there"]["status"], nodes["there"]["away"]) == ("degraded", ["quarry"])
    waiting = fleet.open("quarry", "drill", ttl=60, Prefer="wait=1")
    assert (waiting["state"], waiting["waiting_for"]) == ("waiting", "node")
    given_up = fleet.open("quarry", "crane", ttl=1)["id"]
    assert fleet.reaches(given_up, "closed")["status"] == "fail"

    fleet.worker(there)

    opened = fleet.reaches(waiting["id"], "open")
    assert opened["ttl_remaining_sec"] <= 60
    assert there.running() == {"drill"}
    assert fleet.stack("quarry")["away"] is False


def test_a_forced_close_lets_go_and_the_returning_worker_turns_off(fleet: Fleet, there: Node) -> None:
    fleet.begin()
    worker = fleet.worker(there)
    fleet.served("quarry")
    window = fleet.open("quarry", "drill")["id"]
    fleet.reaches(window, "open")
    worker.kill()
    fleet.until(lambda: fleet.stack("quarry")["away"], "the stack is away")
    assert fleet.window(window)["health"]["drill"]["power"] == "unknown"

    fleet.api.post(f"/api/v1/windows/{window}/close", json={"force": True})

    closed = fleet.window(window)
    assert closed["state"] == "closed"
    assert "drill" in closed["close_detail"]
    assert there.running() == {"drill"}
    fleet.worker(there)
    fleet.until(lambda: not there.running(), "what was owed is off")


def test_without_waiting_an_away_node_refuses_with_503(fleet: Fleet, there: Node) -> None:
    fleet.begin(POWER_AWAY="refuse")
    worker = fleet.worker(there)
    fleet.served("quarry")
    worker.kill()
    fleet.until(lambda: fleet.stack("quarry")["away"], "the stack is away")

    refused = fleet.api.post("/api/v1/windows", json={"services": ["drill"]})

    assert (refused.status_code, refused.json()["type"]) == (503, "/problems/node-away")
    assert refused.headers["Retry-After"]
    assert refused.json()["node"] == "there"
    assert [one["stack"] for one in fleet.entries(Event.REFUSED)] == ["quarry"]


def test_claims_of_what_another_worker_has_are_refused_by_name(fleet: Fleet, here: Node, there: Node) -> None:
    fleet.begin()
    fleet.worker(there)
    fleet.served("quarry")

    here.name = "there"
    another_engine = fleet.worker(here)
    there.name = "attic"
    another_name = fleet.worker(there)
    there.name = "there"
    another_directory = fleet.worker(there, POWER_DATA_DIR=str(fleet.home / "elsewhere"))

    for refused in (another_engine, another_name, another_directory):
        assert refused.wait(60) != 0
        assert "is refused" in fleet.said(refused)
    assert "with engine" in fleet.said(another_engine)
    assert "served already as node 'there'" in fleet.said(another_name)
    assert "lock directory" in fleet.said(another_directory)
    assert len(fleet.entries(Event.NODE_REFUSED)) == 3


def test_a_stack_that_another_node_serves_is_rejected_and_the_others_are_served(
    fleet: Fleet, here: Node, there: Node
) -> None:
    fleet.begin()
    fleet.worker(there)
    fleet.served("quarry")
    mine = here.toml.read_text()
    here.toml.write_text(mine + mine.replace("studio", "quarry").replace(here.project, f"{here.project}-b"))

    worker = fleet.worker(here)

    fleet.served("studio")
    (rejected,) = fleet.entries(Event.STACK_REJECTED)
    for word in (str(here.toml), "quarry", "'there'", f"{here.project}-b"):
        assert word in rejected["facts"]["faults"][0]
        assert word in fleet.said(worker)
    assert fleet.stack("quarry")["node"] == "there"


def test_an_engine_that_changed_under_a_window_is_refused_until_the_old_one_is_back(
    fleet: Fleet, here: Node, there: Node
) -> None:
    """The worker was restarted with another DOCKER_HOST."""
    fleet.begin()
    worker = fleet.worker(there)
    fleet.served("quarry")
    window = fleet.open("quarry", "drill")["id"]
    fleet.reaches(window, "open")
    worker.terminate()
    worker.wait(60)

    elsewhere = Node("there", there.home, here.docker, there.project)
    moved = fleet.worker(elsewhere)

    fleet.until(lambda: fleet.stack("quarry").get("faults"), "the stack is not served")
    (fault,) = fleet.stack("quarry")["faults"]
    for word in (window, "drill", "DOCKER_HOST", "power relocate quarry"):
        assert word in fault
    assert fault in fleet.said(moved)
    refused = fleet.api.post("/api/v1/windows", json={"stack": "quarry", "services": ["crane"]})
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/stack-rejected")
    fleet.api.post(f"/api/v1/windows/{window}/close", json={})
    fleet.reaches(window, "closing")
    assert fleet.stack("quarry")["mode"] != "SOLO_CORE"
    moved.terminate()
    moved.wait(60)
    assert there.running() == {"drill"}

    fleet.worker(there)

    fleet.reaches(window, "closed")
    assert (there.running(), elsewhere.running()) == (set(), set())
    assert "faults" not in fleet.stack("quarry")


def test_an_engine_that_is_gone_for_good_is_given_up_by_name(fleet: Fleet, here: Node, there: Node) -> None:
    fleet.begin()
    worker = fleet.worker(there)
    fleet.served("quarry")
    window = fleet.open("quarry", "drill")["id"]
    fleet.reaches(window, "open")
    worker.terminate()
    worker.wait(60)
    there.clear()
    elsewhere = Node("there", there.home, here.docker, there.project)
    fleet.worker(elsewhere)
    fleet.until(lambda: fleet.stack("quarry").get("faults"), "the stack is not served")
    fleet.api.post(f"/api/v1/windows/{window}/close", json={"force": True})
    closed = fleet.reaches(window, "closed")
    assert "not confirmed off: drill" in closed["close_detail"]

    answer = fleet.api.post("/api/v1/stacks/quarry/relocate")

    assert answer.status_code == 200
    fleet.until(lambda: "faults" not in fleet.stack("quarry"), "it is served where the worker is")
    fleet.reaches(fleet.open("quarry", "drill")["id"], "open")
    assert elsewhere.running() == {"drill"}
    elsewhere.clear()
    (entry,) = fleet.entries(Event.STACK_RELOCATED)
    assert entry["actor"] == "ada"
    assert entry["facts"]["left"][0]["owing"] == ["drill"]
    again = fleet.api.post("/api/v1/stacks/quarry/relocate")
    assert (again.status_code, again.json()["type"]) == (409, "/problems/not-displaced")


def test_who_was_frozen_and_finds_its_node_taken_ends(fleet: Fleet, here: Node, there: Node) -> None:
    fleet.begin()
    frozen = fleet.worker(there)
    fleet.served("quarry")
    # Its child is the worker itself: what is stopped is told by its own sign alone.
    frozen.send_signal(signal.SIGSTOP)
    fleet.until(lambda: fleet.stack("quarry")["away"], "the stack is away")
    here.name = "there"
    here.write("studio", "forge")
    fleet.worker(here)
    fleet.served("studio")

    frozen.send_signal(signal.SIGCONT)

    assert frozen.wait(60) == 1
    assert "is refused" in fleet.said(frozen)
