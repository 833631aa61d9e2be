"""Why a window ends: one word of a closed list, the actor who began it, and a sentence."""

from __future__ import annotations

import json

from app.domain.enums import CloseReason, Event
from app.domain.stack_id import StackId
from app.store import stacks
from app.usecases.nodes import published_stacks
from app.usecases.windows import close as closing
from app.usecases.windows import open as opening
from app.usecases.windows.open import OpenRequest
from app.usecases.windows.transitions import CLOCK_ACTOR, SYSTEM_ACTOR
from tests.system import System


def why(system: System, window: str) -> tuple[str | None, str | None, str | None]:
    row = system.window(window)
    return row.close_reason, row.closed_by, row.close_detail


def told(system: System, window: str, event: Event) -> list[dict[str, object]]:
    return [
        json.loads(one.facts) | {"actor": one.actor} for one in system.said(event) if one.window_id == window
    ]


def test_a_window_that_is_live_says_nothing_of_its_end(system: System) -> None:
    assert why(system, system.open("forge")) == (None, None, None)


def test_what_a_person_closes_is_manual(system: System) -> None:
    window = system.open("forge")
    system.close(window, actor="ada")
    assert why(system, window) == ("manual", "ada", "closed by ada")
    assert [one["actor"] for one in told(system, window, Event.WINDOW_CLOSED)] == [SYSTEM_ACTOR]


def test_the_reason_that_a_person_gives_is_the_sentence(system: System) -> None:
    window = system.open("forge")
    with system.database.write() as session:
        closing.close(session, window, actor="ada", now=system.now, reason="its time was up")
    assert why(system, window) == ("manual", "ada", "its time was up")


def test_it_is_said_when_closing_begins_and_stays_so(system: System) -> None:
    system.will_not_stop.add("forge")
    window = system.open("forge", ttl=60)
    system.tick(60)
    ending = ("expired", CLOCK_ACTOR, "its time was up")
    assert (system.state(window), why(system, window)) == ("closing", ending)

    system.close(window, actor="ada")
    assert why(system, window) == ending
    system.will_not_stop.clear()
    system.tick(301)
    assert (system.state(window), why(system, window)) == ("closed", ending)


def test_force_says_so_later_and_who(system: System) -> None:
    system.will_not_stop.add("forge")
    window = system.open("forge", ttl=60)
    system.tick(60)

    system.close(window, actor="grace", force=True)

    assert why(system, window) == ("forced", "grace", "forced by grace; not confirmed off: forge")
    first, second = told(system, window, Event.WINDOW_CLOSING)
    assert (first["close_reason"], first["closed_by"]) == ("expired", CLOCK_ACTOR)
    assert (second["close_reason"], second["closed_by"], second["forced"]) == ("forced", "grace", True)
    (last,) = told(system, window, Event.WINDOW_CLOSED)
    assert (last["close_reason"], last["closed_by"], last["actor"]) == ("forced", "grace", SYSTEM_ACTOR)
    assert last["close_detail"] == last["reason"] == "forced by grace; not confirmed off: forge"


def test_only_an_opening_that_wholly_fails_closes_by_itself(system: System) -> None:
    system.will_not_start.add("forge")
    whole, part = system.open("forge"), system.open("forge", "mill")
    assert why(system, whole)[:2] == ("failed", SYSTEM_ACTOR)
    assert (system.window(whole).close_detail or "").startswith("nothing came up: forge: ")
    assert (system.state(part), system.status(part), why(system, part)) == (
        "open",
        "partial",
        (None, None, None),
    )

    later = system.open("mill")
    system.finish("mill", 1)
    assert (system.state(later), system.status(later)) == ("open", "partial")
    assert why(system, later) == (None, None, None)


def test_a_window_that_expires_while_it_opens_has_no_status(system: System) -> None:
    window = system.open("api", ttl=60)
    assert system.state(window) == "opening"
    system.tick(60)
    assert (system.state(window), system.status(window), why(system, window)[0]) == (
        "closed",
        None,
        "expired",
    )


def test_at_closing_the_status_stays_as_it_was(system: System) -> None:
    system.will_not_stop.add("mill")
    window = system.open("forge", "mill")
    system.finish("forge", 1)
    assert system.status(window) == "partial"
    system.close(window)
    system.tick(1)
    assert (system.state(window), system.status(window)) == ("closing", "partial")
    system.will_not_stop.clear()
    system.tick(301)
    assert (system.state(window), system.status(window)) == ("closed", "partial")


def forget(system: System) -> bool:
    """The stack is no longer in the power.toml of its node."""
    with system.database.write() as session:
        row = stacks.stack_by_name(session, StackId("studio"))
        return row is None or published_stacks.forget_stack(session, row, "it is gone", system.now)


def test_what_has_not_begun_on_a_stack_that_is_gone_is_lost(system: System) -> None:
    with system.database.write() as session:
        begun, _ = opening.open_window(session, OpenRequest(["forge"]), actor="ada", now=system.now)
        window = begun.id

    forget(system)

    assert (system.state(window), system.status(window)) == ("closing", "fail")
    assert why(system, window)[:2] == ("lost", SYSTEM_ACTOR)
    system.work()
    assert (system.state(window), system.running()) == ("closed", {"redis"})


def test_what_is_on_when_its_stack_goes_keeps_its_time(system: System) -> None:
    window = system.open("forge", ttl=60)
    assert not forget(system)
    assert (system.state(window), why(system, window)) == ("open", (None, None, None))
    system.tick(60)
    assert why(system, window)[0] == "expired"


def test_the_words_are_those_of_the_contract() -> None:
    assert [*CloseReason] == ["manual", "expired", "failed", "forced", "lost"]
