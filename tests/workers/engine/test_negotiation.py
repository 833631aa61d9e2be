"""The API version that both sides speak, and an answer that says no told apart from no answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from app.host.engine_endpoint import BadEndpoint, Endpoint
from tests.engine.engines import forgive_sockets
from tests.workers.engine.engine_server import Answers, EngineServer, Release, serving
from workers.engine import negotiation
from workers.engine.client import Engine
from workers.engine.negotiation import NEWEST_API, OLDEST_API, Away, EngineRefused, EngineUnsupported

PAST = datetime(2020, 1, 1, tzinfo=UTC)
LABELS = {"com.docker.compose.project": "studio", "com.docker.compose.service": "forge"}
OURS = f"{OLDEST_API} to {NEWEST_API}"
LIST = "/containers/json"


@contextmanager
def asking(
    release: Release | None = None, answers: Answers | None = None
) -> Iterator[tuple[EngineServer, Engine]]:
    with serving(release, answers) as server:
        engine = Engine(server.endpoint, timeout=1)
        try:
            yield server, engine
        finally:
            engine.close()


def line(name: str, **more: Any) -> dict[str, Any]:
    return {"Id": name, "State": "running", "Labels": LABELS, **more}


def inspected(name: str, **more: Any) -> dict[str, Any]:
    state = {"Status": "running", "StartedAt": "2030-05-01T12:00:00.5Z"}
    return {"Id": name, "State": state, "Config": {"Labels": LABELS, "Tty": False}, **more}


@pytest.mark.parametrize(
    ("least", "most", "spoken"),
    [
        ("1.12", "1.41", "1.41"),
        ("1.24", "1.45", "1.45"),
        ("1.44", "1.52", NEWEST_API),
        ("1.45", "1.99", NEWEST_API),
        ("1.12", "1.40", "1.40"),
        ("", "1.41", "1.41"),
    ],
)
def test_the_newest_version_that_both_sides_speak_is_spoken(least: str, most: str, spoken: str) -> None:
    with asking(Release(least=least, most=most) if least else Release(least="1.12", most=most)) as (
        server,
        engine,
    ):
        if not least:
            version = {key: value for key, value in server.release.says().items() if key != "MinAPIVersion"}
            server.answers["/version"] = (200, version)
        assert engine.id() == "X@forge:/d"
        assert engine.agreement().api == spoken
        assert f"/v{spoken}/info" in server.asked


def test_it_is_agreed_upon_once() -> None:
    with asking() as (server, engine):
        for _number in range(3):
            engine.id()

        assert server.asked.count("/version") == 1


@pytest.mark.parametrize(
    ("before", "after", "spoken"),
    [
        (Release("20.10.24", "1.12", "1.41"), Release("29.0.1", "1.44", "1.52"), NEWEST_API),
        (Release("29.0.1", "1.44", "1.52"), Release("20.10.24", "1.12", "1.41"), "1.41"),
    ],
)
def test_an_engine_that_became_another_release_is_asked_anew(
    before: Release, after: Release, spoken: str
) -> None:
    with asking(before) as (server, engine):
        engine.id()

        server.release = after

        assert engine.id()
        assert engine.agreement().api == spoken


def test_an_engine_that_is_away_may_come_back_as_another_release() -> None:
    with asking(Release("20.10.24", "1.12", "1.41")) as (server, engine):
        engine.id()
        engine.negotiation.forget()  # What a lost connection does.
        server.release = Release()

        assert engine.agreement().api == NEWEST_API


@pytest.mark.parametrize(
    ("release", "words"),
    [
        (
            Release("99.0", "1.90", "1.99"),
            ["Docker 99.0", "1.90 to 1.99", f"{OLDEST_API} to {NEWEST_API}", "upgrade Power"],
        ),
        (
            Release("1.9", "1.10", "1.21"),
            ["Docker 1.9", "1.10 to 1.21", f"{OLDEST_API} to {NEWEST_API}", "upgrade the eng"],
        ),
        (Release("5.4.2", "1.24", "1.41", [{"Name": "Podman Engine"}]), ["Podman 5.4.2", "not supported"]),
        (Release("1", "odd", "1.41"), ["no Docker engine", "'odd'"]),
    ],
)
def test_an_engine_that_cannot_be_served_is_one_line(release: Release, words: list[str]) -> None:
    with asking(release) as (server, engine):
        with pytest.raises(EngineUnsupported) as refused:
            engine.containers("studio")

        message = str(refused.value)
        assert [word for word in [*words, str(server.endpoint)] if word not in message] == []
        assert "\n" not in message
        assert engine.fault == message

        server.release = Release()
        server.answers[LIST] = (200, [])
        assert engine.containers("studio") == []
        assert engine.fault == ""


@pytest.mark.parametrize("answer", [(404, "404 page not found"), (200, "<html>"), (200, {}), (200, [])])
def test_what_is_no_engine_is_called_so(answer: tuple[int, Any]) -> None:
    with (
        asking(answers={"/version": answer}) as (_server, engine),
        pytest.raises(EngineUnsupported) as refused,
    ):
        engine.id()

    assert "no Docker engine" in str(refused.value)


def test_making_an_engine_asks_nothing() -> None:
    engine = Engine(Endpoint("unix:///nowhere/docker.sock", "a test"))
    try:
        with pytest.raises(Away) as away:
            engine.id()
        assert negotiation.why(away.value) == "the engine does not answer: No such file or directory"
        assert engine.fault == ""
    finally:
        engine.close()
        del away
        forgive_sockets()


def test_an_address_that_the_client_does_not_take_is_one_line() -> None:
    with pytest.raises(BadEndpoint, match="cannot be used"):
        Engine(Endpoint("unix:///tmp/a#b?c", "a test"))


# An answer that says no.


@pytest.mark.parametrize("status", [400, 403, 409, 500, 501, 503])
def test_a_refusal_is_reported_with_the_engines_own_sentence(status: int) -> None:
    with asking(answers={LIST: (status, {"message": "the vault is shut"})}) as (_server, engine):
        with pytest.raises(EngineRefused) as refused:
            engine.containers("studio")

        assert (str(refused.value), refused.value.status) == ("the vault is shut", status)
        assert not isinstance(refused.value, Away)
        assert negotiation.why(refused.value) == "the engine refuses to tell: the vault is shut"


def test_a_refusal_of_the_question_for_the_version_is_no_verdict_for_good() -> None:
    with asking(answers={"/version": (503, {"message": "starting"})}) as (server, engine):
        with pytest.raises(EngineRefused, match="starting"):
            engine.id()
        assert engine.fault == ""

        del server.answers["/version"]
        assert engine.id()


@pytest.mark.parametrize(
    "answer",
    [
        (400, {"message": "no"}),
        (409, {"message": "no"}),
        (500, {"message": "no"}),
        (501, {"message": "no"}),
        (200, {"Id": "bad"}),
        (200, {"Id": "bad", "State": None, "Config": None}),
        (200, {"Id": "bad", "State": "running", "Config": []}),
        (200, "<html>"),
    ],
)
def test_one_container_that_is_not_described_is_no_veil_over_the_others(answer: tuple[int, Any]) -> None:
    answers: Answers = {
        LIST: (200, [line("bad"), line("good"), line("gone")]),
        "/containers/bad/json": answer,
        "/containers/good/json": (200, inspected("good")),
    }
    with asking(answers=answers) as (_server, engine):
        bad, good = engine.containers("studio", ["forge"])

    assert (bad.id, bad.service, bad.alive, bool(bad.unreadable)) == ("bad", "forge", True, True)
    assert (good.id, good.alive, good.unreadable) == ("good", True, "")


@pytest.mark.integration
def test_one_container_that_hangs_in_the_engine_is_no_veil_either() -> None:
    good = "/containers/good/json"
    answers: Answers = {LIST: (200, [line("hung"), line("good")]), good: (200, inspected("good"))}
    with asking(answers=answers) as (server, engine):
        server.hung.add("/containers/hung/json")

        hung, fine = engine.containers("studio")

        assert (hung.alive, hung.unreadable) == (True, "the engine gave no answer about it in time")
        assert fine.unreadable == ""
        server.hung.add(good)
        with pytest.raises(Away):
            engine.containers("studio")


@pytest.mark.parametrize("labels", [None, {}, []])
def test_a_line_without_labels_belongs_to_no_service(labels: Any) -> None:
    with asking(answers={LIST: (200, [line("odd", Labels=labels)])}) as (_server, engine):
        assert engine.containers("studio", ["forge"]) == []
        assert engine.service_by_id("studio", ["forge"]) == {}


def test_logs_that_cannot_be_read_are_a_refusal_and_no_silence() -> None:
    reason = "configured logging driver does not support reading"
    answers: Answers = {
        "/containers/forge/json": (200, inspected("forge")),
        "/containers/forge/logs": (501, {"message": reason}),
    }
    with asking(answers=answers) as (_server, engine):
        assert engine.log("forge") == ""
        with pytest.raises(EngineRefused, match=reason):
            engine.lines("forge", PAST, None, 10)


@pytest.mark.parametrize("answer", [(409, {"message": "no"}), (500, {"message": "no"}), (200, {}), (200, [])])
def test_what_is_not_measured_is_nothing(answer: tuple[int, Any]) -> None:
    with asking(answers={"/containers/forge/stats": answer}) as (_server, engine):
        assert engine.usage("forge") is None


def test_an_image_that_the_engine_cannot_name_has_no_digest() -> None:
    with asking(answers={"/images/Bad/json": (400, {"message": "invalid reference format"})}) as (
        _server,
        engine,
    ):
        assert engine.image("Bad") == ""


@pytest.mark.parametrize("system_time", [None, "yesterday", 5, "2030-13-01T00:00:00Z"])
def test_an_engine_that_does_not_know_its_time_has_ours(system_time: Any) -> None:
    with asking(answers={"/info": (200, {"SystemTime": system_time})}) as (_server, engine):
        assert abs((engine.now() - datetime.now(UTC)).total_seconds()) < 5
