"""What the callers of a namespace and an operator can do."""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Any

import pytest
from flask import Flask

from app.domain.features import Features
from app.settings import Settings
from app.store.database import Database
from app.web import create_app, qualified_names
from app.web.route_table import routes_of
from tests.web.caller import Caller, Remembering
from tests.web.console.conftest import Browser
from tests.web.namespaces.worlds import Namespace

pytestmark = pytest.mark.integration


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["type"].rpartition("/")[2]


def test_a_caller_names_its_own_stacks_and_an_operator_all(
    team: Namespace, other: Namespace, member: Caller, operator: Caller
) -> None:
    assert [one["name"] for one in member.get("/stacks").json["items"]] == ["studio"]
    assert [one["name"] for one in operator.get("/stacks").json["items"]] == ["team_a/studio", "team_b/vault"]
    shown = member.get("/stacks/studio").json
    assert (shown["name"], shown["namespace"]) == ("studio", "team_a")
    assert "namespace" not in operator.get("/stacks").json["items"][0]
    assert operator.get("/stacks/team_b/vault").json["name"] == "team_b/vault"
    assert refusal(member.get("/stacks/team_b/vault")) == (404, "no-such-stack")
    opened = member.post("/windows", {"services": ["db"], "stack": "studio"}).json
    assert (opened["stack"], opened["actor"]) == ("studio", "team_a/ci")
    assert operator.get(f"/windows/{opened['id']}").json["stack"] == "team_a/studio"
    assert operator.get("/windows?stack=team_b/vault").json["items"][0]["id"] == other.window


def test_refusals_name_only_what_the_caller_sees(team: Namespace, other: Namespace, member: Caller) -> None:
    answer = member.post("/windows", {"services": ["forge"], "stack": "vault"})
    assert answer.json["detail"] == "there is no stack 'vault'; there is studio"
    assert answer.json["allowed"] == ["studio"]


def test_tokens_of_a_namespace(team: Namespace, other: Namespace, member: Caller, operator: Caller) -> None:
    made = operator.post("/tokens", {"name": "night", "namespace": "team_a"})
    assert (made.status_code, made.json["name"], made.json["scope"]) == (201, "team_a/night", "admin")
    assert refusal(operator.post("/tokens", {"name": "x", "namespace": "team_c"})) == (
        422,
        "unknown-namespace",
    )
    assert refusal(operator.post("/tokens", {"name": "ci", "namespace": "team_a"})) == (409, "token-exists")
    assert refusal(member.post("/tokens", {"name": "x", "namespace": "team_a"})) == (403, "out-of-scope")
    assert [one["name"] for one in member.get("/tokens").json["items"]] == ["ci", "door", "night"]
    assert operator.call("DELETE", "/tokens/team_b/ci").status_code == 200
    assert refusal(operator.call("DELETE", "/tokens/admin")) == (409, "last-token")
    assert member.call("DELETE", "/tokens/ci").json["name"] == "ci"
    assert member.get("/stacks").status_code == 401


def test_a_token_for_a_waiting_page_belongs_to_its_stack(
    app: Flask, team: Namespace, member: Caller, operator: Caller
) -> None:
    body = {"name": "proxy", "wake": {"stack": "team_a/studio", "service": "db"}}
    made = operator.post("/tokens", body).json
    assert made["name"] == "team_a/proxy"
    state = Caller.of(app, made["token"]).get("/wake/studio/db/state")
    assert (state.status_code, state.json["stack"], state.json["state"]) == (200, "studio", "asleep")


def test_the_trail_and_its_chains(
    team: Namespace, other: Namespace, member: Caller, operator: Caller
) -> None:
    member.post("/tokens", {"name": "proxy", "wake": {"stack": "studio", "service": "db"}})
    assert [one["chain"] for one in member.get("/audit/verify").json["chains"]] == ["house", "studio"]
    assert {one["stack"] for one in member.get("/audit").json["items"]} == {"studio", None}
    chains = [one["chain"] for one in operator.get("/audit/verify").json["chains"]]
    assert chains == ["house", "team_a/house", "team_a/studio", "team_b/vault"]


