from __future__ import annotations

from pathlib import Path

import pytest

from app.host.pressure import LoadReader

MEMINFO = "MemTotal:       1000 kB\nMemFree:         10 kB\nMemAvailable:    250 kB\n"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _kernel(proc: Path, memory: int | None = None, disk: int = 0) -> None:
    """Write the kernel's figures; `memory` and `disk` are microseconds of waiting."""
    (proc / "meminfo").write_text(MEMINFO)
    (proc / "loadavg").write_text("3.00 2.00 1.00 2/345 6789\n")
    if memory is None:
        return
    (proc / "pressure").mkdir(exist_ok=True)
    line = "{} avg10=0.00 avg60=0.00 avg300=0.00 total={}\n"
    (proc / "pressure" / "memory").write_text(line.format("some", memory) + line.format("full", 0))
    (proc / "pressure" / "io").write_text(line.format("some", 0) + line.format("full", disk))


def test_waits_are_those_since_the_last_reading(tmp_path: Path) -> None:
    clock = Clock()
    reader = LoadReader(tmp_path, cores=2, clock=clock)
    _kernel(tmp_path, memory=7_000_000, disk=1_000_000)
    assert reader.read().memory_wait is None

    clock.now += 2.0
    _kernel(tmp_path, memory=8_000_000, disk=1_500_000)
    load = reader.read()
    assert load.memory_wait == pytest.approx(0.5)
    assert load.disk_wait == pytest.approx(0.25)
    assert (load.free_memory, load.load) == (0.25, 1.5)


def test_a_kernel_without_pressure_figures_has_load_and_memory(tmp_path: Path) -> None:
    _kernel(tmp_path)
    reader = LoadReader(tmp_path, cores=1)
    reader.read()
    load = reader.read()
    assert (load.memory_wait, load.disk_wait) == (None, None)
    assert (load.free_memory, load.load) == (0.25, 3.0)


@pytest.mark.parametrize("text", ["", "nonsense", "some avg10=0.00\nfull total=x\n"])
def test_figures_that_cannot_be_read_count_as_no_load(tmp_path: Path, text: str) -> None:
    (tmp_path / "pressure").mkdir()
    for name in ("meminfo", "loadavg", "pressure/memory", "pressure/io"):
        (tmp_path / name).write_text(text)
    load = LoadReader(tmp_path, cores=1).read()
    assert (load.free_memory, load.load, load.memory_wait, load.disk_wait) == (1.0, 0.0, None, None)


def test_this_host_has_figures() -> None:
    load = LoadReader().read()
    assert 0.0 < load.free_memory <= 1.0
    assert load.load >= 0.0
