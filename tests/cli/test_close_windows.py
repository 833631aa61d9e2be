"""`power close`: which windows end, what was turned off, and what would not."""

import json

import pytest

from app.cli import follow, progress
from tests.cli.api_bodies import OFF, ON, call, window
from tests.cli.conftest import Power
from tests.cli.service import Service

OPEN = {"state": "open", "status": "ok", "health": {"switch": ON}}
STOPPED = {"state": "closed", "health": {"switch": OFF}, "results": [call("switch", "stop")]}


@pytest.fixture
def opened(service: Service) -> Service:
    service.add(window("3f2a9c1d00", **OPEN), window("77aa000000", **OPEN))
    service.course("3f2a9c1d00", {}, {"state": "closing"}, STOPPED)
    return service


def test_it_waits_and_tells_what_was_turned_off(opened: Service, power: Power) -> None:
    result = power("close", "3f2a9c1d00")

    assert result.stdout.splitlines()[-1] == "window 3f2a9c1d00  closed  stopped: switch"
    assert result.exit_code == 0
    assert opened.requests("POST", "/windows/3f2a9c1d00/close")[0].body == {}


def test_the_beginning_of_an_id_will_do(opened: Service, power: Power) -> None:
    assert power("close", "77aa", "--no-wait").exit_code == 0
    assert opened.requests("POST", "/windows/77aa000000/close")


def test_a_beginning_of_several_closes_none_and_names_them(opened: Service, power: Power) -> None:
    opened.add(window("3f2aff0000", **OPEN))

    result = power("close", "3f2a")

    assert result.exit_code == 2
    assert "3f2a9c1d00" in result.stderr
    assert "3f2aff0000" in result.stderr
    assert not [one for one in opened.asked if one.method == "POST"]


def test_one_wrong_id_closes_none(opened: Service, power: Power) -> None:
    result = power("close", "3f2a9c1d00", "nosuch")

    assert result.exit_code == 4
    assert "nosuch" in result.stderr
    assert not [one for one in opened.asked if one.method == "POST"]


def test_a_window_that_has_not_ended_is_meant_before_one_that_has(opened: Service, power: Power) -> None:
    opened.add(window("77bb000000", state="closed"))

    assert power("close", "77", "--no-wait").exit_code == 0
    assert opened.requests("POST", "/windows/77aa000000/close")


def test_a_service_names_the_only_window_that_was_opened_for_it(opened: Service, power: Power) -> None:
    opened.add(
        window("88cc000000", services=["jellyfin"], state="open", reason="film night", health={"db": ON}),
        window("99dd000000", services=["jellyfin"], state="closing"),
        window("je00000000", services=["mcp"], state="closed"),
    )
    opened.course("88cc000000", {}, STOPPED)

    result = power("close", "jellyfin")

    assert opened.requests("POST", "/windows/88cc000000/close")
    assert result.stderr == 'jellyfin is held by window 88cc000000: jellyfin of ada "film night"\n'
    assert result.stdout.splitlines()[-1].startswith("window 88cc000000  closed")


@pytest.mark.parametrize(
    ("name", "why"),
    [("switch", "switch is held by 2 windows"), ("db", "db is held only because others need it")],
)
def test_a_service_that_decides_nothing_lists_its_windows(
    service: Service, power: Power, name: str, why: str
) -> None:
    service.add(*(window(one, state="open", health={"switch": ON, "db": ON}) for one in ("11aa", "22bb")))

    result = power("close", name)

    assert result.exit_code == 2
    assert why in result.stderr
    assert "  11aa  open  switch of ada\n  22bb  open  switch of ada" in result.stderr
    assert not [one for one in service.asked if one.method == "POST"]


def test_a_beginning_of_an_id_goes_before_a_service_of_that_name(opened: Service, power: Power) -> None:
    opened.add(window("88cc000000", services=["77"], state="open"))

    power("close", "77", "--no-wait")

    assert opened.requests("POST", "/windows/77aa000000/close")
    assert not opened.requests("POST", "/windows/88cc000000/close")


