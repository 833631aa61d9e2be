"""Each of the checks sees what it is there to see, and lets pass what is well."""

from __future__ import annotations

import math
from typing import Any

from chaos import checks, stacks
from chaos.engines import Happening
from chaos.evidence import Entry, Evidence, Place
from chaos.ledger import Answer, Promise
from chaos.outages import Outage, Outages
from chaos.plan import WindowPlan
from chaos.shim import Call

STORE: Place = ("alpha", "store")
WINDOW = "0123456789abcdef"


def promise(*services: str, until: float = 100.0) -> Promise:
    plan = WindowPlan(1, 0.0, "ada", "alpha", services, until)
    return Promise(plan, WINDOW, accepted=10.0, asked=9.0, sure=until, longest=until)


def event(
    at: float, action: str, service: str = "store", container: str = "c1", code: int | None = None
) -> Happening:
    return Happening(at, "alpha", service, container, action, code)


def call(at: float, verb: str, service: str = "store", *, alone: bool = True) -> Call:
    return Call(at, 7, "a1", "chaos-alpha", verb, service, alone)


def entry(
    at: float, word: str, service: str | None = None, window: str | None = WINDOW, **facts: Any
) -> Entry:
    return Entry(at, word, "power-windows", "alpha", window, service, facts)


def started(at: float, action: str, service: str = "store", **facts: Any) -> Entry:
    return entry(at, "call.started", service, action=action, call=1, **facts)


def evidence(*events: Happening, outages: tuple[Outage, ...] = (), **more: Any) -> Evidence:
    away_times = Outages()
    away_times.all += outages
    happenings: dict[Place, list[Happening]] = {}
    for one in events:
        happenings.setdefault((one.stack, one.service), []).append(one)
    calls: dict[Place, list[Call]] = {}
    for one in more.pop("calls", ()):
        calls.setdefault(("alpha", one.service), []).append(one)
    return Evidence(0.0, away_times, happenings=happenings, calls=calls, **more)


def lines(recorded: Evidence) -> set[int]:
    return {broken.line for broken in checks.all_of(recorded, patience=1.0)}


def story(*states: str) -> list[Entry]:
    return [entry(10.0 + number, f"window.{state}") for number, state in enumerate(states)]


def window(state: str) -> dict[str, dict[str, Any]]:
    return {WINDOW: {"state": state, "reason": "w1", "services": ["store"]}}


# 2: core, and what runs.


def test_core_is_let_alone_unless_its_engine_dies() -> None:
    died = event(50.0, "die", stacks.CORE)
    assert lines(evidence(died)) == {2}
    assert not lines(evidence(died, outages=(Outage("engine.a", "kill", 49.5, 52.0),)))
    assert lines(evidence(died, outages=(Outage("engine.b", "kill", 49.5, 52.0),))) == {2}
    assert lines(evidence(died, outages=(Outage("engine.a", "freeze", 49.5, 52.0),))) == {2}


def test_no_call_names_core_or_all_services() -> None:
    assert lines(evidence(calls=[call(50.0, "stop", stacks.CORE)])) == {2, 6}
    assert 2 in lines(evidence(calls=[call(50.0, "stop", "ALL")]))


def test_what_runs_is_not_recreated() -> None:
    ran = [event(20.0, "start"), event(30.0, "create", container="c2")]
    assert lines(evidence(*ran)) == {2}
    assert not lines(evidence(ran[0], event(25.0, "die"), ran[1]))


# 3: no window is cut short.


def cut(*, decided: float, **more: Any) -> Evidence:
    trail = [
        started(decided, "stop", **more.pop("facts", {})),
        entry(61, "call.finished", call=1),
        *more.pop("trail", ()),
    ]
    calls = [call(decided + 0.1, "stop")]
    ran = (event(20.0, "start"), event(decided + 0.3, "die"))
    return evidence(
        *ran, calls=calls, trail=trail, promises=[promise("store")], windows=window("open"), **more
    )


def test_a_stop_under_a_live_window_is_seen() -> None:
    assert 3 in lines(cut(decided=50.0))


def test_a_stop_after_its_end_or_decided_before_it_is_well() -> None:
    assert 3 not in lines(cut(decided=100.1))
    assert 3 not in lines(cut(decided=9.9))


def test_a_window_whose_opening_wholly_failed_holds_nothing_any_more() -> None:
    assert 3 not in lines(cut(decided=50.0, trail=[entry(49.9, "window.closing", status="fail")]))
    assert 3 in lines(cut(decided=50.0, trail=[entry(49.9, "window.closing", status="ok")]))


def test_a_blind_stop_may_cut_only_what_its_node_could_not_read() -> None:
    blind = {"blind": True, "cut": [WINDOW], "started_at": "1970-01-01T00:00:50.000Z"}
    away = Outage("database", "freeze", 5.0, 55.0)
    cut_short = cut(decided=50.0, facts=blind, outages=(away,))
    cut_short.promises[0].changed = 12.0
    assert 3 not in lines(cut_short)
    cut_short.promises[0].changed = 3.0
    assert 3 in lines(cut_short)


