"""Windows are followed to their end, whatever becomes of the event stream or the front."""

import threading
from typing import Any

import pytest

from app.cli import follow
from power_windows.discovery import Target
from power_windows.errors import NotFound, Unreachable
from power_windows.rest import Api
from tests.cli.api_bodies import entry, window
from tests.cli.service import TOKEN, Server, Service


def followed(
    service: Service, *windows: dict[str, Any], has_ended: follow.EndCondition = follow.is_closed_or_stuck
) -> list[Any]:
    service.add(*windows)
    with Api(Target(service.url, TOKEN)) as api:
        return [[one["state"] for one in seen] for seen in follow.windows(api, windows, has_ended)]  # type: ignore[arg-type]


def test_a_hint_is_followed_at_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without the hint there would be no second look within this test.
    monkeypatch.setattr(follow, "READ_SECONDS", 600.0)
    monkeypatch.setattr(follow, "READ_SECONDS_WITHOUT_STREAM", 600.0)
    closing = window(state="closing")

    def close_it() -> None:
        service.wait_for_listener()
        service.say("1", entry(1, "window.opening", stack="another"))
        service.windows[closing["id"]] |= {"state": "closed"}
        service.say("2", entry(2, "window.closed"))

    system = threading.Thread(target=close_it)
    system.start()

    assert followed(service, closing)[-1] == ["closed"]
    system.join()


def test_what_happened_before_the_stream_was_there_is_seen(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "READ_SECONDS", 600.0)
    monkeypatch.setattr(follow, "READ_SECONDS_WITHOUT_STREAM", 600.0)
    service.course("3f2a9c1d00", {"state": "closed"})

    assert followed(service, window(state="closing")) == [["closing"], ["closed"]]


def test_what_is_over_already_is_not_looked_at_again(service: Service) -> None:
    assert followed(service, window(state="closed")) == [["closed"]]
    assert service.asked == []


def test_several_are_followed_until_the_last(service: Service) -> None:
    service.course("a", {"state": "closed"})
    service.course("b", {}, {}, {"state": "closed"})

    seen = followed(service, window("a", state="closing"), window("b", state="closing"))

    assert seen[-1] == ["closed", "closed"]
    assert len(service.requests("GET", "/windows/a")) == 1


def test_a_stuck_window_is_not_waited_for(service: Service) -> None:
    service.course("3f2a9c1d00", {"stuck": True})

    assert followed(service, window(state="closing"))[-1] == ["closing"]


def test_a_front_that_is_away_for_a_moment_is_waited_for(service: Service) -> None:
    service.refuse("GET", "/windows/3f2a9c1d00", 503, detail="starting")

    def come_back() -> None:
        service.add(window(state="closed"))
        service.refusals.clear()

    back = threading.Timer(0.1, come_back)
    back.start()

    assert followed(service, window(state="closing"), has_ended=follow.is_closed) == [["closing"], ["closed"]]
    back.join()


def test_a_front_that_stays_away_is_given_up(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "GIVE_UP_SECONDS", 0.1)
    service.refuse("GET", "/windows/3f2a9c1d00", 503, detail="gone")

    with pytest.raises(Unreachable):
        followed(service, window(state="closing"))


def test_a_window_that_is_gone_is_no_reason_to_wait(service: Service) -> None:
    with Api(Target(service.url, TOKEN)) as api, pytest.raises(NotFound):
        list(follow.windows(api, [window(state="closing")], follow.is_closed))  # type: ignore[list-item]


def test_nothing_is_left_listening(service: Service) -> None:
    service.course("3f2a9c1d00", {"state": "closed"})

    followed(service, window(state="closing"))

    assert "events" not in {thread.name for thread in threading.enumerate()}


def test_a_stream_resumes_after_the_last_event_that_was_heard() -> None:
    with Server(Service()) as service, Api(Target(service.url, TOKEN)) as api:
        service.say("1", entry(1))
        service.say("2", entry(2))
        with api.listen("1") as stream:
            assert next(iter(stream))["seq"] == 2
            assert stream.last_id == "2"
