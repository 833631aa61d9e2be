"""Stacks over HTTP: the mode, and what each service is doing and for whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.domain.planning import StackSpec
from app.domain.stack_id import StackId
from app.store.tables import stamp
from app.usecases.nodes import published_stacks
from tests.system import System
from tests.web.api.test_windows import opened
from tests.web.caller import Caller


def stack(api: Caller) -> dict[str, Any]:
    body: dict[str, Any] = api.get("/stacks/studio").json
    return body


def service(api: Caller, name: str) -> dict[str, Any]:
    return next(one for one in stack(api)["services"] if one["name"] == name)


def test_the_mode_follows_a_window_from_its_opening_to_its_end(api: Caller, system: System) -> None:
    assert stack(api)["mode"] == "SOLO_CORE"
    window = opened(api, "forge")["id"]
    assert stack(api)["mode"] == "OPEN"
    system.work()
    assert stack(api)["mode"] == "OPEN"
    api.post(f"/windows/{window}/close")
    assert stack(api)["mode"] == "CLOSING"
    system.work()
    assert stack(api)["mode"] == "SOLO_CORE"


def test_core_that_is_down_is_drift(api: Caller, system: System) -> None:
    system.finish("redis")
    assert stack(api)["mode"] == "DRIFT"


def test_what_a_person_started_is_drift(api: Caller, system: System) -> None:
    system.run_by_hand("mill")
    assert stack(api)["mode"] == "DRIFT"


def test_drift_says_why_and_since_when(api: Caller, system: System) -> None:
    assert service(api, "mill")["drift"] is None
    system.run_by_hand("mill")
    since = system.row("mill").drift_since
    assert since
    drift = {"since": stamp(since), "why": "runs, though no window holds it"}
    assert service(api, "mill")["drift"] == drift
    system.finish("redis")
    assert (
        service(api, "redis")["drift"]["why"]
        == "core is down (start it: docker compose -p studio up -d redis)"
    )


def test_what_a_person_stopped_under_an_open_window_is_drift(api: Caller, system: System) -> None:
    window = opened(api, "forge")["id"]
    system.work()
    system.finish("forge", code=143)
    assert stack(api)["mode"] == "DRIFT"
    assert service(api, "forge")["drift"]["why"] == "stopped, though an open window holds it"
    assert api.get(f"/windows/{window}").json["status"] == "partial"
    system.run_by_hand("forge")
    assert (stack(api)["mode"], service(api, "forge")["drift"]) == ("OPEN", None)


def test_a_stop_that_fails_is_reported_with_its_next_try(api: Caller, system: System) -> None:
    system.will_not_stop.add("forge")
    window = opened(api, "forge")["id"]
    system.work()
    assert (service(api, "forge")["failed_stops"], service(api, "forge")["retry_at"]) == (0, None)
    api.post(f"/windows/{window}/close")
    system.work()
    system.tick(11)
    system.tick(21)
    forge, retry_at = service(api, "forge"), system.row("forge").retry_at
    assert retry_at
    assert (forge["failed_stops"], forge["retry_at"], forge["drift"]) == (3, stamp(retry_at), None)
    body = api.get(f"/windows/{window}").json
    assert body["stuck"]
    assert body["health"]["forge"]["detail"].startswith("3 stops have failed, tried again at ")
    assert stack(api)["mode"] == "CLOSING"


def test_an_off_still_owed_after_a_forced_close_is_drift(api: Caller, system: System) -> None:
    system.will_not_stop.add("forge")
    window = opened(api, "forge")["id"]
    system.work()
    api.post(f"/windows/{window}/close", {"force": True})
    system.work()
    assert api.get(f"/windows/{window}").json["state"] == "closed"
    assert stack(api)["mode"] == "DRIFT"


def test_a_service_names_its_holders_and_its_last_call(api: Caller, system: System) -> None:
    first, second = opened(api, "forge", ttl_sec=60)["id"], opened(api, "forge", ttl_sec=90)["id"]
    system.work()
    forge = service(api, "forge")
    assert (forge["role"], forge["power"], forge["ready"]) == ("allowed", "on", True)
    assert set(forge["holders"]) == {first, second}
    assert 85 < forge["time_left_sec"] <= 90
    assert (forge["last_call"]["action"], forge["last_call"]["status"]) == ("up", "ok")
    mill = service(api, "mill")
    assert (mill["holders"], mill["time_left_sec"], mill["last_call"]) == ([], None, None)


def test_a_stack_that_was_turned_down_says_why_and_opens_nothing(api: Caller, system: System) -> None:
    with system.database.write() as session:
        published_stacks.reject_stack(
            session, StackSpec(StackId("studio"), "studio", "local", {}), ["no file"], system.now
        )
    assert (stack(api)["mode"], stack(api)["faults"]) == ("REJECTED", ["no file"])
    assert api.get("/stacks").json["items"][0]["mode"] == "REJECTED"
    answer = api.post("/windows", {"services": ["forge"]})
    assert (answer.status_code, answer.json["type"]) == (409, "/problems/stack-rejected")


def test_stacks_come_in_pages_by_name(api: Caller, system: System) -> None:
    with system.database.write() as session:
        published_stacks.publish_stack(
            session, StackSpec(StackId("atelier"), "atelier", "local", {}), system.now
        )
    first = api.get("/stacks?limit=1").json
    second = api.get("/stacks", query_string={"limit": "1", "cursor": first["next"]}).json
    assert [one["name"] for one in first["items"] + second["items"]] == ["atelier", "studio"]
    assert second["next"] is None


def test_with_several_stacks_that_have_it_one_has_to_be_named(api: Caller, system: System) -> None:
    twin = replace(system.spec, name=StackId("atelier"), project="atelier")
    with system.database.write() as session:
        published_stacks.publish_stack(session, twin, system.now)
    answer = api.post("/windows", {"services": ["forge"]})
    assert (answer.status_code, answer.json["allowed"]) == (422, ["atelier", "studio"])
    assert opened(api, "forge", stack="studio")["stack"] == "studio"


def test_no_such_stack_is_404_and_names_those_there_are(api: Caller) -> None:
    for name in ("nowhere", "%00", "x" * 500):
        answer = api.get(f"/stacks/{name}")
        assert (answer.status_code, answer.json["allowed"]) == (404, ["studio"])


def test_a_stack_that_is_held_elsewhere_is_relocated_and_no_other(api: Caller, system: System) -> None:
    answer = api.post("/stacks/studio/relocate")
    assert (answer.status_code, answer.json["type"]) == (409, "/problems/not-displaced")
    opened(api, "forge")
    with system.database.write() as session:
        published_stacks.record_refused_edit(
            session, StackId("studio"), ["held in another project"], "digest", system.now
        )

    answer = api.post("/stacks/studio/relocate")

    assert (answer.status_code, answer.json["name"]) == (200, "studio")
    assert system.facts("stack.relocated")["left"][0]["owing"] == ["forge"]
    for name in ("nowhere", "%00", "x" * 500):
        assert api.post(f"/stacks/{name}/relocate").status_code == 404


def test_a_held_service_that_is_off_says_what_it_waits_for(api: Caller, system: System) -> None:
    opened(api, "api")
    system.work()

    assert [service(api, name)["power"] for name in ("db", "api")] == ["starting", "off"]
    assert service(api, "api")["detail"] == "waits for db to be healthy"
