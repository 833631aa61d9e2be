"""`power stacks` and `power ps`."""

import json

import pytest

from tests.cli.api_bodies import service as compose_service
from tests.cli.api_bodies import stack
from tests.cli.conftest import Power
from tests.cli.service import Service


@pytest.fixture
def stacked(service: Service) -> Service:
    service.stacks = [
        stack(
            "vx11",
            "OPEN",
            [
                compose_service("madre", "on", role="core"),
                compose_service("switch", "on", holders=["3f2a9c1d00", "77aa000000"], time_left_sec=1793.2),
                compose_service(
                    "hermes", "failing", holders=["3f2a9c1d00"], time_left_sec=5, detail="exit code 1\nboom"
                ),
                compose_service("mcp"),
            ],
        )
    ]
    return service


def test_a_stack_is_a_line(stacked: Service, power: Power) -> None:
    assert power("stacks").stdout.splitlines() == [
        "STACK  MODE  NODE   ON   WINDOWS  NOTE",
        "vx11   OPEN  local  3/4  2        failing: hermes",
    ]


def test_a_service_is_a_line_with_its_stack_in_a_pipe(stacked: Service, power: Power) -> None:
    assert power("ps").stdout.splitlines() == [
        "STACK  SERVICE  ROLE     POWER    READY  LEFT    HELD BY                DETAIL",
        "vx11   madre    core     on       yes    -       -",
        "vx11   switch   allowed  on       yes    29m53s  3f2a9c1d00,77aa000000",
        "vx11   hermes   allowed  failing  no     5s      3f2a9c1d00             exit code 1",
        "vx11   mcp      allowed  off      -      -       -",
    ]


def test_drift_and_stops_that_fail_are_reported_in_a_line(service: Service, power: Power) -> None:
    since, again = "2030-05-01T12:03:11.000Z", "2030-05-01T12:09:00.000Z"
    unheld = {"since": since, "why": "runs, though no window holds it"}
    forced = {"since": None, "why": "runs, though no window holds it, and would not stop"}
    service.stacks = [
        stack(
            "vx11",
            "DRIFT",
            [
                compose_service("switch", "on", drift=unheld),
                compose_service("hermes", "on", drift=forced, failed_stops=4, retry_at=again),
            ],
        )
    ]
    assert power("stacks").stdout.splitlines()[1] == (
        "vx11   DRIFT  local  2/2  0        drifting: switch, hermes; would not stop: hermes"
    )
    switch, hermes = power("ps").stdout.splitlines()[1:]
    assert switch.endswith(f"  runs, though no window holds it, since {since}")
    assert hermes.endswith(f"and would not stop; 4 stops have failed, next try {again}")


def test_an_older_definition_and_a_missing_image_are_details(service: Service, power: Power) -> None:
    missing = "image x is not on this machine: docker compose -p vx11 pull hermes (or build)"
    service.stacks = [
        stack(
            "vx11",
            "OPEN",
            [
                compose_service("switch", "on", outdated=True),
                compose_service("hermes", missing_image=missing),
            ],
        )
    ]

    switch, hermes = power("ps").stdout.splitlines()[1:]

    assert "runs an older definition" in switch
    assert hermes.endswith(missing)


def test_a_stack_that_is_rejected_says_every_fault(service: Service, power: Power) -> None:
    faults = [
        "power.toml: stacks.new.core: no service 'a'; there is b",
        "power.toml: stacks.new.allow: " + "x" * 300,
    ]
    service.stacks = [stack("new", "REJECTED") | {"faults": faults}]
    assert (
        power("stacks").stdout.splitlines()[1] == f"new    REJECTED  local  0/0  0        {'; '.join(faults)}"
    )
    assert [line.split(maxsplit=7) for line in power("ps").stdout.splitlines()[1:]] == [
        ["new", "-", "-", "REJECTED", "-", "-", "-", fault] for fault in faults
    ]


def test_one_stack_may_be_named(stacked: Service, power: Power) -> None:
    power("ps", "vx11")

    assert [one.path for one in stacked.asked] == ["/stacks/vx11"]


def test_an_unknown_stack_is_refused_with_the_nearest(stacked: Service, power: Power) -> None:
    result = power("ps", "vx1")

    assert result.exit_code == 4
    assert "did you mean 'vx11' instead of 'vx1'?" in result.stderr


def test_json_is_what_the_service_answers(stacked: Service, power: Power) -> None:
    assert json.loads(power("ps", "vx11", "--json").stdout) == stacked.stacks[0]
    assert json.loads(power("ps", "--json").stdout)["items"] == stacked.stacks
    assert json.loads(power("stacks", "--json").stdout)["items"] == stacked.stacks


def test_watching_is_not_for_programs(stacked: Service, power: Power) -> None:
    assert power("ps", "--watch", "--json").exit_code == 2


def test_no_stacks_is_said(service: Service, power: Power) -> None:
    result = power("stacks")

    assert result.exit_code == 0
    assert "power.toml" in result.stderr


def test_relocating_asks_the_service_and_says_what_follows(service: Service, power: Power) -> None:
    service.stacks = [stack("vx11")]
    result = power("relocate", "vx11")
    assert "stack vx11 is served by its present worker" in result.stdout
    assert len(service.requests("POST", "/stacks/vx11/relocate")) == 1


def test_what_may_not_be_relocated_is_refused_in_one_line(service: Service, power: Power) -> None:
    service.refuse("POST", "/stacks/vx11/relocate", 409, detail="stack 'vx11' is served where it is held")
    result = power("relocate", "vx11")
    assert (result.exit_code, result.stderr.count("\n")) == (4, 1)
    assert "served where it is held" in result.stderr
