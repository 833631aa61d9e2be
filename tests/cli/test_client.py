"""Everything that can be wrong between here and the service, and how it is said."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from app.cli import main
from power_windows import rest as client
from power_windows.discovery import Target
from power_windows.errors import Refused
from power_windows.rest import Api
from tests.cli.conftest import Power
from tests.cli.service import Service


def test_an_unreachable_server_is_three(power: Power) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        unreachable = f"http://127.0.0.1:{bound.getsockname()[1]}"

        result = power("ps", POWER_URL=unreachable)

    assert result.exit_code == 3
    assert f"{unreachable} cannot be reached" in result.stderr


def test_no_standalone_is_three(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "POWER_URL": None, "POWER_TOKEN": None, "POWER_DATA_DIR": None}
    result = CliRunner(env={**environ, "XDG_STATE_HOME": None}).invoke(main, ["ps"])

    assert result.exit_code == 3
    assert "power standalone" in result.stderr


def test_a_data_directory_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_text("")
    environ = {"HOME": str(tmp_path), "POWER_URL": None, "POWER_DATA_DIR": str(file), "XDG_STATE_HOME": None}

    for words in (["ps"], ["backup", "x"], ["standalone"], ["standalone", "--data-dir", str(file)]):
        result = CliRunner(env=environ).invoke(main, words)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert f"{file} is a file; " in result.stderr


@pytest.mark.parametrize("url", ["127.0.0.1:8420", "ftp://host", "http://[", "http://ho st/"])
def test_an_address_that_is_none_is_wrong_usage(power: Power, url: str) -> None:
    result = power("ps", POWER_URL=url)

    assert (result.exit_code, "POWER_URL" in result.stderr) == (2, True)


@pytest.mark.parametrize("scheme", ["htps", "http"])
def test_no_message_shows_a_password_of_the_address(power: Power, scheme: str) -> None:
    result = power("ps", POWER_URL=f"{scheme}://ada:s3cret@127.0.0.1:9/")

    assert result.exit_code in {2, 3}
    assert ("s3cret" in result.stderr, "***@127.0.0.1:9" in result.stderr) == (False, True)


def test_a_wrong_token_is_four_and_says_what_to_set(service: Service, power: Power) -> None:
    result = power("ps", POWER_TOKEN="wrong")

    assert result.exit_code == 4
    assert "POWER_TOKEN" in result.stderr


def test_a_token_that_was_not_copied_whole_is_wrong_usage(service: Service, power: Power) -> None:
    assert power("ps", POWER_TOKEN="a…b").exit_code == 2


def test_an_address_may_carry_the_base_path(service: Service, power: Power) -> None:
    assert power("stacks", POWER_URL=f"{service.url}/api/v1/").exit_code == 0


def test_a_proxy_for_the_world_does_not_stand_before_this_machine(service: Service, power: Power) -> None:
    assert power("stacks", HTTP_PROXY="http://127.0.0.1:9", ALL_PROXY="http://127.0.0.1:9").exit_code == 0


class _OtherServer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<h1>It works!</h1>")

    def do_POST(self) -> None:
        """Hang up without an answer."""
        self.server.asked += 1  # type: ignore[attr-defined]
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def other_server() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), _OtherServer)
    server.asked = 0  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_another_service_on_that_port_is_recognised(power: Power, other_server: HTTPServer) -> None:
    result = power("ps", POWER_URL=f"http://127.0.0.1:{other_server.server_port}")

    assert result.exit_code == 3
    assert "is POWER_URL right?" in result.stderr


def test_an_opening_whose_answer_is_lost_is_asked_for_again(
    power: Power, other_server: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "RETRY_PAUSES", (0.0, 0.0))

    result = power("open", "switch", POWER_URL=f"http://127.0.0.1:{other_server.server_port}")

    assert result.exit_code == 3
    assert other_server.asked == 3  # type: ignore[attr-defined]


def test_it_is_asked_for_again_under_the_same_key(
    service: Service, power: Power, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "RETRY_PAUSES", (0.0, 0.0))
    lost = iter([True, False])
    request = httpx.Client.request

    def lose_the_first(self: httpx.Client, method: str, url: str, **options: Any) -> httpx.Response:
        reply = request(self, method, url, **options)
        if method == "POST" and next(lost):
            raise httpx.ReadError("lost")
        return reply

    monkeypatch.setattr(httpx.Client, "request", lose_the_first)

    assert power("open", "switch", "--no-wait").exit_code == 0
    keys = [one.headers["Idempotency-Key"] for one in service.requests("POST", "/windows")]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_a_client_says_who_it_is_on_every_request(service: Service) -> None:
    with Api(Target(service.url, None)) as api, pytest.raises(Refused):
        api.stacks()
    assert "Authorization" not in service.asked[0].headers
