"""What is to be told of, on both databases: once, and of ends before they come."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app.domain.errors import TimeIsUp
from app.domain.stack_id import StackId
from app.settings import NoticeToml
from app.store import notifications as rows
from app.store.tables import Delivery, Link, Notice
from app.usecases import notifications
from app.usecases.notifications import BadLink, Sink, UsedLink
from tests.simultaneous import together
from tests.system import System
from tests.usecases.visits import kept, visited

URL = "https://front.example"
KEY = b"k" * 32


def sink(name: str = "ops", public_url: str | None = URL, **more: Any) -> Sink:
    toml = NoticeToml(url="http://127.0.0.1:9/hook", secret="opensesame", **more)
    return Sink("local", name, toml, (StackId("studio"),), public_url, KEY)


def collect(system: System, one: Sink) -> list[Notice]:
    with system.database.read() as session:
        has_new = notifications.has_new(session, one, system.now)
    if has_new:
        with system.database.write() as session:
            notifications.collect_notices(session, one, system.now)
    with system.database.read() as session:
        query = select(Notice).where(Notice.sink == one.name).order_by(Notice.created_at, Notice.key)
        return list(session.scalars(query))


def told(system: System, one: Sink) -> list[str]:
    return [notice.event for notice in collect(system, one)]


def link_of(system: System, one: Sink) -> str:
    (ending,) = [notice for notice in collect(system, one) if notice.event == "window.ending"]
    address = str(notifications.outgoing(ending, URL, KEY)["extend_url"])
    assert address.startswith(f"{URL}/extend/")
    return address.rpartition("/")[2]


def tap(system: System, link: str) -> None:
    with system.database.write() as session:
        notifications.use_link(session, link, system.now)


def test_a_new_sink_gets_no_old_events_and_each_new_one_once(system: System) -> None:
    one = sink(events=["window.opening", "window.closed"])
    system.open("forge")
    assert told(system, one) == []

    window = system.open("mill")
    system.close(window)
    assert sorted(told(system, one)) == ["window.closed", "window.opening"]
    assert sorted(told(system, one)) == ["window.closed", "window.opening"]


def test_two_workers_at_once_note_a_thing_once(system: System) -> None:
    one = sink(events=["window.opening"])
    collect(system, one)
    system.open("forge")

    def act(_: int) -> None:
        with system.database.write() as session:
            notifications.collect_notices(session, one, system.now)

    together(4, act)
    assert told(system, one) == ["window.opening"]


def test_another_stack_and_another_word_are_none_of_its_business(system: System) -> None:
    elsewhere = Sink("local", "elsewhere", sink(events=["window.opening"]).toml, ())
    stuck = sink("stuck", events=["window.stuck"])
    for one in (elsewhere, stuck):
        collect(system, one)
    system.open("forge")
    assert told(system, elsewhere) == told(system, stuck) == []


def test_a_stuck_window_is_reported(system: System) -> None:
    one = sink()
    collect(system, one)
    system.will_not_stop.add("forge")
    system.close(system.open("forge"))
    for _ in range(3):
        system.tick(60)
    assert "window.stuck" in told(system, one)


def test_an_end_is_reported_once_for_each_deadline(system: System) -> None:
    one = sink(before="2m")
    collect(system, one)
    window = system.open("forge", ttl=600)
    system.tick(470)
    assert told(system, one) == []
    system.tick(20)
    assert told(system, one) == ["window.ending"]
    assert told(system, one) == ["window.ending"]

    system.extend(window, 600)
    assert told(system, one) == ["window.ending"]
    system.tick(590)
    assert told(system, one) == ["window.ending"] * 2


def test_the_end_of_a_visitors_window_is_reported_once_however_often_it_moves(system: System) -> None:
    one = sink(events=["window.ending"], before=600.0)
    collect(system, one)
    window = visited(system, ttl=100.0)
    system.tick(98.0)
    assert told(system, one) == ["window.ending"]

    for _ in range(3):
        assert kept(system, window)
        system.tick(10.0)
        assert told(system, one) == ["window.ending"]


def test_a_short_windows_end_is_reported_in_its_last_quarter(system: System) -> None:
    one = sink(before="10m")
    collect(system, one)
    system.open("forge", ttl=100)
    system.tick(70)
    assert told(system, one) == []
    system.tick(10)
    assert told(system, one) == ["window.ending"]


def test_a_link_extends_once_and_says_who_has(system: System) -> None:
    one = sink(before="1m")
    collect(system, one)
    window = system.open("forge", ttl=600)
    system.tick(590)
    link = link_of(system, one)
    before = system.window(window).deadline
    with system.database.read() as session:
        offer = notifications.read_offer(session, link, system.now)
    assert offer.until == before + timedelta(seconds=600)
    assert system.window(window).deadline == before

    tap(system, link)

    assert system.window(window).deadline == before + timedelta(seconds=600)
    assert ("window.extended", "link:ops") in [(one.event, one.actor) for one in system.entries()]
    with pytest.raises(UsedLink):
        tap(system, link)
    assert system.window(window).deadline == before + timedelta(seconds=600)


def test_a_double_tap_extends_once(system: System) -> None:
    one = sink(before="1m")
    collect(system, one)
    window = system.open("forge", ttl=600)
    system.tick(590)
    link, before = link_of(system, one), system.window(window).deadline

    def act(_: int) -> bool:
        try:
            tap(system, link)
        except UsedLink:
            return False
        return True

    assert sorted(together(4, act)) == [False, False, False, True]
    assert system.window(window).deadline == before + timedelta(seconds=600)


def test_a_link_goes_no_further_than_the_longest_and_then_there_is_none(
    system: System,
) -> None:
    one = sink(before="1m")
    collect(system, one)
    window = system.open("forge", ttl=3000)
    system.tick(2950)
    tap(system, link_of(system, one))
    row = system.window(window)
    assert row.opening_at
    assert row.deadline == row.opening_at + timedelta(seconds=3600)

    system.tick(630)
    last = [notice for notice in collect(system, one) if notice.event == "window.ending"][-1]
    assert "extend_url" not in notifications.outgoing(last, URL, KEY)


def test_a_link_is_over_with_its_deadline_and_a_forged_one_is_none(system: System) -> None:
    one = sink(before="1m")
    collect(system, one)
    system.open("forge", ttl=600)
    system.tick(590)
    link = link_of(system, one)
    with system.database.read() as session:
        for forged in ("", "x", link[:-1] + ("A" if link[-1] != "A" else "B"), f"{link}x"):
            with pytest.raises(BadLink):
                notifications.read_offer(session, forged, system.now)
    system.tick(11)
    with pytest.raises(TimeIsUp):
        tap(system, link)
    with system.database.read() as session:
        assert [one.used_at for one in session.scalars(select(Link))] == [None]


def test_without_an_address_there_is_no_link(system: System) -> None:
    one = sink(public_url=None, before="1m")
    collect(system, one)
    system.open("forge", ttl=600)
    system.tick(590)
    (notice,) = collect(system, one)
    assert "extend_url" not in notifications.outgoing(notice, one.public_url, KEY)


def test_what_was_claimed_by_a_worker_that_died_is_due_again(system: System) -> None:
    one = sink(events=["window.opening"])
    collect(system, one)
    system.open("forge")
    (noted,) = collect(system, one)

    def claimed() -> list[str]:
        with system.database.write() as session:
            return [notice.id for notice in notifications.claim_due(session, "local", system.now, 9)]

    assert claimed() == [noted.id]
    assert claimed() == []
    system.tick(31)
    assert claimed() == [noted.id]


def test_a_failed_delivery_is_tried_ever_later_and_given_up_after_a_day(system: System) -> None:
    one = sink(events=["window.opening"])
    collect(system, one)
    system.open("forge")
    (noted,) = collect(system, one)
    pauses = []
    while True:
        with system.database.write() as session:
            (notice,) = notifications.claim_due(session, "local", system.now, 9)
            notifications.record_attempt(session, notice.id, system.now, 7, ok=False, answer="503 no")
        with system.database.read() as session:
            row = session.get_one(Notice, noted.id)
            if row.state == rows.GIVEN_UP_STATE:
                break
        pauses.append((row.next_at - system.now).total_seconds())
        system.now = row.next_at
    assert pauses[:6] == [10, 20, 40, 80, 160, 300]
    assert set(pauses[5:]) == {300}
    assert sum(pauses) > 24 * 3600
    with system.database.read() as session:
        assert {one.said for one in session.scalars(select(Delivery))} == {"503 no"}
    with system.database.write() as session:
        rows.forget(session, system.now + timedelta(days=1))
    assert collect(system, one) == []
