"""The console under a path, its bookmarks, and its pages where nothing is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask

from app.domain.enums import Role
from app.domain.planning import ServiceSpec, StackSpec
from app.domain.stack_id import StackId
from app.settings import Settings, VariableError, load, trusted_proxies
from app.store.database import Database
from app.usecases.nodes import published_stacks
from app.web.console import create_app
from tests.system import System
from tests.web.caller import Remembering
from tests.web.console.conftest import Browser

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
ADDRESS = re.compile(r'\s(?:href|src|action|formaction|hx-get|hx-post|data-live)="([^"]*)"')
PROXY = {"X-Forwarded-Prefix": "/power", "X-Forwarded-Proto": "https"}
PAGES = ("/", "/open", "/timeline", "/runs", "/savings", "/trail", "/windows/{}", "/windows/{}/force")


@pytest.fixture(params=["the setting", "a header", "both"])
def prefixed(
    request: pytest.FixtureRequest, database: Database, system: System, tmp_path: Path
) -> Iterator[Flask]:
    """The console under `/power`, named by the setting, by a trusted proxy, or by both."""
    url = database.url.render_as_string(hide_password=False)
    settings = Settings(tmp_path, url, "memory://", "local", tmp_path / "power.toml")
    if request.param != "a header":
        settings = replace(settings, public_url="https://example.org/power")
    if request.param != "the setting":
        settings = replace(settings, trusted_proxies=trusted_proxies.parse("127.0.0.1"))
    app = create_app(settings, database, Remembering())
    app.config["SENDS_PREFIX"] = request.param != "the setting"
    yield app
    app.extensions["power-windows"].event_feed.stop()


def browser(app: Flask, token: str) -> Browser:
    signed_in = Browser(app.test_client())
    for name, value in PROXY.items() if app.config["SENDS_PREFIX"] else ():
        signed_in.client.environ_base[f"HTTP_{name.upper().replace('-', '_')}"] = value
    nonce = re.search('name="nonce" value="([^"]*)"', signed_in.get("/power/sign-in").text)
    assert nonce
    form = {"nonce": nonce[1], "token": token}
    answer = signed_in.client.post("/power/sign-in", data=form, base_url="http://localhost/")
    assert (answer.status_code, answer.location) == (303, "/power/")
    csrf = re.search('name="csrf" value="([^"]*)"', signed_in.get("/power/").text)
    assert csrf
    signed_in.csrf = csrf[1]
    return signed_in


def test_every_address_of_every_page_begins_with_the_prefix(prefixed: Flask, token: str) -> None:
    ada = browser(prefixed, token)
    answer = ada.post("/power/open", step="open", service="studio/forge", ttl="10m")
    assert answer.location.startswith("/power/windows/"), answer.text
    window = answer.location.rpartition("/")[2]
    for path in PAGES:
        page = ada.get(f"/power{path.format(window)}").text
        addresses = [one for one in ADDRESS.findall(page) if one.startswith("/")]
        assert addresses, path
        wrong = [one for one in addresses if not one.startswith("/power/") or one.startswith("/power/power")]
        assert not wrong, path
    for path in {one for one in addresses if "/assets/" in one}:
        assert ada.get(path).status_code == 200


def test_cookies_are_of_the_prefix_and_redirects_lead_below_it(prefixed: Flask, token: str) -> None:
    ada = browser(prefixed, token)
    cookies = ada.get("/power/sign-in").headers.getlist("Set-Cookie")
    assert all("; Path=/power;" in f"{one};" for one in cookies)
    secure = prefixed.config["SENDS_PREFIX"]
    assert all(one.startswith("__Secure-") == secure for one in cookies)
    assert ada.post("/power/sign-out").location == "/power/sign-in"
    bookmark = "/power/open?services=forge&reason=a%20b"
    to_sign_in = ada.get(bookmark).location
    assert to_sign_in == "/power/sign-in?next=" + quote("/open?services=forge&reason=a%20b", safe="")


def test_the_api_is_below_the_prefix_and_without_it(prefixed: Flask, token: str) -> None:
    client = prefixed.test_client()
    headers = {"Authorization": f"Bearer {token}", **(PROXY if prefixed.config["SENDS_PREFIX"] else {})}
    for path in ("/api/v1/windows", "/power/api/v1/windows"):
        answer = client.post(path, headers=headers, json={"services": ["forge"]})
        assert answer.location.startswith("/power/api/v1/windows/")
        assert client.get(answer.location, headers=headers).status_code == 200
    assert client.get("/power/openapi.json", headers=headers).get_json()["servers"] == [{"url": "/power"}]


def test_a_proxy_that_is_not_named_sets_no_prefix(ada: Browser) -> None:
    page = ada.get("/", headers=PROXY).text
    assert "/power/" not in page
    assert ada.get("/openapi.json", headers=PROXY).get_json()["servers"] == [{"url": "/"}]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://example.org/a b", "between its slashes"),
        ("https://example.org/a/../b", "between its slashes"),
        ("https://example.org/power?x=1", "has a query"),
        ("https:///power", "names no host"),
        ("http://[power/", "is no address"),
    ],
)
def test_a_public_address_that_cannot_be_is_refused(url: str, says: str) -> None:
    with pytest.raises(VariableError, match=says):
        load({"POWER_PUBLIC_URL": url})
    assert load({"POWER_PUBLIC_URL": "https://example.org/tools/power/"}).public_prefix == "/tools/power"


def test_a_bookmark_fills_the_form_and_opens_nothing(ada: Browser, system: System) -> None:
    before = system.trail()
    answer = ada.get("/open?stack=studio&services=forge,mill&ttl=45m&reason=film+%26+night")
    page = unescape(answer.text)
    assert answer.status_code == 200
    assert re.findall(r'value="studio/(\w+)"\s+checked', page) == ["forge", "mill"]
    assert 'value="45m"' in page
    assert 'value="film & night"' in page
    assert system.trail() == before
    assert ada.get("/open?service=forge").text.count("checked") == 1


@pytest.mark.parametrize(
    ("query", "messages"),
    [
        ("ttl=soon&services=forge", {"ttl_sec": "'soon' is not a duration"}),
        ("ttl=9h", {"ttl_sec": "9h is longer than"}),
        ("services=redis,forge", {"services": "may not be powered"}),
        ("services=none", {"services": "has no service"}),
        ("stack=other&ttl=x", {"stack": "there is no stack 'other'", "ttl_sec": "not a duration"}),
        ("reason=" + "x" * 501, {"reason": "at most 500"}),
        ("stack=%00&services=%00&reason=%00&ttl=%00", {"stack": "NUL"}),
    ],
)
def test_bad_values_of_a_bookmark_have_a_message_beside_their_field(
    ada: Browser, system: System, query: str, messages: dict[str, str]
) -> None:
    before = system.trail()
    answer = ada.get(f"/open?{query}")
    assert answer.status_code == 422
    page = unescape(answer.text)
    for field, message in messages.items():
        place = page.partition(f'id="wrong-{field}"')[2].partition("</p>")[0]
        assert message in place
        assert 'aria-describedby="' in page
    assert system.trail() == before


def test_of_several_stacks_each_has_its_own_services(ada: Browser, system: System) -> None:
    spec = StackSpec(StackId("lab"), "lab", "local", {"gpu": ServiceSpec("gpu", Role.ALLOWED)})
    with system.database.write() as session:
        published_stacks.publish_stack(session, spec, system.now)
    page = ada.get("/open?stack=lab&services=gpu").text
    assert 'name="stack" value="lab" required checked' in page
    assert re.search(r'value="lab/gpu"\s+checked', page)
    wrong = ada.get("/open?services=gpu")
    assert wrong.status_code == 422
    assert "say which stack" in wrong.text


def test_an_address_that_takes_a_form_only_is_a_page_in_a_browser(app: Flask) -> None:
    page = app.test_client().get("/windows/0123456789abcdef/extend", headers=HTML)
    assert (page.status_code, page.content_type.split(";")[0]) == (405, "text/html")
    assert "Go back to the page that has the button" in page.text
    assert "POST" in page.headers["Allow"]

    plain = app.test_client().get("/windows/0123456789abcdef/extend")
    assert (plain.json or {})["type"] == "/problems/no-such-method"


@pytest.mark.parametrize("path", ["/nothing", "/windows/a/b/c"])
def test_nothing_is_a_page_for_a_browser_and_a_problem_for_a_program(ada: Browser, path: str) -> None:
    page = ada.get(path, headers=HTML)
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert "Nothing is here" in page.text
    assert 'aria-label="Main"' in page.text
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json, text/html;q=0.5"}):
        problem = ada.get(path, headers=headers)
        assert (problem.status_code, problem.mimetype) == (404, "application/problem+json")
    assert ada.get("/api/v1/nothing", headers=HTML).mimetype == "application/problem+json"


def test_a_visitor_who_is_not_signed_in_sees_the_page_without_navigation(app: Flask) -> None:
    page = app.test_client().get("/<b>", headers=HTML)
    assert page.status_code == 404
    assert "<b>" not in page.text
    assert 'aria-label="Main"' not in page.text