def test_events_of_another_namespace_are_not_sent(team: Namespace, other: Namespace, member: Caller) -> None:
    stream = member.open(
        "GET", "/api/v1/events", headers={"Authorization": f"Bearer {member.token}", "Last-Event-ID": "x:0"}
    )
    chunks = islice(stream.iter_encoded(), 2)
    first = next(chunks).decode()
    assert "team_b" not in first
    other.system.close(other.window, actor="team_b/ci")
    team.system.close(team.window, actor="team_a/ci")
    text = next(chunks).decode()
    stream.close()
    data = [
        json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")
    ]
    assert {one["stack"] for one in data} <= {"studio", None}
    assert "team_b" not in text


def test_metrics_are_those_of_the_callers_stacks(
    team: Namespace, other: Namespace, member: Caller, operator: Caller
) -> None:
    assert member.open("GET", "/metrics").status_code == 401
    mine, every = member.get("/metrics").text, operator.get("/metrics").text
    assert 'power_stack_away{node="local",stack="studio"}' in mine
    assert "vault" not in mine
    assert "power_requests_total" not in mine
    assert 'stack="team_b/vault"' in every


def test_off_it_adds_no_rule_and_asks_nothing(database: Database, settings: Settings, token: str) -> None:
    app = create_app(settings, database, Remembering())
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    assert {route.path for route in routes_of(Features())} == rules
    assert not any("qualified:" in rule for rule in rules)
    assert qualified_names.path_of(qualified_names.rule_of("/stacks/<name>")) == "/stacks/<name>"
    caller = Caller.of(app, token)
    assert caller.open("GET", "/metrics").status_code == 200
    assert refusal(caller.post("/tokens", {"name": "x", "namespace": "team_a"})) == (409, "namespaces-off")


def test_the_console_shows_names_as_the_caller_writes_them(
    app: Flask, team: Namespace, other: Namespace
) -> None:
    browser = Browser.signed_in(app, team.token)
    for path in ("/", f"/windows/{team.window}", "/timeline", "/history", "/trail", "/savings", "/runs"):
        page = browser.get(path).text
        assert "studio" in page, path
        assert "team_a/studio" not in page, path
        assert "team_b" not in page, path
    for address in ("stack=team_a/studio&service=db", "service=team_a/studio/db", "services=studio/db"):
        assert _ticked(browser, address) == ["studio/db"], address
    identifier = browser.opened("db", stack="studio")
    assert team.system.window(identifier).stack == "team_a/studio"


def _ticked(browser: Browser, address: str) -> list[str]:
    """The services that this address has ticked in the form, as the form sends them."""
    return re.findall(r'value="([^"]+)"\s+checked', browser.get(f"/open?{address}").text)


def test_an_operator_opens_a_service_of_a_namespace(
    app: Flask, team: Namespace, other: Namespace, token: str
) -> None:
    browser = Browser.signed_in(app, token)
    for address in ("stack=team_a/studio&service=db", "service=team_a/studio/db"):
        assert _ticked(browser, address) == ["team_a/studio/db"], address
    for stack in ("team_a/studio", ""):
        answer = browser.post("/open", step="open", service="team_a/studio/db", stack=stack, ttl="10m")
        assert team.system.window(answer.location.rpartition("/")[2]).stack == "team_a/studio"


def test_a_token_made_in_the_console_belongs_to_the_callers_namespace(
    app: Flask, team: Namespace, other: Namespace, operator: Caller
) -> None:
    browser = Browser.signed_in(app, team.token)
    assert browser.post("/tokens", name="mine", scope="admin", proof=team.token).status_code == 200
    assert "team_a/mine" in [one["name"] for one in operator.get("/tokens").json["items"]]
    assert browser.post("/tokens/revoke", name="team_b/ci").status_code == 404
    assert browser.post("/tokens/revoke", name="team_a/mine").status_code == 303
