"""The pages of intents: a button for each, its plan, a live request; nothing while the feature is off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask

from app.domain.features import Features
from app.domain.intents import Approval, Intent, IntentOutcome
from app.settings import Settings
from app.store import intents as rows
from app.store.database import Database
from app.usecases import intents
from app.web.console import create_app
from tests.simulated_worker import studio
from tests.system import System
from tests.web.caller import Remembering
from tests.web.console.conftest import Browser

INTENTS = {
    one.name: one
    for one in (
        Intent("translate", ("forge",), "<b>translate</b>", 1200.0, build=("forge",)),
        Intent("guarded", ("mill",), approval=Approval.OTHER),
    )
}


@pytest.fixture
def system(database: Database, monkeypatch: pytest.MonkeyPatch) -> System:
    system = System(database, replace(studio(), intents=INTENTS))
    monkeypatch.setattr(database, "now", lambda: system.now)
    return system


def console(database: Database, directory: Path, features: Features) -> Flask:
    url = database.url.render_as_string(hide_password=False)
    config = directory / "power.toml"
    settings = Settings(directory, url, "memory://", "local", config, features=features)
    return create_app(settings, database, Remembering())


@pytest.fixture
def app(database: Database, system: System, tmp_path: Path) -> Iterator[Flask]:
    application = console(database, tmp_path, Features(intents=True))
    yield application
    application.extensions["power-windows"].event_feed.stop()


def wanted(browser: Browser, intent: str) -> str:
    """The id of a request that is made by the two steps of the form."""
    plan = browser.post(f"/intents/{intent}", stack="studio", ttl="")
    assert "Nothing has changed yet" in plan.text
    made = browser.post(f"/intents/{intent}", stack="studio", ttl="10m", step="want")
    assert made.status_code == 303, made.text
    return str(made.location.rpartition("/")[2])


def test_each_intent_has_a_button_and_its_request_a_live_page(ada: Browser, system: System) -> None:
    page = ada.get("/intents").text
    assert "Want translate" in page
    assert "&lt;b&gt;translate&lt;/b&gt;" in page
    assert 'href="/intents" aria-current="page"' in page

    request = wanted(ada, "translate")
    with system.database.write() as session:
        rows.add_output(session, request, "forge", "Step <1>\n", system.now, most_pieces=9)
    live = ada.get(f"/intent-requests/{request}").text
    assert f'hx-get="/parts/intent-requests/{request}"' in live
    assert "Step &lt;1&gt;" in live
    assert ada.get(f"/parts/intent-requests/{request}").text.strip() in live

    with system.database.write() as session:
        intents.finish_request(session, request, IntentOutcome.PASSED, "open until noon", system.now)
    assert "hx-get" not in ada.get(f"/intent-requests/{request}").text.partition("<main")[2]
    assert "open until noon" in ada.get("/intents").text


def test_another_token_approves_or_refuses(ada: Browser, grace: Browser) -> None:
    request = wanted(ada, "guarded")
    assert ">Approve<" not in ada.get(f"/intent-requests/{request}").text
    assert ada.post(f"/intent-requests/{request}/approve").status_code == 403
    assert ">Refuse<" in grace.get(f"/intent-requests/{request}").text

    assert grace.post(f"/intent-requests/{request}/approve").status_code == 303
    assert "approved by grace" in ada.get(f"/intent-requests/{request}").text
    assert ada.post(f"/intent-requests/{request}/cancel").status_code == 303
    assert "cancelled by ada" in ada.get(f"/intent-requests/{request}").text


@pytest.mark.parametrize(
    ("intent", "ttl", "status", "message"),
    [
        ("translat", "", 404, "did you mean translate?"),
        ("translate", "soon", 422, "is not a duration"),
        ("translate", "9h", 422, "than studio allows"),
    ],
)
def test_what_is_refused_is_said_above_the_buttons(
    ada: Browser, intent: str, ttl: str, status: int, message: str
) -> None:
    answer = ada.post(f"/intents/{intent}", stack="studio", ttl=ttl)
    assert (answer.status_code, message in answer.text) == (status, True), answer.text


def test_while_off_there_is_no_page_and_no_link(
    database: Database, system: System, tmp_path: Path, token: str
) -> None:
    application = console(database, tmp_path, Features())
    try:
        ada = Browser.signed_in(application, token)
        assert "/intents" not in ada.get("/").text
        unknown = ada.get("/nothing-at-all")
        for path in ("/intents", "/intent-requests/0123", "/parts/intent-requests/0123"):
            assert ada.get(path).status_code == unknown.status_code == 404
        assert ada.post("/intents/translate", step="want").status_code == 404
    finally:
        application.extensions["power-windows"].event_feed.stop()


def test_the_form_takes_an_end(ada: Browser, system: System) -> None:
    assert 'name="until"' in ada.get("/intents").text
    later = f"{system.now + timedelta(hours=1):%Y-%m-%dT%H:%M:%S+00:00}"

    plan = ada.post("/intents/translate", stack="studio", until=later)
    ends = f"{later.removesuffix('+00:00')}.000Z"
    assert f'name="until" value="{ends}"' in plan.text
    made = ada.post("/intents/translate", stack="studio", until=ends, step="want")

    with system.database.read() as session:
        request = rows.get(session, str(made.location.rpartition("/")[2]))
    assert request
    assert f"{request.until:%Y-%m-%dT%H:%M:%S+00:00}" == later


@pytest.mark.parametrize(
    ("form", "fault"),
    [
        ({"until": "soon"}, "is no time; write 18:00"),
        ({"until": "2001-01-01T10:00"}, "has passed already"),
        ({"until": "18:00", "ttl": "10m"}, "ttl"),
    ],
)
def test_a_wrong_end_is_named_on_the_page(ada: Browser, form: dict[str, str], fault: str) -> None:
    answer = ada.post("/intents/translate", stack="studio", **form)
    assert answer.status_code == 422
    assert fault in answer.text
