"""What pages show, and what forms do and say."""

from __future__ import annotations

from datetime import timedelta
from html import unescape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.diagnosis import advice
from app.domain.stack_id import StackId
from app.store import diagnoses, log_reads, samples
from app.store.tables import LogRead, Sample
from tests.system import System
from tests.web.console.conftest import Browser


def test_the_plan_comes_before_the_window_and_changes_nothing(ada: Browser, system: System) -> None:
    before = system.trail()
    page = ada.post("/open", step="plan", service="studio/report", ttl="1h", reason="why").text
    assert page.index("<li>job</li>") < page.index("<li>report</li>")
    assert "for <strong>1h</strong>" in page
    assert system.trail() == before


def test_a_form_that_is_sent_twice_is_one_window(ada: Browser) -> None:
    assert ada.opened("forge", key="a1") == ada.opened("forge", key="a1")
    assert ada.opened("forge", key="a2") != ada.opened("forge", key="a1")


@pytest.mark.parametrize(
    ("form", "says", "field"),
    [
        ({"service": []}, "name at least one service", "services"),
        ({"ttl": "soon"}, "'soon' is not a duration; write 90, 90s, 30m or 1h30m", "ttl"),
        ({"ttl": "9h"}, "9h is longer than studio allows (1h)", "ttl"),
        ({"service": ["studio/redis"]}, "may not be powered; allowed are", "services"),
        ({"service": ["studio/none"]}, "has no service none", "services"),
        ({"stack": "other"}, "there is no stack 'other'", "stack"),
        ({"reason": "x" * 501}, "at most 500", "reason"),
        ({"reason": "a\0b"}, "NUL", "reason"),
    ],
)
@pytest.mark.integration
@pytest.mark.parametrize("step", ["plan", "open"])
def test_what_is_wrong_is_said_in_the_form_and_the_input_kept(
    ada: Browser, form: dict[str, object], says: str, field: str, step: str
) -> None:
    sent = {
        "step": step,
        "service": ["studio/forge", "other/forge"],
        "ttl": "30m",
        "reason": "kept & sound",
        **form,
    }
    answer = ada.post("/open", **sent)
    page = unescape(answer.text)
    assert answer.status_code in {403, 422}
    assert says in page
    for name in ("ttl", "reason"):
        assert str(sent[name]).replace("\0", "") in page.replace("\0", "").replace("\ufffd", "")
    if sent["service"] == ["studio/forge", "other/forge"] and "stack" not in form:
        assert 'value="studio/forge"\n            checked' in page or "checked" in page


def test_a_window_is_extended_and_closed(ada: Browser, system: System) -> None:
    window = ada.opened("forge")
    system.work()
    assert ada.post(f"/windows/{window}/extend", ttl="30m").status_code == 303
    assert 'data-left="1800"' in ada.get(f"/parts/windows/{window}").text
    assert ada.post(f"/windows/{window}/close").status_code == 303
    system.work()
    assert system.state(window) == "closed"
    assert "Open the same again" in ada.get(f"/parts/windows/{window}/acts").text


@pytest.mark.parametrize("ttl", ["", "soon", "-5", "9h", "1e400"])
def test_an_extension_that_cannot_be_says_why(ada: Browser, ttl: str) -> None:
    window = ada.opened("forge")
    answer = ada.post(f"/windows/{window}/extend", ttl=ttl)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


def test_only_its_owner_shortens_a_window(ada: Browser, grace: Browser) -> None:
    window = ada.opened("forge")
    answer = grace.post(f"/windows/{window}/extend", ttl="1s")
    assert answer.status_code == 409
    assert "only its owner, 'ada', may shorten it" in unescape(answer.text)


def test_a_forced_close_is_asked_about_first_and_names_who_did_it(
    ada: Browser, grace: Browser, system: System
) -> None:
    window = ada.opened("forge")
    system.work()
    assert "goes on record" in grace.get(f"/windows/{window}/force").text
    assert system.state(window) == "open"
    grace.post(f"/windows/{window}/close", force="yes", reason="now")
    system.work()
    assert system.window(window).close_detail == "forced by grace: now"


