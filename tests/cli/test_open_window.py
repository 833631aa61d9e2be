"""`power open`: what is asked, what is shown while waiting, and how it ends."""

import json
from typing import Any

import pytest

from app.cli import progress
from tests.cli.api_bodies import ON, call, health, stack, window
from tests.cli.api_bodies import service as compose_service
from tests.cli.conftest import Power
from tests.cli.service import Service

CRASH = "exit code 1, restarted 2 times\nModuleNotFoundError: No module named 'switch'"


def opened(**facts: Any) -> dict[str, Any]:
    return {"state": "open", "status": "ok", "health": {"switch": ON}} | facts


def test_the_service_is_asked_for_what_was_said(service: Service, power: Power) -> None:
    power("open", "-s", "vx11", "switch", "hermes", "--ttl", "1h30m", "--reason", "batch 7", "--no-wait")

    asked = service.requests("POST", "/windows")[0]
    assert asked.body == {
        "stack": "vx11",
        "services": ["switch", "hermes"],
        "ttl_sec": 5400,
        "reason": "batch 7",
    }
    assert asked.headers["Idempotency-Key"]


def test_what_was_not_said_is_left_to_the_stack(service: Service, power: Power) -> None:
    power("open", "switch", "--no-wait")

    assert service.requests("POST", "/windows")[0].body == {"services": ["switch"]}


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (["switch", "2h"], {"services": ["switch"], "ttl_sec": 7200}),
        (["switch", "hermes", "90"], {"services": ["switch", "hermes"], "ttl_sec": 90}),
        (["switch", "2h", "--ttl", "1h"], {"services": ["switch", "2h"], "ttl_sec": 3600}),
        (["2h", "switch"], {"services": ["2h", "switch"]}),
    ],
)
def test_a_duration_at_the_end_is_how_long(
    service: Service, power: Power, words: list[str], body: dict[str, Any]
) -> None:
    power("open", *words, "--no-wait")

    assert service.requests("POST", "/windows")[0].body == body


def test_a_service_named_like_a_duration_is_the_service(service: Service, power: Power) -> None:
    service.stacks = [stack("vx11", services=[compose_service("2h")]), stack("lab")]

    result = power("open", "switch", "2h", "--no-wait")
    power("open", "-s", "lab", "switch", "2h", "--no-wait")

    bodies = [one.body for one in service.requests("POST", "/windows")]
    assert bodies == [
        {"services": ["switch", "2h"]},
        {"stack": "lab", "services": ["switch"], "ttl_sec": 7200},
    ]
    assert result.stderr == "2h is a service of vx11; to say how long, write --ttl 2h\n"


def test_a_duration_alone_names_no_service(service: Service, power: Power) -> None:
    result = power("open", "2h")

    assert (result.exit_code, "power open SERVICE 2h" in result.stderr) == (2, True)


def test_services_of_several_stacks_are_refused_with_the_option_that_decides(
    service: Service, power: Power
) -> None:
    refused = {"detail": "db is on several stacks; say which stack: gpu, home", "allowed": ["gpu", "home"]}
    service.refuse("POST", "/windows", 422, type="/problems/stack-needed", **refused)

    for options in ([], ["--plan"]):
        result = power("open", "db", "2h", *options)
        assert result.exit_code == 4
        assert result.stderr.endswith(
            "say which stack: gpu, home\nname it with -s: power open -s gpu db 2h\n"
        )


def test_a_limit_is_one_sentence(service: Service, power: Power) -> None:
    refused = {"type": "/problems/ttl-too-long", "given": 32400, "limit": 28800, "allowed": 28800}
    service.refuse("POST", "/windows", 422, detail="9h is longer than vx11 allows (8h)", **refused)

    assert power("open", "switch", "9h").stderr == "power: 9h is longer than vx11 allows (8h)\n"


def test_the_end_says_how_long_the_opening_took(service: Service, power: Power) -> None:
    service.course("3f2a9c1d00", opened(opened_at="2026-03-01T10:00:12.400Z"))

    assert "open: switch on vx11 after 12s\n" in power("open", "switch").stdout


