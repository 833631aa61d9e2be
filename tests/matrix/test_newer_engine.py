"""A newer release of Docker, in every run of the tests; `make engines` has them all."""

from __future__ import annotations

from tests.matrix.runs import Target, run

NEWER = Target("26.1", lowest_api="1.44")
"""Of Debian's stable release, and turning older clients away as Docker 29 does."""


def test_the_main_flow_and_what_matters_of_the_engine_tests_pass_on_a_newer_engine() -> None:
    result = run(NEWER, ["-q", "-m", "every_engine", "tests/engine"])

    assert result.ok, f"{result.engine}\n{result.output}"
    assert result.skipped == 0
    assert result.engine.startswith(f"{NEWER.release}.")
