"""The reason of a failed start comes first, and neither its beginning nor its end is lost."""

from __future__ import annotations

import pytest

from app.domain import call_output

BUSY = """ Network studio_default Creating
 Network studio_default Created
 Container studio-web-1 Creating
 Container studio-web-1 Created
 Container studio-web-1 Starting
time="2030-05-01T12:00:00Z" level=warning msg="service \\"other\\": deploy.placement is only honored by Swarm"
Error response from daemon: driver failed programming external connectivity on endpoint studio-web-1: \
Bind for 127.0.0.1:8080 failed: port is already allocated
"""


def test_progress_and_warnings_are_no_reason() -> None:
    reason = call_output.reason(BUSY)

    assert reason.startswith("Error response from daemon: driver failed")
    assert "Creating" not in reason
    assert "placement" not in reason


def test_where_there_is_nothing_else_all_of_it_is_kept() -> None:
    assert "Container studio-web-1 Starting" in call_output.reason(" Container studio-web-1 Starting \n")
    assert call_output.reason("") == ""


def test_the_last_error_comes_first_and_once() -> None:
    output = " service:web:1 Error response from daemon: no such image: x\nError response from daemon: oh\n"
    assert call_output.reason(output * 2).splitlines()[0] == "Error response from daemon: oh"
    assert len(call_output.reason(output * 2).splitlines()) == 2


@pytest.mark.parametrize("length", [0, 1, 499, 500, 501, 10_000, 1_000_000])
def test_what_is_kept_is_bounded_and_has_both_ends(length: int) -> None:
    output = (
        ("begin " + "x" * length + " the reason")[:length] if length < 20 else f"begin{'x' * length}reason"
    )
    shortened = call_output.shorten_output(output)

    assert len(shortened) <= call_output.MOST_CHARACTERS
    if length >= 20:
        assert shortened.startswith("begin")
        assert shortened.endswith("reason")


@pytest.mark.parametrize(
    ("output", "mended_by"),
    [
        (BUSY, "port 8080 is taken; see by what: docker ps --filter publish=8080"),
        ("listen tcp4 0.0.0.0:53: bind: address already in use", "port 53 is taken"),
        (
            "Error: No such image: ghcr.io/a/b:1",
            "image ghcr.io/a/b:1 is not on this machine: docker compose -p studio pull",
        ),
        ('could not select device driver "nvidia" with capabilities: [[gpu]]', "no GPU runtime"),
        ("unknown or invalid runtime name: nvidia", "no GPU runtime"),
        ("exit 137", ""),
    ],
)
def test_a_known_cause_comes_with_the_command_that_mends_it(output: str, mended_by: str) -> None:
    advice = call_output.advice(output, "studio", "web")

    assert advice.startswith(mended_by) if mended_by.startswith(("port", "image")) else mended_by in advice
    assert "\n" not in advice


CONFLICT = (
    'Error response from daemon: Conflict. The container name "/taken" is already in use by container '
    f'"{"bf3e97" * 10}". You have to remove (or rename) that container to be able to reuse that name.'
)
NO_POOL = (
    "Error response from daemon: could not find an available, non-overlapping IPv4 address pool among the "
    "defaults to assign to the network"
)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (f" Container taken Creating\n service:web:1 {CONFLICT}\n{CONFLICT}\n", CONFLICT),
        (
            f" Network studio_default Creating\n Network studio_default Error {NO_POOL}\n"
            f"failed to create network studio_default: {NO_POOL}\n",
            f"failed to create network studio_default: {NO_POOL}",
        ),
    ],
)
def test_a_reason_is_reported_once_though_its_middle_was_cut_out(output: str, reason: str) -> None:
    assert call_output.reason(output) == reason
    assert call_output.reason(call_output.shorten_output(output)) == reason


@pytest.mark.parametrize(
    ("output", "mended_by"),
    [
        (CONFLICT, "another container is called taken; see whose: docker ps -a --filter name=^/taken$"),
        (NO_POOL, "docker network prune"),
        (
            "network lab declared as external, but could not be found",
            "the external network lab is missing: docker network create lab",
        ),
        (
            'external volume "data" not found',
            "the external volume data is missing: docker volume create data",
        ),
    ],
)
def test_what_is_in_the_way_of_a_start_comes_with_its_command_too(output: str, mended_by: str) -> None:
    assert mended_by in call_output.advice(output, "studio", "web")
