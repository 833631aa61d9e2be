"""The same refusal over and over, and bad tokens from one address."""

from __future__ import annotations

import json

import pytest
from flask import Flask

from app.domain.enums import Event
from app.domain.errors import NodeAway, NotAllowed, Refusal
from app.domain.stack_id import StackId
from app.store import audit
from app.web.refusal_audit import MOST_KINDS, OF_ONE_ACTOR, RefusalAudit
from app.web.unknown_tokens import ADDRESSES, ALLOWED, COUNTING_SECONDS, UnknownTokens
from tests.system import System
from tests.web.caller import Caller


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def refusals(system: System, clock: Clock) -> RefusalAudit:
    return RefusalAudit(system.database, clock)


def refused(system: System) -> list[tuple[str, dict[str, object]]]:
    with system.database.read() as session:
        entries = [one for one in audit.entries(session, limit=500) if one.event == Event.REFUSED]
        return [(one.actor, json.loads(one.facts)) for one in entries]


def counted(system: System) -> list[object]:
    return [facts["times"] for _actor, facts in refused(system) if "times" in facts]


def not_allowed(service: str = "saw") -> Refusal:
    return NotAllowed("studio", [service], ["forge"])


def test_a_refusal_that_repeats_is_in_full_once_and_then_a_count_a_minute(
    system: System, refusals: RefusalAudit, clock: Clock
) -> None:
    for _ in range(3):
        for _ in range(50):
            refusals.record(not_allowed(), actor="ada", what="open", stack=StackId("studio"))
        clock.now += 61
        refusals.write_finished()
    assert counted(system) == [49, 50, 50]
    assert [actor for actor, _facts in refused(system)] == ["ada"] * 4
    assert all(facts["why"] == str(not_allowed()) for _actor, facts in refused(system))


def test_what_was_quiet_for_a_minute_is_in_full_again(
    system: System, refusals: RefusalAudit, clock: Clock
) -> None:
    for _ in range(3):
        refusals.record(not_allowed(), actor="ada", what="open", stack=StackId("studio"))
        clock.now += 61
    assert (len(refused(system)), counted(system)) == (3, [])


def test_others_and_other_reasons_are_in_full(system: System, refusals: RefusalAudit) -> None:
    for actor in ("ada", "bob"):
        for refusal in (not_allowed(), not_allowed("axe")):
            refusals.record(refusal, actor=actor, what="open", stack=StackId("studio"))
    assert (len(refused(system)), counted(system)) == (4, [])


def test_made_up_reasons_do_not_fill_the_trail_and_none_is_lost_of_count(
    system: System, refusals: RefusalAudit
) -> None:
    for number in range(500):
        refusals.record(not_allowed(f"s{number}"), actor="ada", what="open", stack=StackId("studio"))
    refusals.flush()
    assert len(refused(system)) <= OF_ONE_ACTOR + 2
    assert sum(int(str(facts.get("times", 1))) for _actor, facts in refused(system)) == 500
    assert MOST_KINDS >= OF_ONE_ACTOR


def test_a_count_that_could_not_be_written_is_written_later(
    system: System, refusals: RefusalAudit, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(10):
        refusals.record(not_allowed(), actor="ada", what="open", stack=StackId("studio"))
    with monkeypatch.context() as patched:
        patched.setattr("app.usecases.windows.refusals.record_repeated_refusals", lambda *_, **__: 1 / 0)
        clock.now += 61
        refusals.write_finished()
    refusals.record(not_allowed(), actor="ada", what="open", stack=StackId("studio"))
    refusals.flush()
    assert counted(system) == [10]


def test_the_api_refuses_each_time_and_records_once(app: Flask, api: Caller, system: System) -> None:
    for _ in range(5):
        assert (
            api.post("/windows", {"stack": "studio", "services": ["redis"], "reason": "x"}).status_code == 403
        )
    app.extensions["power-windows"].refusals.flush()
    assert (len(refused(system)), counted(system)) == (2, [4])


def test_bad_tokens_of_one_address_are_slowed_and_a_good_one_is_not(app: Flask, api: Caller) -> None:
    unknown_caller = Caller.of(app, "pw_unknown")
    answers = [unknown_caller.get("/windows") for _ in range(ALLOWED + 3)]
    assert [one.status_code for one in answers] == [401] * ALLOWED + [429] * 3
    assert 0 < int(answers[-1].headers["Retry-After"]) <= COUNTING_SECONDS
    assert answers[-1].json["type"] == "/problems/too-many-bad-tokens"
    assert api.get("/windows").status_code == 200
    from_elsewhere = unknown_caller.client.get(
        "/api/v1/windows",
        headers={"Authorization": "Bearer pw_x"},
        environ_overrides={"REMOTE_ADDR": "192.0.2.9"},
    )
    assert from_elsewhere.status_code == 401


def test_a_request_without_a_token_gets_the_reason_each_time(app: Flask) -> None:
    client = app.test_client()
    assert {client.get("/api/v1/windows").status_code for _ in range(ALLOWED * 2)} == {401}


def test_addresses_are_bounded_and_forgiven(clock: Clock) -> None:
    bad = UnknownTokens(clock)
    for number in range(ADDRESSES * 3):
        bad.wait(f"10.0.{number // 250}.{number % 250}")
    assert len(bad) == ADDRESSES
    for _ in range(ALLOWED):
        assert bad.wait("2001:db8::1") == 0
    assert bad.wait("2001:db8::ffff") == COUNTING_SECONDS
    assert bad.wait("2001:db8:0:1::1") == 0
    clock.now += COUNTING_SECONDS
    assert bad.wait("2001:db8::1") == 0


def test_a_node_that_is_away_is_one_refusal(system: System, refusals: RefusalAudit) -> None:
    for _ in range(3):
        refusals.record(
            NodeAway("studio", "attic", system.now), actor="ada", what="wake", stack=StackId("studio")
        )
    refusals.flush()
    assert counted(system) == [2]
