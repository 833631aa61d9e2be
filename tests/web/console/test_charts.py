"""Scales, limits and gaps of charts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.planning import ServiceSpec
from app.store.tables import Sample
from app.web.console.charts import Chart, nice_step, round_times, service_charts
from tests.system import NOON


def sample(seconds: float, memory: int) -> Sample:
    return Sample(
        stack="studio", service="forge", at=NOON + timedelta(seconds=seconds), cpu=0.5, memory=memory
    )


def charts(*memory: int, limit: int = 0) -> tuple[Chart, Chart]:
    samples = [sample(10 * number, one) for number, one in enumerate(memory)]
    spec = ServiceSpec("forge", memory_limit=limit)
    first, second = service_charts(spec, samples, NOON, samples[-1].at)
    return first, second


@pytest.mark.parametrize(("highest", "step"), [(0.04, 0.01), (1.0, 0.2), (2.016, 0.5), (11, 2.5), (640, 200)])
def test_nice_step(highest: float, step: float) -> None:
    assert nice_step(highest) == step


@pytest.mark.parametrize("seconds", [40, 600, 3600, 30_000, 5 * 86400])
def test_three_to_six_times_are_named_and_they_are_round(seconds: float) -> None:
    since = NOON + timedelta(seconds=7)
    times = round_times(since, since + timedelta(seconds=seconds))
    assert 1 < len(times) <= 6
    assert all(since <= one and one.second % 10 == 0 for one in times)


def test_a_limit_is_drawn_where_it_is_near_and_else_only_named() -> None:
    mebibyte = 2**20
    _, near = charts(100 * mebibyte, 120 * mebibyte, limit=256 * mebibyte)
    assert (near.limit and near.limit.name, near.declared) == ("256 MiB", "256 MiB")
    assert near.top >= 256
    _, far = charts(100 * mebibyte, 120 * mebibyte, limit=8 * 2**30)
    assert (far.limit, far.declared, far.unit) == (None, "8.0 GiB", "GiB")


def test_a_curve_has_a_gap_where_nothing_was_measured() -> None:
    processors, _ = charts(*[2**20] * 30)
    assert len(processors.lines) == 1
    samples = [sample(at, 1) for at in (*range(0, 100, 10), *range(600, 700, 10))]
    chart, _ = service_charts(ServiceSpec("forge"), samples, NOON, NOON + timedelta(seconds=700))
    assert len(chart.lines) == 2
