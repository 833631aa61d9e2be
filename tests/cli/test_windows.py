"""`power windows`, `power show` and `power extend`."""

import json
from typing import Any

import pytest

from tests.cli.api_bodies import ON, call, health, stack, window
from tests.cli.conftest import Power
from tests.cli.service import Service

OPEN: dict[str, Any] = {"state": "open", "status": "ok", "health": {"switch": ON}}


def test_windows_are_listed_whole_and_aligned_in_a_pipe(service: Service, power: Power) -> None:
    service.add(
        window("3f2a9c1d00", **OPEN, reason="batch 7"),
        window("77aa000000", state="closed", services=["a-service-with-a-very-long-name", "hermes"]),
    )

    result = power("windows")

    assert result.stdout.splitlines() == [
        "WINDOW      STACK  STATE   LEFT    BY   SERVICES                                REASON",
        "3f2a9c1d00  vx11   open    29m53s  ada  switch                                  batch 7",
        "77aa000000  vx11   closed  -       ada  a-service-with-a-very-long-name,hermes",
    ]


def test_they_are_filtered_by_the_service(service: Service, power: Power) -> None:
    power("windows", "--state", "open", "-s", "vx11")

    args = service.requests("GET", "/windows")[0].args
    assert (args["state"], args["stack"]) == ("open", "vx11")


def test_partial_and_stuck_ones_are_chosen(service: Service, power: Power) -> None:
    service.add(
        window("w1", state="closing", stuck=True),
        window("w2", state="open", status="partial"),
        window("w3", state="closing"),
        window("w4", state="closed", status="partial"),
        window("w5", state="open", status="ok"),
    )

    def listed(*options: str) -> list[str]:
        answer = json.loads(power("windows", "--json", *options).stdout)
        return [one["id"] for one in answer["items"]]

    assert listed("--stuck") == ["w1"]
    assert listed("--partial") == ["w2", "w4"]
    assert listed("--partial", "--limit", "1") == ["w2"]
    assert listed("--partial", "--state", "closed") == ["w4"]
    assert listed("--partial", "--stuck") == []
    assert power("windows", "--partial", "--stuck").stderr == "no such windows\n"


@pytest.mark.parametrize("command", ["windows", "watch", "diagnose"])
def test_a_stack_that_does_not_exist_is_refused(service: Service, power: Power, command: str) -> None:
    service.stacks = [stack("homelab")]

    result = power(command, "-s", "homelap")

    assert result.exit_code == 4
    assert "did you mean 'homelab' instead of 'homelap'?" in result.stderr


def test_a_stack_that_was_removed_still_has_its_windows(service: Service, power: Power) -> None:
    service.add(window("w1", stack="gone", state="closed"))

    assert power("windows", "-s", "gone").stdout.splitlines()[1].startswith("w1")


def test_pages_are_read_until_there_are_enough(service: Service, power: Power) -> None:
    service.page = 3
    service.add(*(window(f"w{number}") for number in range(20)))

    result = power("windows", "--limit", "7", "--json")

    assert [one["id"] for one in json.loads(result.stdout)["items"]] == [f"w{number}" for number in range(7)]


def test_an_unknown_state_is_wrong_usage_and_names_the_known(service: Service, power: Power) -> None:
    result = power("windows", "--state", "ajar")

    assert result.exit_code == 2
    assert "closing" in result.stderr


def test_no_windows_is_said_and_is_no_failure(service: Service, power: Power) -> None:
    result = power("windows")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no windows\n")


def test_a_window_is_shown_with_its_services_and_calls(service: Service, power: Power) -> None:
    failing = health("failing", detail="exit code 1\nModuleNotFoundError")
    service.add(
        window(
            **{**OPEN, "status": "partial"},
            services=["switch", "hermes"],
            results=[call("switch"), call("hermes", status="fail", stderr="boom")],
        )
        | {"health": {"switch": ON, "hermes": failing}}
    )

    lines = power("show", "3f2a").stdout.splitlines()

    assert "state     open (partial)" in lines
    assert "deadline  2026-03-01T10:30:00.000Z (29m53s left)" in lines
    assert "hermes   failing  no     exit code 1" in lines
    assert "2026-03-01T10:00:01.000Z  hermes   up      fail    1     412ms" in lines
    assert "    boom" in lines


def test_a_window_without_a_past_is_shown_too(service: Service, power: Power) -> None:
    service.add(window(health={}, services=["switch"]))

    assert "switch   unknown  no" in power("show", "3f2a9c1d00").stdout


def test_following_ends_when_the_window_does(service: Service, power: Power) -> None:
    service.add(window(**OPEN))
    service.course("3f2a9c1d00", {}, {"state": "closing"}, {"state": "closed", "close_reason": "time is up"})

    result = power("show", "3f2a9c1d00", "--follow")

    assert result.stdout.splitlines()[0] == "window  3f2a9c1d00  open"
    assert "closed    -  time is up" in result.stdout
    assert result.exit_code == 0


def test_why_a_window_ends_is_shown_in_a_word_with_who_and_a_sentence(service: Service, power: Power) -> None:
    end = {"close_reason": "forced", "closed_by": "grace", "close_detail": "forced by grace: now"}
    service.add(window(**{**OPEN, "state": "closing", **end}))

    lines = power("show", "3f2a9c1d00").stdout.splitlines()
    assert lines[-6:-3] == ["closed    -  forced", "closed by grace", "because   forced by grace: now"]
    assert "closing, forced" in power("windows").stdout


def test_a_server_that_knows_no_actor_of_an_end_is_understood(service: Service, power: Power) -> None:
    before = window(state="closed", close_reason="its time was up")
    del before["closed_by"], before["close_detail"]
    service.add(before)

    result = power("show", "3f2a9c1d00")

    assert "closed    -  its time was up" in result.stdout
    assert result.exit_code == 0


def test_json_is_the_answer_as_it_came(service: Service, power: Power) -> None:
    service.add(window())

    assert json.loads(power("show", "3f2a", "--json").stdout) == window()


def test_an_unknown_window_is_refused(service: Service, power: Power) -> None:
    result = power("show", "nosuch")

    assert result.exit_code == 4
    assert "there is no window 'nosuch'" in result.stderr
    assert "power windows" in result.stderr


def test_an_empty_id_means_no_window(service: Service, power: Power) -> None:
    assert power("show", "").exit_code == 2


def test_an_id_is_never_a_path(service: Service, power: Power) -> None:
    assert power("show", "../stacks").exit_code == 2


def test_extending_tells_the_new_deadline(service: Service, power: Power) -> None:
    service.add(window(**OPEN))

    result = power("extend", "3f2a", "--ttl", "1h")
    power("extend", "switch", "1h")

    requests = service.requests("PATCH", "/windows/3f2a9c1d00")
    assert [one.body for one in requests] == [{"ttl_sec": 3600}] * 2
    assert result.stdout == "window 3f2a9c1d00 until 2026-03-01T11:00:00.000Z (1h left)\n"


def test_over_the_limit_is_refused_with_the_limit(service: Service, power: Power) -> None:
    service.add(window(**OPEN))
    service.refuse("PATCH", "/windows/3f2a9c1d00", 422, detail="over the limit", limit=28800, given=90000.0)

    result = power("extend", "3f2a9c1d00", "--ttl", "25h")

    assert result.exit_code == 4
    assert result.stderr == "power: over the limit\n  limit: 28800\n  given: 90000\n"


def test_an_extension_needs_its_duration(service: Service, power: Power) -> None:
    assert power("extend", "3f2a").exit_code == 2
    assert power("extend", "3f2a", "1h", "--ttl", "2h").exit_code == 2