def test_a_name_of_nothing_is_refused(opened: Service, power: Power) -> None:
    result = power("close", "nosuch")

    assert result.exit_code == 4
    assert "no window 'nosuch', and none holds a service of that name" in result.stderr


def test_an_interrupted_wait_leaves_them_closing(
    opened: Service, power: Power, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(progress, "watch", interrupt)

    result = power("close", "77")

    assert (result.exit_code, "the windows go on closing" in result.stderr) == (130, True)


def test_all_that_have_not_ended_are_closed(opened: Service, power: Power) -> None:
    opened.add(window("old", state="closed"), window("up", state="opening"))

    power("close", "--all", "--no-wait")

    closed = [one.path for one in opened.asked if one.method == "POST"]
    assert sorted(closed) == ["/windows/3f2a9c1d00/close", "/windows/77aa000000/close", "/windows/up/close"]


def test_all_of_none_is_done(service: Service, power: Power) -> None:
    result = power("close", "--all")

    assert (result.exit_code, result.stderr) == (0, "no window to close\n")


def test_neither_names_nor_all_is_wrong_usage(service: Service, power: Power) -> None:
    assert power("close").exit_code == 2
    assert power("close", "3f2a", "--all").exit_code == 2


def test_a_service_that_does_not_stop_is_reported_with_the_way_out(opened: Service, power: Power) -> None:
    stuck = call("switch", "stop", "timeout", returncode=None, stderr="waiting for switch")
    opened.course("3f2a9c1d00", {}, {"state": "closing", "stuck": True, "results": [stuck]})

    result = power("close", "3f2a9c1d00")

    assert result.exit_code == 1
    assert "window 3f2a9c1d00  closing, stuck" in result.stdout
    assert "docker compose -p vx11 stop -- switch: no end within its time" in result.stdout
    assert "power close 3f2a9c1d00 --force" in result.stdout


def test_a_window_without_a_worker_is_not_waited_for_for_ever(
    opened: Service, power: Power, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "STILL", 0.1)
    opened.course("3f2a9c1d00")

    result = power("close", "3f2a9c1d00")

    assert result.exit_code == 1
    assert "nothing has changed for 0s; is the worker of its node running?" in result.stdout


def test_force_is_asked_for_and_a_kill_that_failed_is_no_success(opened: Service, power: Power) -> None:
    tried = [call("switch", "stop", "timeout"), call("switch", "kill", "fail", stderr="no such engine")]
    opened.course("3f2a9c1d00", {}, {"state": "closed", "close_reason": "forced", "results": tried})

    result = power("close", "3f2a9c1d00", "--force", "--reason", "now")

    assert opened.requests("POST", "/windows/3f2a9c1d00/close")[0].body == {"force": True, "reason": "now"}
    assert result.exit_code == 1
    assert "no such engine" in result.stdout


def test_a_stop_that_worked_in_the_end_is_a_success(opened: Service, power: Power) -> None:
    tried = [call("switch", "stop", "fail"), call("switch", "stop")]
    opened.course("3f2a9c1d00", {}, {**STOPPED, "results": tried})

    assert power("close", "3f2a9c1d00").exit_code == 0


def test_closing_a_closed_one_does_nothing(service: Service, power: Power) -> None:
    service.add(window("3f2a9c1d00", state="closed"))

    result = power("close", "3f2a9c1d00")

    assert result.exit_code == 0
    assert "closed  nothing to stop" in result.stdout


def test_a_refused_one_does_not_keep_the_others_open(opened: Service, power: Power) -> None:
    opened.refuse("POST", "/windows/77aa000000/close", 403, detail="not yours")

    result = power("close", "77aa000000", "3f2a9c1d00")

    assert "window 3f2a9c1d00  closed  stopped: switch" in result.stdout
    assert "window 77aa000000: not yours" in result.stderr
    assert result.exit_code == 4


def test_json_is_one_window_a_line(opened: Service, power: Power) -> None:
    opened.course("77aa000000", {}, STOPPED)

    result = power("close", "--all", "--json")

    assert [json.loads(line)["state"] for line in result.stdout.splitlines()] == ["closed", "closed"]