def test_the_logs_of_a_service_that_no_window_holds_are_one_link_away(
    ada: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "/logs?stack=studio&amp;service=forge"
    assert address in ada.get("/").text
    line = {"service": "forge", "at": "2030-05-01T12:00:01.000000001Z", "line": "listening <8080>"}
    read = LogRead(lines=[line], notes={})
    monkeypatch.setattr(log_reads, "answered_request", lambda *_: read)
    page = ada.get(unescape(address)).text
    assert ("listening &lt;8080&gt;" in page, "Nothing was written" in page) == (True, False)

    read.lines, read.notes = [], {"forge": "it has no container"}
    page = ada.get(unescape(address)).text
    assert ("forge: it has no container" in page, "Nothing was written" in page) == (True, False)


@pytest.mark.parametrize(
    ("service", "status", "says"),
    [
        ("redis", 403, "stack 'studio' does not allow it"),
        ("nothing", 404, "has no service"),
        ("", 404, "has no"),
    ],
)
def test_logs_that_are_not_shown_say_why(ada: Browser, service: str, status: int, says: str) -> None:
    answer = ada.get(f"/logs?stack=studio&service={service}")
    assert (answer.status_code, says in unescape(answer.text)) == (status, True)


def test_a_failing_service_shows_its_diagnosis(ada: Browser, system: System) -> None:
    window = ada.opened("forge")
    system.work()
    system.finish("forge", 1)
    cause = {
        "cause": "missing-module",
        "title": "The module <switch> is missing",
        "confidence": 0.95,
        "evidence": ["No module named '<switch>'"],
        "suggestion": "Add it.",
        "rule": "python-module-missing",
        "source": "program.toml",
        "patch": {"file": "Dockerfile", "diff": "+COPY switch /app/switch/", "directory": "/srv"},
    }
    with system.database.write() as session:
        diagnoses.record(
            session,
            stack=StackId("studio"),
            service="forge",
            window=window,
            node="local",
            causes=[cause],
            now=system.now,
        )

    page = ada.get(f"/windows/{window}").text
    for text in (
        "The module &lt;switch&gt; is missing",
        "python-module-missing",
        "+COPY switch /app/switch/",
        "Add it.",
    ):
        assert text in page
    assert "The module &lt;switch&gt; is missing" in ada.get("/").text


def test_a_failing_service_shows_its_last_words_and_what_they_usually_mean(
    ada: Browser, system: System
) -> None:
    system.will_crash.add("forge")
    window = ada.opened("forge", "mill")
    system.work()
    page = ada.get(f"/windows/{window}").text
    assert 'id="health-forge" data-power="failing"' in page
    assert "One that is meant to end is called <code>oneshot</code> in power.toml." in unescape(page)


@pytest.mark.parametrize(
    ("trouble", "about"),
    [
        ("keeps restarting: 2 restarts, exit code 1\nModuleNotFoundError: No module named 'x'", "image"),
        ("was killed for using too much memory with code 137", "memory"),
        ("Bind for 0.0.0.0:80 failed: port is already allocated", "port"),
        ("running, but waited in vain for its healthcheck for 60 s", "healthcheck"),
        ("an unknown error", ""),
    ],
)
def test_advice(trouble: str, about: str) -> None:
    assert about in advice.usually(trouble)
    assert bool(about) == bool(advice.usually(trouble))


@pytest.mark.parametrize(
    "path",
    [
        "/timeline?span=2h", "/timeline?until=x", "/timeline?until=0001-01-01", "/trail?event=x",
        "/trail?before=x",
        "/trail?actor=%00", "/trail?x=1", "/windows/nosuch", "/windows/%00", "/windows/x/logs",
        "/parts/windows/x",
        "/windows/x/force", "/nothing", "/windows/0123456789abcdef/logs?service=%00",
    ],
)  # fmt: skip
@pytest.mark.integration
def test_what_cannot_be_meant_is_no_fault(ada: Browser, path: str) -> None:
    assert ada.get(path).status_code in {400, 404, 422}


WORDS = st.one_of(
    st.text(max_size=30), st.sampled_from(["forge", "studio/forge", "open", "plan", "yes", "\0", "30m"])
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    path=st.sampled_from(["/open", "/windows/ID/extend", "/windows/ID/close"]),
    form=st.dictionaries(
        st.sampled_from(["step", "service", "stack", "ttl", "reason", "key", "force"]), WORDS
    ),
)
@pytest.mark.integration
def test_no_form_is_a_fault(ada: Browser, path: str, form: dict[str, str]) -> None:
    clean = {name: value.encode(errors="replace").decode() for name, value in form.items()}
    assert ada.post(path.replace("ID", "0123456789abcdef"), **clean).status_code < 500


def test_the_stream_is_there_for_who_is_signed_in(ada: Browser) -> None:
    answer = ada.get("/live", buffered=False)
    assert answer.content_type.startswith("text/event-stream")
    assert "id:" in next(iter(answer.iter_encoded())).decode()
    answer.close()


def test_what_services_used_is_drawn_and_described_in_words(ada: Browser, system: System) -> None:
    window = ada.opened("forge")
    page = ada.get(f"/windows/{window}").text
    assert "Nothing was measured yet" in page
    with system.database.write() as session:
        for number in range(3):
            at = system.now + timedelta(seconds=number)
            memory = (number + 1) * 2**20
            session.add(Sample(stack="studio", service="forge", at=at, cpu=0.5 - number / 10, memory=memory))
    system.tick(10)
    for path in (f"/windows/{window}", f"/parts/windows/{window}/use"):
        page = ada.get(path).text
        assert page.count("<polyline") == 2
        assert "0.30 cores" in page
        assert "peak 0.50 cores" in page
        assert "3 MiB" in page


def test_of_many_samples_some_are_drawn_and_the_newest_among_them(system: System) -> None:
    with system.database.write() as session:
        for number in range(1001):
            at = system.now + timedelta(seconds=number)
            session.add(Sample(stack="studio", service="forge", at=at, cpu=1.0, memory=number))
    with system.database.read() as session:
        until = system.now + timedelta(hours=1)
        (drawn,) = samples.between(session, StackId("studio"), ["forge"], system.now, until).values()
    assert len(drawn) <= samples.MOST_POINTS
    assert drawn[-1].memory == 1000
    with system.database.write() as session:
        samples.forget(session, system.now + timedelta(seconds=1000))
    with system.database.read() as session:
        assert samples.means(session) == {("studio", "forge"): 1000.0}
