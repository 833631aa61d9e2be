"""Why a window ends: one word of a closed list, the actor who began it, and a sentence."""

from __future__ import annotations

import json

from app.domain.enums import CloseReason, Event
from app.store import stacks
from app.usecases.reconciliation import observations
from app.usecases.windows import transitions
from app.usecases.windows.transitions import CLOCK, HOUSE, OpenRequest
from tests.system import System


def why(house: System, window: str) -> tuple[str | None, str | None, str | None]:
    row = house.window(window)
    return row.close_reason, row.closed_by, row.close_detail


def told(house: System, window: str, event: Event) -> list[dict[str, object]]:
    return [
        json.loads(one.facts) | {"actor": one.actor} for one in house.said(event) if one.window_id == window
    ]


def test_a_window_that_is_live_says_nothing_of_its_end(house: System) -> None:
    assert why(house, house.open("forge")) == (None, None, None)


def test_what_a_person_closes_is_manual(house: System) -> None:
    window = house.open("forge")
    house.close(window, actor="ada")
    assert why(house, window) == ("manual", "ada", "closed by ada")
    assert [one["actor"] for one in told(house, window, Event.WINDOW_CLOSED)] == [HOUSE]


def test_the_reason_that_a_person_gives_is_the_sentence(house: System) -> None:
    window = house.open("forge")
    with house.database.write() as session:
        transitions.close(session, window, actor="ada", now=house.now, reason="its time was up")
    assert why(house, window) == ("manual", "ada", "its time was up")


def test_it_is_said_when_closing_begins_and_stays_so(house: System) -> None:
    house.will_not_stop.add("forge")
    window = house.open("forge", ttl=60)
    house.tick(60)
    said = ("expired", CLOCK, "its time was up")
    assert (house.state(window), why(house, window)) == ("closing", said)

    house.close(window, actor="ada")
    assert why(house, window) == said
    house.will_not_stop.clear()
    house.tick(301)
    assert (house.state(window), why(house, window)) == ("closed", said)


def test_force_says_so_later_and_who(house: System) -> None:
    house.will_not_stop.add("forge")
    window = house.open("forge", ttl=60)
    house.tick(60)

    house.close(window, actor="grace", force=True)

    assert why(house, window) == ("forced", "grace", "forced by grace; still owing an off: forge")
    first, second = told(house, window, Event.WINDOW_CLOSING)
    assert (first["close_reason"], first["closed_by"]) == ("expired", CLOCK)
    assert (second["close_reason"], second["closed_by"], second["forced"]) == ("forced", "grace", True)
    (last,) = told(house, window, Event.WINDOW_CLOSED)
    assert (last["close_reason"], last["closed_by"], last["actor"]) == ("forced", "grace", HOUSE)
    assert last["close_detail"] == last["reason"] == "forced by grace; still owing an off: forge"


def test_only_an_opening_that_wholly_fails_closes_by_itself(house: System) -> None:
    house.will_not_start.add("forge")
    whole, part = house.open("forge"), house.open("forge", "mill")
    assert why(house, whole)[:2] == ("failed", HOUSE)
    assert (house.window(whole).close_detail or "").startswith("nothing came up: forge: ")
    assert (house.state(part), house.status(part), why(house, part)) == (
        "open",
        "partial",
        (None, None, None),
    )

    later = house.open("mill")
    house.finish("mill", 1)
    assert (house.state(later), house.status(later)) == ("open", "partial")
    assert why(house, later) == (None, None, None)


def test_a_window_that_expires_while_it_opens_has_no_status(house: System) -> None:
    window = house.open("api", ttl=60)
    assert house.state(window) == "opening"
    house.tick(60)
    assert (house.state(window), house.status(window), why(house, window)[0]) == ("closed", None, "expired")


def test_at_closing_the_status_stays_as_it_was(house: System) -> None:
    house.will_not_stop.add("mill")
    window = house.open("forge", "mill")
    house.finish("forge", 1)
    assert house.status(window) == "partial"
    house.close(window)
    house.tick(1)
    assert (house.state(window), house.status(window)) == ("closing", "partial")
    house.will_not_stop.clear()
    house.tick(301)
    assert (house.state(window), house.status(window)) == ("closed", "partial")


def forget(house: System) -> bool:
    """The stack is no longer in the power.toml of its node."""
    with house.database.write() as session:
        row = stacks.named(session, "studio")
        return row is None or observations.forgotten(session, row, "it is gone", house.now)


def test_what_has_not_begun_on_a_stack_that_is_gone_is_lost(house: System) -> None:
    with house.database.write() as session:
        opening, _ = transitions.open_window(session, OpenRequest(["forge"]), actor="ada", now=house.now)
        window = opening.id

    forget(house)

    assert (house.state(window), house.status(window)) == ("closing", "fail")
    assert why(house, window)[:2] == ("lost", HOUSE)
    house.work()
    assert (house.state(window), house.running()) == ("closed", {"redis"})


def test_what_is_on_when_its_stack_goes_keeps_its_time(house: System) -> None:
    window = house.open("forge", ttl=60)
    assert not forget(house)
    assert (house.state(window), why(house, window)) == ("open", (None, None, None))
    house.tick(60)
    assert why(house, window)[0] == "expired"


def test_the_words_are_those_of_the_contract() -> None:
    assert [*CloseReason] == ["manual", "expired", "failed", "forced", "lost"]
