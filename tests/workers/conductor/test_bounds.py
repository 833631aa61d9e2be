"""What a run remembers and reports has a bound, whatever its services do."""

from __future__ import annotations

import json

import pytest

from app.domain.scenarios import HttpCheck, TcpCheck
from tests.reports.sample import sample
from tests.system import NOON
from workers.conductor.network_checks import check_http, check_tcp
from workers.conductor.report import LARGEST_REPORT, bounded_report, without_directory
from workers.conductor.run_record import LONGEST_STEP_DETAIL, MOST_CHANGES, RunRecord
from workers.conductor.statistics import ServiceUsage
from workers.engine import pattern_search
from workers.engine.pattern_search import SearchFailed, find_pattern


def test_a_large_report_loses_its_points_and_keeps_its_outcome() -> None:
    large = sample()
    large["services"]["forge"]["points"] = [[1.0, 2.0, 3.0]] * 60_000
    small = bounded_report(large)
    assert len(json.dumps(small)) < LARGEST_REPORT
    assert small["services"]["forge"]["points"] == []
    assert (small["run"], small["proof"]) == (large["run"], large["proof"])
    assert bounded_report(sample()) == sample()


def test_an_absolute_path_is_shown_by_its_last_part() -> None:
    assert without_directory("/srv/studio/docker-compose.yml") == "…/docker-compose.yml"
    assert without_directory("--project-directory") == "--project-directory"


def test_a_service_that_flaps_fills_no_time_line() -> None:
    record = RunRecord([])
    for number in range(1000):
        record.note_change("forge", "power", f"{number}" * 1000, NOON)
    assert len(record.timeline()) == MOST_CHANGES
    assert all(len(one["detail"]) <= LONGEST_STEP_DETAIL for one in record.timeline())


def test_points_are_thinned_and_peaks_are_not() -> None:
    usage = ServiceUsage()
    for second in range(1000):
        usage.add((float(second), 500.0 if second == 333 else 1.0, 7.0), most=50)
    assert len(usage.points) <= 51
    assert usage.points[0][0] == 0.0
    assert usage.points[-1][0] == 999.0
    assert (usage.peak_cpu, usage.peak_memory) == (500.0, 7.0)


def test_a_pattern_that_backtracks_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pattern_search, "SEARCH_TIMEOUT", 0.5)
    with pytest.raises(SearchFailed, match="took over"):
        find_pattern("(a+)+$", "a" * 50 + "b")


def test_a_pattern_matches_at_each_line() -> None:
    assert find_pattern("^two$", "one\ntwo\nthree") == "two"
    assert find_pattern("^four$", "one\ntwo\nthree") is None
    assert find_pattern("\\ud800|é", "caf\u00e9") == "é"


def test_an_address_that_cannot_be_reached_is_a_verdict() -> None:
    for host in ("256.256.256.256", "no such host", "a" * 300, "\u2028"):
        assert check_tcp(TcpCheck(host, 1), 1.0)[0] is False
    assert check_http(HttpCheck("http://127.0.0.1:1/"), 1.0) == (False, "Connection refused")
    pem = "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n"
    passed, detail = check_http(HttpCheck("https://127.0.0.1:1/", ca=pem), 1.0)
    assert not passed
    assert detail.startswith("the request cannot be made")
