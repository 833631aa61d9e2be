"""Windows over HTTP, on a system with simulated containers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.domain.stack_id import StackId
from app.store import windows as rows
from app.store.tables import Window
from app.usecases.nodes.published_stacks import publish_stack
from tests.domain.stacks import service, stack
from tests.system import NOON, System
from tests.web.caller import Caller, Remembering

NO_TTL: list[Any] = [0, -1, True, "60", [], float("nan"), float("inf")]


def opened(api: Caller, *services: str, **rest: Any) -> dict[str, Any]:
    answer = api.post("/windows", {"services": services, **rest})
    assert answer.status_code == 202, answer.text
    window: dict[str, Any] = answer.json
    return window


def test_an_open_is_accepted_at_once_and_the_node_is_nudged(api: Caller, broker: Remembering) -> None:
    answer = api.post("/windows", {"services": ["forge"], "ttl_sec": 60, "reason": "batch 7"})

    window = answer.json
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/v1/windows/{window['id']}"
    assert (window["state"], window["status"], window["actor"]) == ("opening", None, "ada")
    assert (window["ttl_sec"], window["ttl_remaining_sec"], window["reason"]) == (60, 60, "batch 7")
    assert broker.sent == [("power.open_window", [window["id"]], "power.local")]


def test_a_window_shows_its_services_and_its_calls(api: Caller, system: System) -> None:
    window = opened(api, "api")["id"]
    system.work()
    system.heal("db")

    body = api.get(f"/windows/{window}").json
    assert (body["state"], body["status"], body["services"]) == ("open", "ok", ["api"])
    assert {name: health["ready"] for name, health in body["health"].items()} == {"api": True, "db": True}
    assert [(one["service"], one["action"], one["status"]) for one in body["results"]] == [
        ("db", "up", "ok"),
        ("api", "up", "ok"),
    ]


def test_a_service_that_ran_already_is_a_result_too_even_after_the_end(api: Caller, system: System) -> None:
    first = opened(api, "forge")["id"]
    system.work()
    second = opened(api, "forge")["id"]
    system.work()

    def seen() -> list[Any]:
        results = api.get(f"/windows/{second}").json["results"]
        return [(one["service"], one["action"], one["status"], one["argv"]) for one in results]

    assert seen() == [("forge", "none", "ok", [])]
    system.close(second)
    system.close(first)
    assert system.running() == {"redis"}
    assert seen() == [("forge", "none", "ok", [])]


def test_reading_never_renews(api: Caller, system: System) -> None:
    window = opened(api, "forge", ttl_sec=60)["id"]
    system.tick(10)
    first = api.get(f"/windows/{window}").json
    system.tick(10)
    assert api.get(f"/windows/{window}").json["deadline"] == first["deadline"]
    assert api.get(f"/windows/{window}").json["ttl_remaining_sec"] < 41


def test_a_dead_broker_costs_nothing_but_a_count(api: Caller, broker: Remembering) -> None:
    broker.away = True
    opened(api, "forge")
    assert "power_dispatch_failures_total 1.0" in api.get("/metrics").text


def test_a_plan_changes_nothing_and_says_the_waves(api: Caller, system: System) -> None:
    answer = api.post("/windows?plan=1", {"services": ["api"]})
    assert (answer.status_code, answer.json["waves"]) == (200, [["db"], ["api"]])
    assert (answer.json["ttl_sec"], answer.json["already_on"]) == (600, [])
    assert api.get("/windows").json["items"] == []


def test_a_repeat_with_the_same_key_is_the_same_window(api: Caller, broker: Remembering) -> None:
    key = {"Idempotency-Key": "k1"}
    first = api.post("/windows", {"services": ["forge"], "ttl_sec": 60}, headers=key)
    again = api.post("/windows", {"ttl_sec": 60.0, "services": ["forge"]}, headers=key)
    assert (again.status_code, again.json["id"]) == (202, first.json["id"])
    assert len(broker.sent) == 1

    other = api.post("/windows", {"services": ["mill"]}, headers=key)
    assert (other.status_code, other.json["type"]) == (422, "/problems/key-reused")


def test_a_key_belongs_to_its_token(api: Caller, grace: Caller) -> None:
    key, body = {"Idempotency-Key": "k1"}, {"services": ["forge"]}
    ids = {caller.post("/windows", body, headers=key).json["id"] for caller in (api, grace)}
    assert len(ids) == 2


def test_repeats_at_the_same_moment_are_one_window(api: Caller) -> None:
    def ask(_: int) -> Any:
        answer = api.post("/windows", {"services": ["forge"]}, headers={"Idempotency-Key": "at once"})
        return answer.status_code, answer.json["id"]

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(16)))) == 1


def test_a_refused_open_leaves_nothing_but_its_entry(api: Caller, system: System) -> None:
    answer = api.post("/windows", {"services": ["secret"]})
    assert (answer.status_code, answer.json["field"]) == (403, "services")
    assert "forge" in answer.json["allowed"]
    assert api.get("/windows").json["items"] == []
    assert system.entries()[-1].event == "refused"

    before = len(system.entries())
    assert api.post("/windows", {"services": ["nothing"]}).status_code == 422
    assert len(system.entries()) == before


@pytest.mark.parametrize(
    ("body", "problem", "field"),
    [
        ({}, "invalid", "services"),
        ({"services": []}, "nothing-asked", "services"),
        ({"services": "forge"}, "invalid", "services"),
        ({"services": [1]}, "invalid", "services.0"),
        ({"services": ["--help"]}, "unknown-services", "services"),
        ({"services": ["forge"], "stack": "nowhere"}, "unknown-stack", "stack"),
        ({"services": ["forge"], "ttl": 5}, "invalid", "ttl"),
        ({"services": ["forge"], "reason": "x" * 501}, "invalid", "reason"),
        ({"services": ["forge"], "reason": "a\0b"}, "invalid", "reason"),
        *(({"services": ["forge"], "ttl_sec": ttl}, "bad-ttl", "ttl_sec") for ttl in NO_TTL),
        ({"services": ["forge"], "ttl_sec": 3601}, "ttl-too-long", "ttl_sec"),
        ({"services": ["forge"], "ttl_sec": 1e300}, "ttl-too-long", "ttl_sec"),
        ([], "invalid", "body"),
    ],
)
def test_what_cannot_be_meant_is_named(api: Caller, body: Any, problem: str, field: str) -> None:
    answer = api.post("/windows", body)
    assert (answer.status_code, answer.json["type"]) == (422, f"/problems/{problem}"), answer.text
    assert answer.json["field"] == field


@pytest.mark.parametrize("digits", ["1e400", "1" * 350, "1" * 5000])
def test_a_huge_number_is_no_ttl(api: Caller, digits: str) -> None:
    body = f'{{"services": ["forge"], "ttl_sec": {digits}}}'
    answer = api.post("/windows", data=body, content_type="application/json")
    assert (answer.status_code, answer.json["field"]) == (422, "ttl_sec")


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"{", "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"[" * 30_000, "application/json"),
        (b'{"services": ["forge"]}', "text/plain"),
    ],
)
def test_what_cannot_be_read_is_400(api: Caller, raw: bytes, kind: str) -> None:
    answer = api.post("/windows", data=raw, content_type=kind)
    assert (answer.status_code, answer.json["type"]) == (400, "/problems/unreadable")


def test_half_a_surrogate_pair_is_no_text(api: Caller) -> None:
    body = '{"services": ["forge"], "reason": "\\ud800"}'
    answer = api.post("/windows", data=body, content_type="application/json")
    assert (answer.status_code, answer.json["field"]) == (422, "reason")


def test_a_body_over_64_kib_is_413_after_the_token_and_before_anything_else(api: Caller) -> None:
    big = b"{" * (64 * 1024 + 1)
    assert api.post("/windows", data=big, content_type="application/json").status_code == 413
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    answer = api.post("/windows", data=big, content_type="text/plain", environ_overrides=chunked)
    assert (answer.status_code, answer.json["limit"]) == (413, 65536)
    unknown_caller = Caller(api.client, "unknown")
    assert unknown_caller.post("/windows", data=big).status_code == 401


def test_an_extension_counts_from_now_and_the_maximum_from_the_opening(api: Caller, system: System) -> None:
    window = opened(api, "forge", ttl_sec=60)["id"]
    system.tick(30)
    assert api.patch(f"/windows/{window}", {"ttl_sec": 600}).json["ttl_remaining_sec"] == 600

    for too_long in (3600, 1e300):
        answer = api.patch(f"/windows/{window}", {"ttl_sec": too_long})
        assert (answer.status_code, answer.json["limit"]) == (422, 3600)
        assert answer.json["allowed"] < 3570.1


def test_past_its_deadline_a_window_is_over_before_the_clock_has_run(api: Caller, system: System) -> None:
    window = opened(api, "forge", ttl_sec=60)["id"]
    system.now = system.window(window).deadline
    answer = api.patch(f"/windows/{window}", {"ttl_sec": 600})
    assert (answer.status_code, answer.json["type"]) == (409, "/problems/time-is-up")
    assert system.entries()[-1].event == "refused"


def test_only_its_owner_shortens_a_window(api: Caller, grace: Caller) -> None:
    window = opened(api, "forge", ttl_sec=60)["id"]
    assert grace.patch(f"/windows/{window}", {"ttl_sec": 5}).status_code == 409
    assert grace.patch(f"/windows/{window}", {"ttl_sec": 90}).status_code == 200
    assert api.patch(f"/windows/{window}", {"ttl_sec": 5}).json["ttl_remaining_sec"] == 5


def test_a_close_is_accepted_and_a_closed_window_stays_as_it_is(
    api: Caller, system: System, broker: Remembering
) -> None:
    window = opened(api, "forge")["id"]
    system.work()
    answer = api.post(f"/windows/{window}/close", {"reason": "done"})
    assert (answer.status_code, answer.json["state"], answer.json["close_detail"]) == (202, "closing", "done")
    assert broker.sent[-1] == ("power.close_window", [window], "power.local")
    system.work()

    again = api.post(f"/windows/{window}/close")
    assert (again.status_code, again.json["state"], again.json["close_detail"]) == (200, "closed", "done")
    assert again.json["ttl_remaining_sec"] == 0


@pytest.mark.parametrize("window", ["nosuch", "x" * 33, "%00", "%F0%9F%92%A1", "a'b", "%2e%2e"])
def test_no_such_window_is_404_on_every_route(api: Caller, window: str) -> None:
    for answer in (
        api.get(f"/windows/{window}"),
        api.patch(f"/windows/{window}", {"ttl_sec": 5}),
        api.post(f"/windows/{window}/close"),
    ):
        assert (answer.status_code, answer.json["type"]) == (404, "/problems/unknown-window")


def test_windows_are_listed_newest_first_in_pages(api: Caller, system: System) -> None:
    made = []
    for _ in range(5):
        made.append(opened(api, "forge")["id"])
        system.tick(1)
    ids, cursor = [], None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = api.get("/windows", query_string=query).json
        ids += [window["id"] for window in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert ids == made[::-1]


def test_a_stack_that_is_not_named_is_the_only_one_with_the_service(api: Caller, system: System) -> None:
    other = replace(stack(service("jellyfin"), service("forge")), name=StackId("lab"), project="lab")
    with system.database.write() as session:
        publish_stack(session, other, system.now)

    assert api.post("/windows", {"services": ["jellyfin"]}).json["stack"] == "lab"
    refused = api.post("/windows", {"services": ["forge"]})
    assert (refused.status_code, refused.json["type"]) == (422, "/problems/stack-needed")
    assert refused.json["allowed"] == ["lab", "studio"]


def test_windows_are_filtered_by_state_and_stack(api: Caller, system: System) -> None:
    first, second = opened(api, "forge")["id"], opened(api, "mill")["id"]
    system.work()
    system.close(first)
    assert [one["id"] for one in api.get("/windows?state=open").json["items"]] == [second]
    assert [one["id"] for one in api.get("/windows?state=closed&stack=studio").json["items"]] == [first]
    assert api.get("/windows?stack=other").json["items"] == []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=x", "state=ajar", "stat=open", "cursor=zzz", "cursor=W10", "cursor=%00"],
)
def test_a_query_that_cannot_be_meant_is_422_and_named(api: Caller, query: str) -> None:
    answer = api.get(f"/windows?{query}")
    assert (answer.status_code, answer.json["field"]) == (422, query.partition("=")[0])


def test_a_deadline_that_passes_while_the_row_is_waited_for_has_passed(
    api: Caller, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = system.open("forge", ttl=60)
    locked = rows.lock_window

    def slowly(session: Session, window: str) -> Window | None:
        row = locked(session, window)
        system.now = NOON + timedelta(seconds=120)
        return row

    monkeypatch.setattr(rows, "lock_window", slowly)
    assert api.patch(f"/windows/{window}", {"ttl_sec": 600}).status_code == 409
