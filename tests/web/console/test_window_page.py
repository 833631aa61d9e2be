"""The page of one window: progress while it opens, its services as lines, and what happened as sentences."""

from __future__ import annotations

import pytest

from app.domain.calls import CallOutcome, StartedCall
from app.domain.enums import Action, CallStatus
from app.domain.stack_id import StackId
from app.store import services
from app.usecases.reconciliation import calls
from tests.system import System
from tests.web.console.conftest import Browser


def test_an_opening_shows_the_time_learned_from_earlier_windows(ada: Browser, system: System) -> None:
    first = ada.opened("api")
    assert "0 of 2 ready after" in ada.get(f"/windows/{first}").text
    system.work()
    system.tick(20)
    system.heal("db")
    ada.post(f"/windows/{first}/close")
    system.work()

    second = ada.opened("api")
    page = ada.get(f"/windows/{second}").text
    assert "it usually takes 20s" in page
    assert 'role="progressbar"' in page
    system.work()
    system.heal("db")
    assert 'role="progressbar"' not in ada.get(f"/parts/windows/{second}").text


def test_a_line_has_its_dependency_its_call_and_when_it_was_ready(ada: Browser, system: System) -> None:
    window = ada.opened("report")
    system.work()
    system.tick(4)
    system.finish("job")
    page = ada.get(f"/parts/windows/{window}").text
    job = page.partition('id="health-job"')[2].partition('id="health-report"')[0]
    assert "dependency" in job
    assert "ready after 4s" in job
    assert "up ok in 400 ms" in job
    assert "docker compose up -- job" in page


def test_a_call_shows_what_it_has_printed_while_it_runs(ada: Browser, system: System) -> None:
    window = ada.opened("forge")
    begun = StartedCall(StackId("studio"), "forge", Action.UP, ("docker", "up"), "local", "worker", window)
    with system.database.write() as session:
        call = calls.start_call(session, begun, system.now)
        services.store_live_output(session, {call: "Container forge <Starting>\n"})
    part = ada.get(f"/parts/windows/{window}/calls").text
    assert "Container forge &lt;Starting&gt;" in part
    assert 'hx-trigger="power:second from:body"' in part
    assert f'hx-get="/parts/windows/{window}/calls"' in ada.get(f"/parts/windows/{window}").text

    with system.database.write() as session:
        calls.finish_call(session, call, CallOutcome(CallStatus.OK, 0, 1200, "", "all"), system.now)
    assert "hx-get" not in ada.get(f"/parts/windows/{window}/calls").text


def test_what_happened_is_listed_in_sentences(ada: Browser, system: System) -> None:
    system.will_not_start.add("forge")
    window = ada.opened("forge", "mill", reason="batch <7>")
    system.work()
    page = ada.get(f"/windows/{window}").text.partition("What happened")[2]
    assert "ada opens forge, mill for 10m &#34;batch &lt;7&gt;&#34;" in page
    assert "up of forge: fail" in page
    assert "No such image: forge:latest" in page


@pytest.mark.parametrize("state", ["opening", "closed"])
def test_the_output_is_live_while_it_opens_and_says_where_no_worker_answers(
    ada: Browser, system: System, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.web.log_reading.ANSWER_TIMEOUT", 0.0)
    window = ada.opened("forge")
    if state == "closed":
        ada.post(f"/windows/{window}/close")
        system.work()
    answer = ada.get(f"/parts/windows/{window}/output")
    assert answer.status_code == 200
    assert "did not answer" in answer.text
    assert ("every 2s" in answer.text) is (state == "opening")
