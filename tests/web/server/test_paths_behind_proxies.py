"""Console and API under a path behind real proxies: with TLS, with the prefix removed and with it kept."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import httpx
import pytest

from app.standalone.broker import free_port
from app.web import server
from tests.engine.stacks import until
from tests.wake import proxies
from tests.web.server.test_server import Served, served

pytestmark = pytest.mark.integration

__all__ = ["served"]

HEADERS = """
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_buffering off;
"""
NGINX_REMOVES = """server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {home}/cert.pem; ssl_certificate_key {home}/key.pem;
    location /power/ {{ proxy_pass http://127.0.0.1:{front}/; {headers}
        proxy_set_header X-Forwarded-Prefix /power; }}
}}
"""
NGINX_KEEPS = """server {{
    listen 127.0.0.1:{port};
    location /power/ {{ proxy_pass http://127.0.0.1:{front}; {headers} }}
}}
"""
CADDY_REMOVES = """{{
	admin off
}}
http://127.0.0.1:{port} {{
	redir /power /power/
	handle_path /power/* {{
		reverse_proxy 127.0.0.1:{front} {{
			header_up X-Forwarded-Prefix /power
		}}
	}}
}}
"""
KINDS = {
    "nginx with TLS removes the prefix": (proxies.nginx_site, NGINX_REMOVES, "https", {}),
    "nginx keeps the prefix, a setting names it": (
        proxies.nginx_site,
        NGINX_KEEPS,
        "http",
        {"POWER_PUBLIC_URL": "http://127.0.0.1/power"},
    ),
    "caddy removes the prefix": (proxies.caddy_site, CADDY_REMOVES, "http", {}),
}


@contextmanager
def front_of(served: Served, home: Path, variables: dict[str, str]) -> Iterator[int]:
    """The port of another web process on the same database, which trusts this machine's proxies."""
    port = free_port()
    environ = os.environ | {
        "POWER_DATA_DIR": str(home),
        "POWER_DATABASE_URL": served.system.database.url.render_as_string(hide_password=False),
        "POWER_BROKER_URL": "memory://",
        "POWER_TRUSTED_PROXIES": "127.0.0.1",
        **variables,
    }
    process = subprocess.Popen(server.command("127.0.0.1", port), env=environ)
    try:
        until(lambda: answers(port), "it answers", 60)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def make_certificate(home: Path) -> None:
    """A certificate of this machine's own, in `cert.pem` and `key.pem`."""
    files = ["-keyout", str(home / "key.pem"), "-out", str(home / "cert.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", *files]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(params=KINDS)
def visitor(request: pytest.FixtureRequest, served: Served, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client before the proxy, at the address that people use."""
    serve, text, scheme, variables = KINDS[request.param]
    make_certificate(tmp_path)
    port = free_port()
    with front_of(served, tmp_path, dict(variables)) as front:
        site = text.format(port=port, front=front, home=tmp_path, headers=HEADERS)
        base = f"{scheme}://127.0.0.1:{port}"
        with (
            serve(tmp_path, port, site),
            httpx.Client(base_url=base, verify=False, trust_env=False, timeout=30) as client,
        ):
            yield client


def value_of(name: str, page: str) -> str:
    match = re.search(f'name="{name}" value="([^"]*)"', page)
    assert match, page
    return unescape(match[1])


def test_people_sign_in_open_and_watch_under_the_path(visitor: httpx.Client, served: Served) -> None:
    to_sign_in = visitor.get("/power/open?services=forge&ttl=10m")
    assert to_sign_in.headers["location"] == "/power/sign-in?next=%2Fopen%3Fservices%3Dforge%26ttl%3D10m"
    page = visitor.get(to_sign_in.headers["location"]).text
    form = {"nonce": value_of("nonce", page), "next": value_of("next", page), "token": served.token}
    signed_in = visitor.post("/power/sign-in", data=form)
    assert signed_in.headers["location"] == "/power/open?services=forge&ttl=10m"
    is_secure = visitor.base_url.scheme == "https"
    assert all("Path=/power" in one for one in signed_in.headers.get_list("set-cookie"))
    assert all(("Secure" in one) == is_secure for one in signed_in.headers.get_list("set-cookie"))

    page = visitor.get(signed_in.headers["location"]).text
    assert re.search(r'value="studio/forge"\s+checked', page)
    for asset in re.findall(r'(?:href|src)="([^"]*/assets/[^"]*)"', page):
        assert visitor.get(asset).status_code == 200, asset
    form = {"csrf": value_of("csrf", page), "step": "open", "service": "studio/forge", "ttl": "10m"}
    opened = visitor.post("/power/open", data=form)
    assert opened.headers["location"].startswith("/power/windows/")
    page = visitor.get(opened.headers["location"]).text
    for part in re.findall(r'hx-get="([^"]*)"', page):
        assert visitor.get(part).status_code == 200, part
    stream = re.search(r'data-live="([^"]*)"', page)
    assert stream
    with visitor.stream("GET", stream[1]) as answer:
        assert next(answer.iter_text()).startswith("retry:")


def test_programs_follow_addresses_of_the_api(visitor: httpx.Client, served: Served) -> None:
    headers = {"Authorization": f"Bearer {served.token}"}
    opened = visitor.post("/power/api/v1/windows", json={"services": ["forge"]}, headers=headers)
    assert opened.headers["location"].startswith("/power/api/v1/windows/")
    assert visitor.get(opened.headers["location"], headers=headers).json()["id"] == opened.json()["id"]
    assert visitor.get("/power/openapi.json").json()["servers"] == [{"url": "/power"}]
    nothing = visitor.get("/power/nothing", headers={"Accept": "text/html"})
    assert (nothing.status_code, nothing.headers["content-type"]) == (404, "text/html; charset=utf-8")
