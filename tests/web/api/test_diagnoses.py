"""Why services fail, over HTTP: per service and window, and in the details of both. On both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from app.domain.stack_id import StackId
from app.store import diagnoses
from tests.system import System
from tests.web.api.test_stacks import service, stack
from tests.web.api.test_windows import opened
from tests.web.caller import Caller

CAUSE: dict[str, Any] = {
    "cause": "missing-module",
    "title": "The Python module switch is missing in the image",
    "confidence": 0.95,
    "evidence": ["ModuleNotFoundError: No module named 'switch'"],
    "suggestion": "Add it.",
    "rule": "python-module-missing",
    "source": "program.toml",
    "patch": {"file": "Dockerfile", "diff": "--- a/Dockerfile\n", "directory": "/srv"},
}


def record(system: System, name: str, window: str | None = None, **facts: Any) -> None:
    with system.database.write() as session:
        diagnoses.record(
            session,
            stack=StackId("studio"),
            service=name,
            window=window,
            node="local",
            causes=[CAUSE | facts],
            now=system.now,
        )


def test_a_failing_service_carries_its_diagnosis(api: Caller, system: System) -> None:
    window = opened(api, "forge")["id"]
    system.work()
    system.finish("forge", 1)
    record(system, "forge", window)

    assert service(api, "forge")["diagnosis"]["causes"] == [CAUSE]
    assert "diagnosis" not in service(api, "mill")
    assert api.get(f"/windows/{window}").json["health"]["forge"]["diagnosis"]["causes"] == [CAUSE]
    (one,) = api.get(f"/windows/{window}/diagnosis").json["items"]
    assert (one["service"], one["window"]) == ("forge", window)
    assert api.get("/stacks/studio/services/forge/diagnosis").json["causes"] == [CAUSE]


def test_a_service_that_is_ready_has_no_diagnosis(api: Caller, system: System) -> None:
    record(system, "forge")
    opened(api, "forge")
    system.work()

    answer = api.get("/stacks/studio/services/forge/diagnosis").json
    assert (answer["causes"], answer["at"]) == ([], None)


def test_a_service_that_waits_for_a_failed_one_carries_its_diagnosis(api: Caller, system: System) -> None:
    record(system, "report", "an-older-window")
    window = opened(api, "report", "forge")["id"]
    system.will_crash = {"job"}
    system.work()
    assert system.window(window).status == "partial"
    assert "diagnosis" not in service(api, "report")

    record(system, "report", window, cause="dependency-failed")

    assert service(api, "report")["power"] == "off"
    assert service(api, "report")["diagnosis"]["causes"][0]["cause"] == "dependency-failed"
    system.close(window)
    assert "diagnosis" not in service(api, "report")


def test_what_does_not_exist_is_not_found(api: Caller) -> None:
    assert api.get("/stacks/studio/services/nothing/diagnosis").status_code == 404
    assert api.get("/stacks/nothing/services/forge/diagnosis").status_code == 404
    assert api.get("/windows/abc/diagnosis").status_code == 404


def test_a_later_diagnosis_of_the_same_window_replaces_the_first(api: Caller, system: System) -> None:
    window = opened(api, "forge")["id"]
    record(system, "forge", window)
    record(system, "forge", window, cause="out-of-memory")

    (one,) = api.get(f"/windows/{window}/diagnosis").json["items"]
    assert [cause["cause"] for cause in one["causes"]] == ["out-of-memory"]


def test_a_diagnosis_goes_with_its_time_but_not_while_its_window_is_kept(api: Caller, system: System) -> None:
    window = opened(api, "forge")["id"]
    record(system, "forge", window)
    record(system, "mill")
    with system.database.write() as session:
        diagnoses.forget(session, system.now + diagnoses.DIAGNOSIS_RETENTION)
    with system.database.read() as session:
        assert set(diagnoses.newest(session, StackId("studio"), ["forge", "mill"])) == {"forge"}


def test_a_stack_without_faults_has_no_diagnosis(api: Caller, system: System) -> None:
    record(system, "")

    assert "diagnosis" not in stack(api)


def test_a_diagnosis_of_an_older_window_says_nothing_of_this_one(api: Caller, system: System) -> None:
    older = opened(api, "forge")["id"]
    system.work()
    system.finish("forge", 1)
    record(system, "forge", older)
    system.close(older)
    assert api.get("/stacks/studio/services/forge/diagnosis").json["window"] == older

    system.now += timedelta(seconds=60)
    window = opened(api, "forge")["id"]
    system.work()
    system.finish("forge", 1)
    system.now += timedelta(seconds=1)
    record(system, "forge", older, cause="dependency-failed")

    assert api.get("/stacks/studio/services/forge/diagnosis").json["causes"] == []
    assert "diagnosis" not in service(api, "forge")
    assert api.get(f"/windows/{window}/diagnosis").json["items"] == []
    assert "diagnosis" not in api.get(f"/windows/{window}").json["health"]["forge"]
    (one,) = api.get(f"/windows/{older}/diagnosis").json["items"]
    assert (one["window"], one["causes"][0]["cause"]) == (older, "dependency-failed")


def test_windows_that_share_a_service_share_its_diagnosis(api: Caller, system: System) -> None:
    first = opened(api, "forge")["id"]
    system.work()
    system.now += timedelta(seconds=60)
    second = opened(api, "forge")["id"]
    system.work()
    system.finish("forge", 1)
    record(system, "forge", second)

    for window in (first, second):
        (one,) = api.get(f"/windows/{window}/diagnosis").json["items"]
        assert one["window"] == second
    assert service(api, "forge")["diagnosis"]["causes"] == [CAUSE]
