"""A line about a stack's files is written by the worker and read by the standalone."""

from __future__ import annotations

import pytest

from app.domain import load_results
from app.domain.load_results import POWER_TOML, LoadOutcome, LoadResult


@pytest.mark.parametrize("subject", ["stack vx11", "stack a.b-c_d", POWER_TOML])
@pytest.mark.parametrize("verdict", list(LoadOutcome))
@pytest.mark.parametrize("detail", ["/a b/power.toml: stacks.x.core: no (really): not", "x" * 3000])
def test_what_is_written_is_what_is_read(subject: str, verdict: LoadOutcome, detail: str) -> None:
    one = LoadResult(subject, verdict, "0123456789ab", detail)
    assert load_results.parse(f"[2026-05-09 12:00:00,000: ERROR/MainProcess] {one}") == one


def test_only_the_beginning_of_a_digest_is_written() -> None:
    assert (
        str(LoadResult("stack a", LoadOutcome.REJECTED, "ab" * 32, "no"))
        == "stack a is rejected (abababababab): no"
    )


@pytest.mark.parametrize(
    "line", ["", "[x: ERROR/M] stack a: the engine does not answer", "stack is rejected (): no"]
)
def test_what_is_about_something_else_is_left(line: str) -> None:
    assert load_results.parse(line) is None
