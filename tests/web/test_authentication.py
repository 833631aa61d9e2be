"""Authentication, and the count of requests without a valid token."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import delete, update

from app.store import tokens
from app.store.tables import Token
from app.web import route_table
from app.web.routes import ApiRoute
from tests.system import System
from tests.web.caller import Caller

OPEN_TO_ALL = {"/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"}


@pytest.mark.parametrize("route", route_table.ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_takes_the_token(app: Flask, route: ApiRoute) -> None:
    path = route.path.replace("<window>", "x").replace("<name>", "x").replace("<stack>/<service>", "x/y")
    unknown_caller = Caller.of(app, "pw_unknown")
    answer = unknown_caller.call(route.method, path)
    if path in OPEN_TO_ALL:
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.json["type"]) == (401, "/problems/bad-token")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_the_token_may_come_in_the_old_header(api: Caller, token: str) -> None:
    for headers in ({"X-VX11-Token": token}, {"X-VX11-Token": token, "Authorization": "Basic YTpi"}):
        assert api.open("GET", "/api/v1/windows", headers=headers).status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer caf\xe9", "Bearer a b"])
def test_any_other_credential_is_unauthenticated(api: Caller, header: str) -> None:
    assert api.open("GET", "/api/v1/windows", headers={"Authorization": header}).status_code == 401


def test_requests_without_a_valid_token_are_counted_and_not_recorded(
    app: Flask, api: Caller, system: System
) -> None:
    before = api.get("/audit").json
    unknown_caller = Caller.of(app, "pw_unknown")
    for _ in range(3):
        unknown_caller.get("/windows")
    assert "power_unknown_tokens_total 3.0" in api.get("/metrics").text
    assert api.get("/audit").json == before


@pytest.mark.parametrize("change", ["revoked", "replaced", "renamed away"])
def test_a_token_that_ends_is_refused_at_once(api: Caller, system: System, change: str) -> None:
    for _ in range(3):
        assert api.get("/windows").status_code == 200
    with system.database.write() as session:
        if change == "revoked":
            session.execute(update(Token).values(revoked_at=system.now))
        elif change == "replaced":
            tokens.create(session, "ada", system.now)
        else:
            session.execute(delete(Token))
    assert api.get("/windows").status_code == 401