def test_an_unexpected_end_is_seen_unless_its_engine_died() -> None:
    ran = (event(20.0, "start"), event(50.0, "die"))
    alone: dict[str, Any] = {
        "promises": [promise("store")],
        "windows": window("open"),
        "trail": story("opening", "open"),
    }
    assert lines(evidence(*ran, **alone)) == {3}
    assert not lines(evidence(*ran, outages=(Outage("engine.a", "kill", 49.9, 53.0),), **alone))


# 4: nothing unlisted.


def test_an_unlisted_start_is_seen() -> None:
    assert lines(evidence(event(50.0, "start", stacks.UNLISTED))) == {4}


def test_a_start_that_no_window_asked_for_is_seen() -> None:
    up = [started(50.0, "up"), entry(51.0, "call.finished", call=1)]
    assert lines(evidence(trail=up)) == {4}
    held: dict[str, Any] = {"promises": [promise("store")], "windows": window("open")}
    assert not lines(evidence(trail=[*story("opening", "open"), *up], **held))


def test_a_request_for_core_that_is_not_refused_is_seen() -> None:
    assert lines(evidence(refusals=[{"service": stacks.CORE, "status": 202}])) == {4}


# 5 and 6: one call at a time, each on record.


def test_calls_without_a_record_prove_nothing() -> None:
    """Were the workers to find another program first, two calls at once would go unseen."""
    made = [started(50.0, "stop"), entry(51.0, "call.finished", "store", call=1, status="ok")]
    assert 5 in lines(evidence(trail=made))
    assert 5 not in lines(evidence(trail=made, calls=[call(50.0, "stop", "store")]))


def test_two_calls_at_once_are_seen() -> None:
    trail = [started(50.0, "up"), started(50.1, "up")]
    calls = [call(50.0, "up"), call(50.2, "up", alone=False)]
    assert 5 in lines(evidence(calls=calls, trail=trail))


def test_a_call_that_nothing_tells_of_is_seen() -> None:
    assert lines(evidence(calls=[call(50.0, "stop")])) == {6}


def test_a_call_that_never_ends_on_record_is_seen() -> None:
    row = {"id": 1, "status": "running", "action": "stop", "service": "store", "worker": "a1"}
    assert lines(evidence(call_rows=[row], trail=[started(50.0, "stop")])) == {6}
    row["status"] = "ok"
    assert lines(evidence(call_rows=[row], trail=[started(50.0, "stop")])) == {6}
    assert not lines(
        evidence(call_rows=[row], trail=[started(50.0, "stop"), entry(51, "call.finished", call=1)])
    )


def test_a_window_is_reported_in_order_up_to_its_present_state() -> None:
    held: dict[str, Any] = {"promises": [promise("store")], "windows": window("closed")}
    assert not lines(evidence(trail=story("opening", "open", "closing", "closed"), **held))
    assert lines(evidence(trail=story("opening", "closing", "open", "closed"), **held)) == {6}
    assert lines(evidence(trail=story("opening", "open"), **held)) == {6}


def test_forcing_one_that_is_closing_is_a_closing_of_its_own() -> None:
    trail = [
        *story("opening", "closing"),
        entry(15.0, "window.closing", forced=True),
        entry(16.0, "window.closed"),
    ]
    assert not lines(evidence(trail=trail, promises=[promise("store")], windows=window("closed")))


def test_a_window_that_was_accepted_and_is_gone_is_seen() -> None:
    assert lines(evidence(promises=[promise("store")])) == {6}


# 7: open only when ready.


def opened(*events: Happening, at: float = 30.0, **more: Any) -> Evidence:
    trail = [entry(10.0, "window.opening"), entry(at, "window.open", status="ok")]
    return evidence(*events, trail=trail, promises=[promise("store")], windows=window("open"), **more)


def test_open_means_started_and_healthy() -> None:
    start, healthy = event(20.0, "start"), event(22.0, "health_status: healthy")
    assert not lines(opened(start, healthy))
    assert lines(opened(start)) == {7}
    assert lines(opened()) == {7}
    assert 7 in lines(opened(start, healthy, event(25.0, "die")))


def test_missing_events_prove_nothing() -> None:
    assert not lines(opened(event(20.0, "start"), gaps={"alpha": [(21.0, 24.0)]}))


# 8: prompt answers.


def test_answers_are_prompt_while_the_front_runs() -> None:
    slow = Answer(50.0, 15.5, "GET", "/windows", 200)
    assert lines(evidence(answers=[slow])) == {8}
    assert not lines(evidence(answers=[slow], outages=(Outage("front", "freeze", 60.0, 65.0),)))
    assert lines(evidence(answers=[Answer(50.0, 0.1, "GET", "/windows", 500)])) == {8}
    assert lines(evidence(answers=[Answer(50.0, 0.1, "GET", "/windows", 0)])) == {8}
    assert not lines(evidence(answers=[Answer(50.0, 0.1, "GET", "/windows", 503)]))


def test_a_promise_is_sure_until_its_end_or_until_it_is_given_back() -> None:
    held = promise("store")
    assert [held.surely_held(at) for at in (9.9, 10.0, 99.9, 100.0)] == [False, True, True, False]
    assert held.released_at == math.inf
    held.released_at = 40.0
    assert not held.surely_held(40.0)