def test_an_interrupted_wait_says_until_when_the_window_goes_on(
    service: Service, power: Power, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(progress, "watch", interrupt)

    result = power("open", "switch")

    assert result.exit_code == 130
    assert "window 3f2a9c1d00 goes on until 2026-03-01T10:30:00.000Z (29m53s left)" in result.stderr
    assert not service.requests("POST", "/windows/3f2a9c1d00/close")


def test_every_change_is_a_line_until_the_services_are_ready(service: Service, power: Power) -> None:
    service.course(
        "3f2a9c1d00", {"health": {"switch": health("starting", detail="health: starting")}}, opened()
    )

    result = power("open", "switch")

    assert result.stdout.splitlines() == [
        "window  3f2a9c1d00  opening",
        "switch  starting  not-ready",
        "switch  starting  not-ready  health: starting",
        "window  3f2a9c1d00  open",
        "switch  on  ready",
        "open: switch on vx11",
        "until 2026-03-01T10:30:00.000Z (29m53s left); close it with: power close 3f2a9c1d00",
    ]
    assert result.exit_code == 0


def test_without_a_stream_the_window_is_still_followed(service: Service, power: Power) -> None:
    service.streams = False
    service.course("3f2a9c1d00", {}, {}, {}, opened())

    assert power("open", "switch").exit_code == 0


def test_a_service_that_fails_is_reported_with_its_last_words(service: Service, power: Power) -> None:
    both = {"switch": ON, "hermes": health("failing", detail=CRASH)}
    service.opens_as = window(services=["switch", "hermes"])
    service.course("3f2a9c1d00", opened(status="partial", health=both))

    result = power("open", "switch", "hermes")

    assert result.exit_code == 1
    assert "partial: ready: switch; not ready: hermes" in result.stdout
    assert "exit code 1, restarted 2 times" in result.stdout
    assert "  ModuleNotFoundError: No module named 'switch'" in result.stdout
    assert "power close 3f2a9c1d00" in result.stdout


def test_a_call_that_fails_is_reported_as_it_was_run(service: Service, power: Power) -> None:
    failed = call("switch", status="fail", stderr="Error: No such image: studio/switch:1\n")
    lost = {"state": "closing", "status": "fail", "health": {"switch": health("off")}, "results": [failed]}
    service.course("3f2a9c1d00", lost)

    result = power("open", "switch")

    assert result.exit_code == 1
    assert "failed: switch did not come up; window 3f2a9c1d00 is closing" in result.stdout
    assert "  docker compose -p vx11 up -- switch: exit 1" in result.stdout
    assert "    Error: No such image: studio/switch:1" in result.stdout


def test_a_failure_that_was_over_before_a_look_is_shown_with_its_reason(
    service: Service, power: Power
) -> None:
    over = {"state": "closed", "status": "fail", "health": {"switch": health("off")}}
    service.course("3f2a9c1d00", {**over, "close_reason": "nothing came up: switch:\nModuleNotFoundError"})

    lines = power("open", "switch").stdout.splitlines()

    assert lines[-3:-1] == ["  nothing came up: switch:", "  ModuleNotFoundError"]
    assert lines[-1] == "why, and what mends it: power diagnose switch"


def test_a_window_that_is_closed_meanwhile_is_not_open(service: Service, power: Power) -> None:
    service.course("3f2a9c1d00", {"state": "closing", "close_reason": "ada wants it off"})

    result = power("open", "switch")

    assert result.exit_code == 1
    assert "closing before it was open\n  ada wants it off\n" in result.stdout


def test_a_window_whose_time_runs_out_unnoticed_is_not_waited_for(service: Service, power: Power) -> None:
    service.course("3f2a9c1d00", {"ttl_remaining_sec": 0})

    result = power("open", "switch")

    assert result.exit_code == 1
    assert "opening" in result.stdout.splitlines()[-2]


def test_json_is_the_final_window_and_nothing_else(service: Service, power: Power) -> None:
    service.course("3f2a9c1d00", opened())

    result = power("open", "switch", "--json")

    assert json.loads(result.stdout)["state"] == "open"
    assert result.exit_code == 0


def test_a_partial_window_is_reported_by_the_exit_code_with_json_too(service: Service, power: Power) -> None:
    service.course("3f2a9c1d00", opened(status="partial"))

    assert power("open", "switch", "--json").exit_code == 1


def test_without_waiting_the_window_is_named_and_left(service: Service, power: Power) -> None:
    result = power("open", "switch", "--no-wait")

    assert result.exit_code == 0
    assert result.stdout.startswith("window 3f2a9c1d00  opening\n")
    assert not service.requests("GET", "/windows/3f2a9c1d00")


def test_a_plan_shows_waves_and_opens_nothing(service: Service, power: Power) -> None:
    service.plan = {
        "stack": "vx11",
        "services": ["hermes"],
        "ttl_sec": 1800,
        "waves": [["switch"], ["hermes"]],
        "already_on": ["mcp"],
        "missing_images": ["image x is not on this machine: docker compose -p vx11 pull hermes (or build)"],
    }

    result = power("open", "hermes", "--plan")

    assert result.stdout.splitlines() == [
        "WAVE  STARTS",
        "1     switch",
        "2     hermes",
        "image x is not on this machine: docker compose -p vx11 pull hermes (or build)",
        "on already: mcp",
    ]
    assert "nothing has changed" in result.stderr
    assert service.windows == {}
    assert json.loads(power("open", "hermes", "--plan", "--json").stdout) == service.plan


def test_a_name_that_was_nearly_right_is_guessed(service: Service, power: Power) -> None:
    sentence = "stack 'vx11' has no service swich; allowed are hermes, switch"
    service.refuse("POST", "/windows", 422, detail=sentence, field="services", allowed=["hermes", "switch"])

    result = power("open", "swich")

    assert result.exit_code == 4
    assert result.stderr == f"power: {sentence}\ndid you mean 'switch' instead of 'swich'?\n"


def test_a_duration_that_is_none_is_wrong_usage(service: Service, power: Power) -> None:
    result = power("open", "switch", "--ttl", "soon")

    assert result.exit_code == 2
    assert "30m or 1h30m" in result.stderr
    assert service.asked == []


def test_no_service_at_all_is_wrong_usage(service: Service, power: Power) -> None:
    assert power("open").exit_code == 2


@pytest.mark.parametrize("status", [401, 403, 404, 409, 413, 422, 429])
def test_a_refusal_is_four(service: Service, power: Power, status: int) -> None:
    service.refuse("POST", "/windows", status, detail="not like this")

    result = power("open", "switch")

    assert (result.exit_code, "not like this" in result.stderr) == (4, True)


def test_a_database_that_is_away_is_as_good_as_out_of_reach(service: Service, power: Power) -> None:
    service.refuse("POST", "/windows", 503, detail="the database is away")

    assert power("open", "switch").exit_code == 3


def test_log_lines_cannot_steer_the_terminal(service: Service, power: Power) -> None:
    wild = health("failing", detail="boom\x1b[2Jgone\x07")
    service.course("3f2a9c1d00", opened(status="partial", health={"switch": wild}))

    assert "\x1b" not in power("open", "switch").stdout


def test_a_stack_of_windows_is_not_confused_with_this_one(service: Service, power: Power) -> None:
    service.add(window("ffff", state="closed"))
    service.course("3f2a9c1d00", opened())

    assert "ffff" not in power("open", "switch").stdout
