"""The summary for dashboards: flat, and true through a window's life."""

from __future__ import annotations

from app.store.tables import stamp
from tests.system import System
from tests.web.api.test_windows import opened
from tests.web.caller import Caller


def test_the_summary_follows_the_windows(api: Caller, grace: Caller, system: System) -> None:
    idle = api.get("/summary").json
    assert (idle["stacks"], idle["services_on"], idle["windows_open"]) == (1, 1, 0)
    assert (idle["next_deadline"], idle["minutes_left"], idle["next_actor"]) == (None, None, "")

    opened(api, "forge", ttl_sec=600)
    opened(grace, "mill", ttl_sec=90)
    assert api.get("/summary").json["windows_opening"] == 2
    system.work()

    summary = api.get("/summary").json
    assert (summary["windows_open"], summary["services_on"], summary["stuck"]) == (2, 3, 0)
    assert (summary["minutes_left"], summary["next_services"], summary["next_actor"]) == (
        1.5,
        "mill",
        "grace",
    )
    assert summary["next_deadline"] > stamp(system.now)
    assert all(isinstance(value, int | float | str) for value in summary.values())


def test_what_needs_attention_is_counted_and_named(api: Caller, system: System) -> None:
    system.will_crash.add("mill")
    system.will_not_stop.add("forge")
    window = opened(api, "forge", "mill")["id"]
    system.work()

    summary = api.get("/summary").json
    assert (summary["failing"], summary["failing_services"]) == (1, "studio/mill")

    api.post(f"/windows/{window}/close")
    for _ in range(8):
        system.work()
        system.tick(400)
    assert api.get("/summary").json["stuck"] == 1


def test_it_needs_a_token(api: Caller) -> None:
    assert api.get("/summary", headers={"Authorization": ""}).status_code == 401
