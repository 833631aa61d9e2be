"""Flake rates and comparisons: known values, the coverage of intervals, and too few runs."""

from __future__ import annotations

import random

import pytest

from app.domain import run_statistics
from app.domain.run_statistics import Change, compare_medians, compare_rates, flake_rate

QUICK = [1.0, 1.1, 0.9, 1.05, 0.95, 1.02]
SLOW = [one + 2 for one in QUICK]


@pytest.mark.parametrize(
    ("failures", "runs", "low", "high"),
    [(1, 10, 0.0179, 0.4042), (0, 5, 0.0, 0.4345), (5, 5, 0.5655, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_a_flake_rate_has_its_wilson_interval(failures: int, runs: int, low: float, high: float) -> None:
    """81 of 263 is the example of Newcombe, Statistics in Medicine 17 (1998)."""
    rate = flake_rate(failures, runs)
    assert [rate.low, rate.high] == pytest.approx([low, high], abs=5e-5)
    assert rate.rate == failures / runs


def test_nothing_that_ran_has_no_rate_and_any_rate_is_possible() -> None:
    rate = flake_rate(0, 0)
    assert (rate.rate, rate.low, rate.high) == (None, 0.0, 1.0)


@pytest.mark.parametrize(
    ("counts", "chance"),
    [((0, 5, 5, 5), 2 / 252), ((1, 10, 8, 10), 0.00548), ((3, 4, 1, 4), 0.48571), ((0, 5, 0, 5), 1.0)],
)
def test_fishers_p_value_is_that_of_the_tables(counts: tuple[int, int, int, int], chance: float) -> None:
    """3 of 4 and 1 of 4 is the lady who tastes tea, two-sided."""
    assert run_statistics.fisher_p_value(*counts) == pytest.approx(chance, abs=5e-6)


def test_the_wilson_interval_covers_the_true_rate() -> None:
    draw = random.Random(1)
    covered = 0
    for _ in range(2000):
        failures = sum(draw.random() < 0.2 for _ in range(30))
        rate = flake_rate(failures, 30)
        covered += rate.low <= 0.2 <= rate.high
    assert 0.92 <= covered / 2000 <= 0.98


@pytest.mark.parametrize("size", [5, 12])
def test_the_bootstrap_interval_covers_the_true_difference(size: int) -> None:
    draw, covered = random.Random(2), 0
    for seed in range(300):
        before = [draw.lognormvariate(0, 0.5) for _ in range(size)]
        after = [draw.lognormvariate(0, 0.5) + 0.3 for _ in range(size)]
        low, high = run_statistics.bootstrap_interval(before, after, resamples=300, seed=seed)
        covered += low <= 0.3 <= high
    assert 0.92 <= covered / 300 <= 1.0


def test_equal_series_are_rarely_called_different() -> None:
    draw, named = random.Random(3), 0
    for _ in range(200):
        series = [[draw.gauss(1, 0.1) for _ in range(8)] for _ in range(2)]
        named += compare_medians(*series, resamples=300).change is not Change.NONE
    assert named / 200 <= 0.08


def test_slower_and_faster_have_an_interval_without_zero() -> None:
    comparison = compare_medians(QUICK, SLOW)
    assert comparison.change is Change.SLOWER
    assert comparison.low is not None
    assert comparison.high is not None
    assert 0 < comparison.low <= 2 <= comparison.high
    assert compare_medians(SLOW, QUICK).change is Change.FASTER
    assert compare_medians(QUICK, SLOW) == comparison


def test_a_bare_difference_shows_nothing() -> None:
    before, after = [1.0, 3.0, 1.1, 2.9, 2.0], [1.2, 3.1, 1.0, 3.0, 2.2]
    assert compare_medians(before, after).change is Change.NONE


def test_too_few_runs_are_not_judged() -> None:
    assert compare_medians(QUICK[:4], SLOW).change is Change.TOO_FEW
    assert compare_medians([], SLOW).before is None
    assert compare_rates(flake_rate(0, 4), flake_rate(9, 9)).change is Change.TOO_FEW


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ((0, 5), (5, 5), Change.BROKE),
        ((5, 5), (0, 5), Change.MENDED),
        ((0, 5), (2, 5), Change.NONE),
        ((1, 100), (12, 60), Change.BROKE),
    ],
)
def test_a_rate_that_differs_more_than_chance_broke_or_was_mended(
    before: tuple[int, int], after: tuple[int, int], change: Change
) -> None:
    assert compare_rates(flake_rate(*before), flake_rate(*after)).change is change
