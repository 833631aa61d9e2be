"""What a shell offers while a user types."""

import pytest

from tests.cli.api_bodies import service as compose_service
from tests.cli.api_bodies import stack, window
from tests.cli.conftest import Power
from tests.cli.service import Service

pytestmark = pytest.mark.integration


@pytest.fixture
def stacked(service: Service) -> Service:
    services = [
        compose_service("madre", "on", role="core"),
        compose_service("switch"),
        compose_service("spawner"),
    ]
    service.stacks = [stack("vx11", "SOLO_CORE", services), stack("other", "OPEN", [compose_service("swan")])]
    service.add(window("3f2a9c1d00", state="open"), window("77aa000000", state="closed"))
    return service


def offered(power: Power, line: str, **environ: str) -> list[str]:
    """What bash is offered for the last word of a line."""
    words = line.split(" ")
    variables = {"_MAIN_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    return [offer.partition(",")[2] for offer in power(**variables, **environ).stdout.split()]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(power: Power, shell: str) -> None:
    result = power("completion", shell)

    assert result.exit_code == 0
    assert f"_POWER_COMPLETE={shell}_complete" in result.stdout


def test_another_shell_is_wrong_usage(power: Power) -> None:
    assert power("completion", "tcsh").exit_code == 2


def test_commands_are_offered(power: Power) -> None:
    assert offered(power, "power s") == ["standalone", "stacks", "show"]


def test_compare_is_offered_after_conduct(power: Power) -> None:
    assert offered(power, "power conduct com") == ["compare", "com"]
    assert offered(power, "power conduct compare --j") == ["--json"]


def test_options_are_offered(power: Power) -> None:
    assert "--ttl" in offered(power, "power open --t")
    assert offered(power, "power windows --st") == ["--state", "--stack", "--stuck"]
    assert offered(power, "power audit --u") == ["--utc"]


def test_what_may_be_powered_is_offered(stacked: Service, power: Power) -> None:
    assert offered(power, "power open sw") == ["switch", "swan"]
    assert offered(power, "power open -s vx11 s") == ["switch", "spawner"]


def test_what_is_named_already_is_not_offered_again(stacked: Service, power: Power) -> None:
    assert offered(power, "power open -s vx11 switch s") == ["spawner"]


def test_stacks_are_offered(stacked: Service, power: Power) -> None:
    assert offered(power, "power open -s v") == ["vx11"]
    assert offered(power, "power ps ") == ["vx11", "other"]


def test_only_what_has_not_ended_is_offered_for_closing(stacked: Service, power: Power) -> None:
    assert offered(power, "power close ") == ["3f2a9c1d00", "switch"]
    assert offered(power, "power show ") == ["3f2a9c1d00", "77aa000000"]


def test_without_a_service_nothing_is_offered_and_nothing_is_said(stacked: Service, power: Power) -> None:
    assert offered(power, "power open s", POWER_URL="http://127.0.0.1:1") == []
