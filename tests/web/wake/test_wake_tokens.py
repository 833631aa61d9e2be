"""Tokens that open by a link: what each is good for, and how it is made and revoked."""

from __future__ import annotations

import pytest
from flask import Flask

from app.web import route_table
from tests.system import System
from tests.web.caller import Caller
from tests.web.wake.wake_caller import FORGE, kind, windows


def test_a_bound_token_is_good_for_nothing_else(app: Flask, door: Caller) -> None:
    """Every other route there is, and every other service's waiting page."""
    for route in route_table.ROUTES:
        if not route.tokened or route.path.startswith("/wake"):
            continue
        path = route.path.replace("<window>", "x").replace("<name>", "x")
        assert kind(door.call(route.method, path)) == (403, "out-of-scope"), path
    # Nor does it sign a user in to the console.
    assert (
        door.client.application.extensions["power-windows"].authenticator.full_access_caller(door.token)
        is None
    )
    for path in ("/wake/studio/mill", "/wake/other/forge", "/wake/studio/mill/waiting"):
        assert kind(door.get(path)) == (403, "out-of-scope")


def test_no_other_token_opens_by_a_link(api: Caller, system: System) -> None:
    for path in (FORGE, f"{FORGE}/waiting"):
        assert kind(api.get(path)) == (403, "out-of-scope")
    assert windows(system) == []


def test_a_revoked_token_wakes_nothing(app: Flask, door: Caller, api: Caller, system: System) -> None:
    assert api.call("DELETE", "/tokens/door").status_code == 200
    assert door.get(FORGE).status_code == 401
    assert windows(system) == []


def test_a_token_is_made_listed_and_revoked(app: Flask, api: Caller, system: System) -> None:
    body = {"name": "wiki", "wake": {"stack": "studio", "service": "forge"}, "ttl_sec": 120}
    made = api.post("/tokens", body)
    assert (made.status_code, made.headers["Cache-Control"]) == (201, "no-store")
    text = made.json["token"]
    listed = api.get("/tokens")
    assert text not in listed.text
    assert {one["name"]: one["scope"] for one in listed.json["items"]} == {"ada": "admin", "wiki": "wake"}

    assert Caller.of(app, text).get(FORGE).status_code == 503
    assert windows(system)[0].ttl_sec == 120
    assert kind(api.post("/tokens", body)) == (409, "token-exists")
    assert api.call("DELETE", "/tokens/wiki").json["revoked_at"]
    assert kind(api.call("DELETE", "/tokens/wiki")) == (404, "unknown-token")
    assert kind(api.call("DELETE", "/tokens/ada")) == (409, "last-token")
    # A name may be taken again: that is how a text that got about is changed for another.
    again = api.post("/tokens", body).json["token"]
    assert again != text
    events = [one["event"] for one in api.get("/audit").json["items"] if one["event"].startswith("token")]
    assert events == ["token.created", "token.created", "token.revoked", "token.created"]


@pytest.mark.parametrize(
    ("wake", "status"),
    [
        ({"stack": "studio", "service": "redis"}, 403),
        ({"stack": "studio", "service": "nothing"}, 422),
        ({"stack": "nowhere", "service": "forge"}, 422),
        ({"stack": "studio"}, 422),
    ],
)
def test_a_token_is_made_only_for_what_may_be_powered(api: Caller, wake: dict[str, str], status: int) -> None:
    assert api.post("/tokens", {"name": "wiki", "wake": wake}).status_code == status
