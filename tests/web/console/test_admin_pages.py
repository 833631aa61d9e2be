"""The pages Notices, Tokens and System: what they show and do, and to whom."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from flask import Flask

from app.domain.planning import StackSpec
from app.domain.stack_id import StackId
from app.store import notifications, sessions, tokens
from app.usecases import notifications as sending
from app.usecases.nodes import published_stacks
from app.web.console.sessions import COOKIE
from tests.system import System
from tests.web.console.conftest import Browser


def note(system: System, number: int, state: str = notifications.PENDING) -> str:
    """A notification in this state, with a failed attempt; return its id."""
    body: dict[str, Any] = {"event": "service.failing", "stack": "studio", "window": None}
    with system.database.write() as session:
        key, now = f"entry:studio:{number}", system.now
        notifications.note(session, "local", "ops", key, body=body, now=now)
        (notice,) = [
            one for one in notifications.page(session, state=None, before=None, limit=99) if one.key == key
        ]
        sending.record_attempt(session, notice.id, now, 12, ok=False, answer="HTTP <500>")
        notice.state, notice.ended_at = state, None if state == notifications.PENDING else now
        return notice.id


def test_notices_are_listed_by_state_and_sent_again(ada: Browser, system: System) -> None:
    pending, failed = note(system, 1), note(system, 2, notifications.GIVEN_UP_STATE)
    sent = note(system, 3, notifications.DELIVERED)
    page = ada.get("/notices").text
    assert page.count('<article class="card notice"') == 3
    assert "HTTP &lt;500&gt;" in page
    assert f"/notices/{pending}/retry" in page
    assert f"/notices/{sent}/retry" not in page
    page = ada.get("/notices?state=given_up").text
    assert page.count('<article class="card notice"') == 1

    system.tick(5)
    assert ada.post(f"/notices/{failed}/retry").status_code == 303
    with system.database.read() as session:
        due = {one.id for one in notifications.due(session, "local", system.now, 9)}
    assert failed in due
    assert system.trail()[-1] == "notice.retried"
    assert "ada has the notification service.failing sent to ops again" in ada.get("/trail").text
    assert ada.post(f"/notices/{sent}/retry").status_code == 409


@pytest.mark.parametrize("path", ["/notices/x/retry", "/notices/%00/retry", f"/notices/{'f' * 99}/retry"])
def test_an_unknown_notice_is_not_sent(ada: Browser, path: str) -> None:
    assert ada.post(path).status_code == 404


@pytest.mark.parametrize("query", ["state=x", "before=x", "x=1"])
def test_a_bad_filter_of_notices_is_a_message(ada: Browser, query: str) -> None:
    answer = ada.get(f"/notices?{query}")
    assert (answer.status_code, 'role="alert"' in answer.text) == (422, True)


def test_no_notices_say_how_to_have_some(ada: Browser) -> None:
    assert "[notices.NAME]" in ada.get("/notices").text
    assert "No notification is given up." in ada.get("/notices?state=given_up").text


def made(page: str) -> str:
    match = re.search(r'class="token-text" value="(pw_[^"]+)"', page)
    assert match, page
    return match[1]


def test_a_token_is_shown_once_and_signs_in(ada: Browser, app: Flask, token: str, system: System) -> None:
    answer = ada.post("/tokens", name="grace", scope="admin", proof=token)
    text = made(answer.text)
    assert answer.headers["Cache-Control"] == "no-store"
    page = ada.get("/tokens").text
    assert text not in page
    assert ">grace</th>" in re.sub(r"\s+", "", page.replace("<th", "\n<th"))
    assert Browser.signed_in(app, text).get("/").status_code == 200
    again = ada.post("/tokens", name="grace", scope="admin", proof=token)
    assert again.status_code == 409
    assert "there is a token 'grace' already" in unescape(again.text).partition('id="wrong-name"')[2]


@pytest.mark.parametrize("proof", ["", "pw_wrong", "\0"])
def test_a_session_alone_makes_no_token_with_full_access(ada: Browser, system: System, proof: str) -> None:
    answer = ada.post("/tokens", name="grace", scope="admin", proof=proof)
    assert answer.status_code == 403
    assert 'id="wrong-proof"' in answer.text
    with system.database.read() as session:
        assert not tokens.is_valid(session, "grace")


def test_a_token_of_a_waiting_page_signs_in_nowhere(ada: Browser, app: Flask) -> None:
    text = made(ada.post("/tokens", name="proxy", scope="wake", route="studio/forge", ttl="15m").text)
    assert "the waiting page of studio/forge" in ada.get("/tokens").text
    browser = Browser(app.test_client())
    assert browser.sign_in(text).status_code == 401


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"name": "a b", "scope": "wake", "route": "studio/forge"}, "name"),
        ({"name": "house", "scope": "wake", "route": "studio/forge"}, "name"),
        ({"name": "", "scope": "wake", "route": "studio/forge"}, "name"),
        ({"name": "x", "scope": "all"}, "scope"),
        ({"name": "x", "scope": "approve"}, "scope"),
        ({"name": "x", "scope": "wake"}, "route"),
        ({"name": "x", "scope": "wake", "route": "forge"}, "route"),
        ({"name": "x", "scope": "wake", "route": "none/forge"}, "route"),
        ({"name": "x", "scope": "wake", "route": "studio/redis"}, "route"),
        ({"name": "x", "scope": "wake", "route": "studio/\0"}, "route"),
        ({"name": "x", "scope": "wake", "route": "studio/forge", "ttl": "soon"}, "ttl"),
        ({"name": "x", "scope": "wake", "route": "studio/forge", "ttl": "9h"}, "ttl"),
    ],
)
def test_what_is_wrong_with_a_token_is_said_beside_its_field(
    ada: Browser, form: dict[str, str], field: str
) -> None:
    answer = ada.post("/tokens", **form)
    assert answer.status_code in {403, 409, 422}
    assert f'id="wrong-{field}"' in answer.text


def test_a_revocation_is_confirmed_first(ada: Browser, grace: Browser, system: System) -> None:
    page = ada.get("/tokens/revoke?name=grace").text
    assert "Revoke the token grace?" in page
    assert "signed out" not in page
    assert grace.get("/").status_code == 200
    assert ada.post("/tokens/revoke", name="grace").status_code == 303
    assert grace.get("/").status_code == 303
    assert "revoked" in ada.get("/tokens").text
    assert "signed out" in ada.get("/tokens/revoke?name=ada").text
    assert ada.post("/tokens/revoke", name="ada").status_code == 409
    for name in ("none", "%00", "x" * 200):
        assert ada.get(f"/tokens/revoke?name={name}").status_code == 404


@pytest.mark.parametrize("path", ["/tokens", "/tokens/revoke"])
def test_forms_of_tokens_need_the_sessions_word(ada: Browser, token: str, path: str) -> None:
    answer = ada.client.post(path, data={"name": "grace", "scope": "admin", "proof": token})
    assert answer.status_code == 403
    assert "This form cannot be taken" in answer.text


def test_pages_of_the_host_need_a_token_with_full_access(app: Flask, system: System) -> None:
    with system.database.write() as session:
        tokens.create(session, "guest", system.now, "watch")
        token = tokens.token_by_name(session, "guest")
        assert token
        identifier = sessions.begin(session, token, system.now)
    browser = Browser(app.test_client())
    browser.client.set_cookie(COOKIE, identifier)
    for path in ("/tokens", "/tokens/revoke?name=guest", "/system"):
        answer = browser.get(path)
        assert (answer.status_code, answer.mimetype) == (403, "text/html")
        assert "needs a token with full access" in answer.text
    assert browser.get("/parts/system").status_code == 403
    assert browser.post("/tokens", name="x", scope="admin").status_code == 403


def test_the_system_page_says_what_is_not_well(ada: Browser, system: System) -> None:
    page = ada.get("/system").text
    for text in ("Database", "Schema", "Broker", "Disk", "Python", "namespaces", "Event streams"):
        assert text in page
    with system.database.write() as session:
        spec = StackSpec(StackId("lab"), "lab", "local", {})
        published_stacks.reject_stack(session, spec, ["no <file>"], system.now)
    note(system, 1, notifications.GIVEN_UP_STATE)
    system.tick(60)
    part = ada.get("/parts/system").text
    assert "rejected: no &lt;file&gt;" in part
    assert "1 could not be delivered" in part
