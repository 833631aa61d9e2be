"""Statistics of repeated runs: flake rates, medians, and tests of whether two series differ.

A rate has its Wilson score interval (E. B. Wilson, 1927). Two series of durations are compared by a
percentile bootstrap of the difference of their medians (B. Efron, 1979), two pass rates by Fisher's
exact test. Each test is made at 95 %, by itself: of 20 comparisons of equal series about one names a
difference by chance. Series that are too short are not judged.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist, median

CONFIDENCE = 0.95
"""Of every interval and test."""
RESAMPLES = 2000
"""Bootstrap resamples of one comparison."""
SEED = 20130101
"""Of the resampling, so that the same runs always give the same interval."""
FEWEST_RUNS = 5
"""Runs on each side of a comparison, at least."""


class Change(StrEnum):
    """What a comparison of two series of runs shows."""

    SLOWER = "slower"
    FASTER = "faster"
    BROKE = "broke"
    """It fails more often than before."""
    MENDED = "mended"
    """It fails less often than before."""
    NONE = "no difference shown"
    TOO_FEW = "too few runs to tell"


WORSE = frozenset({Change.SLOWER, Change.BROKE})


@dataclass(frozen=True, slots=True)
class FlakeRate:
    """Failures among runs; `low` and `high` bound the rate at 95 % and are 0 and 1 where nothing ran."""

    failures: int
    runs: int
    low: float
    high: float

    @property
    def rate(self) -> float | None:
        """The share of runs that failed, from 0 to 1; None where nothing ran."""
        return self.failures / self.runs if self.runs else None


def flake_rate(failures: int, runs: int) -> FlakeRate:
    """The flake rate with its Wilson score interval."""
    low, high = wilson_interval(failures, runs)
    return FlakeRate(failures, runs, low, high)


def wilson_interval(count: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The Wilson score interval of a proportion; from 0 to 1 where `total` is 0."""
    if not total:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, weight = count / total, z * z / total
    centre = (share + weight / 2) / (1 + weight)
    reach = z / (1 + weight) * math.sqrt(share * (1 - share) / total + weight / (4 * total))
    # At the ends the bound is exact; rounding would leave 1e-17 there.
    low = 0.0 if count == 0 else centre - reach
    return low, 1.0 if count == total else centre + reach


@dataclass(frozen=True, slots=True)
class MedianComparison:
    """Medians of two series in seconds; `low` and `high` bound the difference, after minus before.

    A median is None where its series is empty, and the bounds are None where a series is too short.
    """

    change: Change
    before: float | None
    after: float | None
    low: float | None = None
    high: float | None = None


def compare_medians(
    before: Sequence[float], after: Sequence[float], *, resamples: int = RESAMPLES, seed: int = SEED
) -> MedianComparison:
    """Slower or faster where the interval of the difference of medians does not contain 0."""
    middles = median(before) if before else None, median(after) if after else None
    if min(len(before), len(after)) < FEWEST_RUNS:
        return MedianComparison(Change.TOO_FEW, *middles)
    low, high = bootstrap_interval(before, after, resamples=resamples, seed=seed)
    change = Change.SLOWER if low > 0 else Change.FASTER if high < 0 else Change.NONE
    return MedianComparison(change, *middles, low, high)


def bootstrap_interval(
    before: Sequence[float], after: Sequence[float], *, resamples: int = RESAMPLES, seed: int = SEED
) -> tuple[float, float]:
    """The percentile bootstrap interval of the median of `after` minus the median of `before`."""
    draw = random.Random(seed)
    differences = sorted(
        median(draw.choices(after, k=len(after))) - median(draw.choices(before, k=len(before)))
        for _ in range(resamples)
    )
    cut = int(resamples * (1 - CONFIDENCE) / 2)
    return differences[cut], differences[-cut - 1]


@dataclass(frozen=True, slots=True)
class RateComparison:
    """Flake rates of two series, and the two-sided p-value of Fisher's exact test."""

    change: Change
    before: FlakeRate
    after: FlakeRate
    p_value: float | None = None


def compare_rates(before: FlakeRate, after: FlakeRate) -> RateComparison:
    """Broke or mended where equal rates would give such counts with a probability of at most 5 %."""
    if min(before.runs, after.runs) < FEWEST_RUNS:
        return RateComparison(Change.TOO_FEW, before, after)
    chance = fisher_p_value(before.failures, before.runs, after.failures, after.runs)
    if chance > 1 - CONFIDENCE:
        return RateComparison(Change.NONE, before, after, chance)
    worse = after.failures * before.runs > before.failures * after.runs
    return RateComparison(Change.BROKE if worse else Change.MENDED, before, after, chance)


def fisher_p_value(count: int, total: int, other_count: int, other_total: int) -> float:
    """The two-sided p-value of Fisher's exact test for two counts, each of its total."""
    counts, everything = count + other_count, total + other_total
    ways = {
        at: math.comb(total, at) * math.comb(other_total, counts - at)
        for at in range(max(0, counts - other_total), min(counts, total) + 1)
    }
    # Whole numbers: tables that are exactly as likely as this one are counted exactly.
    return sum(one for one in ways.values() if one <= ways[count]) / math.comb(everything, counts)
