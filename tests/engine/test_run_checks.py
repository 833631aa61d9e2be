"""Every kind of check on real containers, passing and failing, with what the report says of it."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.engine.runs import conduct, details, steps
from tests.engine.stacks import Stack, docker, python, running

TALKS = "print('ready for work', flush=True); open('/tmp/done', 'w').write('all is well'); signal.pause()"


def certificate(key: Path, pem: Path) -> None:
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(pem)]
    subprocess.run([*words.split(), *names], check=True, capture_output=True)


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
            return
        body = b'{"state": "ok", "items": [{"name": "forge"}]}'
        self.send_response(200 if self.path == "/" else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Answer) as http_server:
        threading.Thread(target=http_server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http_server.server_port}"
        http_server.shutdown()


def test_checks_of_containers_pass_and_fail(stack: Stack) -> None:
    stack.write({"forge": python(TALKS)}).begin()
    shell = ["python3", "-I", "-S", "-c"]
    run = conduct(
        stack,
        "forge",
        steps={
            "exec": {"exec": {"service": "forge", "argv": [*shell, "print('hi')"], "pattern": "^hi$"}},
            "exec-code": {"exec": {"service": "forge", "argv": [*shell, "1/0"], "exit_code": 1}},
            "exec-fails": {"exec": {"service": "forge", "argv": [*shell, "raise SystemExit('broken')"]}},
            "exec-missing": {"exec": {"service": "forge", "argv": ["no-such-program"]}},
            "exec-hangs": {
                "exec": {"service": "forge", "argv": [*shell, "import time; time.sleep(60)"]},
                "timeout": 1,
            },
            "log": {"log": {"service": "forge", "pattern": "ready for \\w+"}, "retries": 10, "every": 0.3},
            "log-absent": {"log": {"service": "forge", "pattern": "Traceback", "seen": False}},
            "log-unseen": {"log": {"service": "forge", "pattern": "Traceback"}},
            "log-unwanted": {
                "log": {"service": "forge", "pattern": "^ready", "seen": False},
                "depends_on": ["log"],
            },
            "file": {"file": {"service": "forge", "path": "/tmp/done", "pattern": "all is"}, "retries": 5},
            "file-absent": {"file": {"service": "forge", "path": "/tmp/gone", "exists": False}},
            "file-missing": {"file": {"service": "forge", "path": "/tmp/gone"}},
            "file-other": {
                "file": {"service": "forge", "path": "/tmp/done", "pattern": "all was"},
                "depends_on": ["file"],
            },
            "restarts": {"metric": {"service": "forge", "metric": "restarts", "at_most": 0}, "retries": 5},
            "start": {"metric": {"service": "forge", "metric": "start_sec", "at_most": 30}},
            "memory": {"metric": {"service": "forge", "metric": "memory_mib", "at_most": 500}, "retries": 5},
            "small": {"metric": {"service": "forge", "metric": "memory_mib", "at_most": 0.01}, "retries": 1},
        },
    )

    statuses, texts = steps(run), details(run)
    failed = {"exec-fails", "exec-missing", "exec-hangs", "log-unseen", "log-unwanted", "file-missing"}
    failed |= {"file-other", "small"}
    assert {name for name, status in statuses.items() if status != "passed"} == failed, texts
    assert texts["exec-fails"] == "exit 1, expected 0: broken"
    assert texts["exec-hangs"] == "has not ended in 1 s"
    assert texts["log-unwanted"] == "a line has 'ready'"
    assert texts["file-missing"] == "/tmp/gone is not there"
    assert (run.state, run.outcome) == ("finished", "failed")
    assert stack.alive() == set()


def test_checks_over_the_network_pass_and_fail(stack: Stack, server: str) -> None:
    port = int(server.rpartition(":")[2])
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        run = conduct(
            stack.write({"forge": running()}).begin(),
            "forge",
            steps={
                "answers": {
                    "http": {
                        "url": f"{server}/",
                        "expect_headers": {"Content-Type": "application/json"},
                        "json": {"items.0.name": "forge", "state": "ok"},
                        "pattern": '"state": "ok"',
                    }
                },
                "busy": {"http": {"url": f"{server}/busy", "status": 503}},
                "status": {"http": {"url": f"{server}/busy"}},
                "header": {"http": {"url": f"{server}/", "expect_headers": {"Server": "other"}}},
                "json": {"http": {"url": f"{server}/", "json": {"items.0.name": "mill"}}},
                "body": {"http": {"url": f"{server}/", "pattern": "nothing like it"}},
                "redirect": {"http": {"url": f"{server}/elsewhere", "status": 302}},
                "slow-pattern": {"http": {"url": f"{server}/", "pattern": "(([a-z\\W]+)+)+never$"}},
                "listens": {"tcp": {"port": port}},
                "refused": {"tcp": {"port": closed.getsockname()[1]}, "retries": 1, "every": 0.1},
            },
        )
    statuses, texts = steps(run), details(run)
    passed = {"answers", "busy", "redirect", "listens"}
    assert {name for name, status in statuses.items() if status == "passed"} == passed, texts
    assert texts["status"].startswith("status 503, expected 200")
    assert texts["json"] == "the JSON has 'forge' at items.0.name, expected 'mill'"
    assert texts["slow-pattern"].endswith("took over 3 s")
    assert texts["refused"].endswith("Connection refused")
    assert {one["name"]: one["tries"] for one in run.steps}["refused"] == 2


def test_a_certificate_is_verified_by_what_the_scenario_says(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("tls")
    certificate(place / "key", place / "pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place / "pem", place / "key")
    with HTTPServer(("127.0.0.1", 0), _Answer) as https_server:
        https_server.socket = context.wrap_socket(https_server.socket, server_side=True)
        threading.Thread(target=https_server.serve_forever, daemon=True).start()
        url = f"https://127.0.0.1:{https_server.server_port}/"
        run = conduct(
            stack.write({"forge": running()}).begin(),
            "forge",
            steps={
                "by-ca": {"http": {"url": url, "ca": (place / "pem").read_text()}},
                "off": {"http": {"url": url, "verify": False}},
                "by-system": {"http": {"url": url}},
            },
        )
        https_server.shutdown()
    assert steps(run) == {"by-ca": "passed", "off": "passed", "by-system": "failed"}
    assert "certificate verify failed" in details(run)["by-system"]


def test_what_depends_on_a_failed_step_is_skipped(stack: Stack) -> None:
    run = conduct(
        stack.write({"forge": running()}).begin(),
        "forge",
        steps={
            "first": {"log": {"service": "forge", "pattern": "never"}},
            "second": {"tcp": {"port": 1}, "depends_on": ["first"]},
        },
    )
    assert steps(run) == {"first": "failed", "second": "skipped"}
    assert run.report
    assert run.report["failed_first"]["what"] == "step first"


def test_no_secret_of_the_stack_is_in_a_report(stack: Stack) -> None:
    secret = "correct-horse-battery"
    service = python("print(os.environ['API_TOKEN'], flush=True); signal.pause()")
    stack.write({"forge": {**service, "environment": {"API_TOKEN": secret}}}).begin()
    run = conduct(
        stack,
        "forge",
        steps={"one": {"log": {"service": "forge", "pattern": "correct.*"}, "retries": 5, "every": 0.2}},
    )
    assert steps(run) == {"one": "passed"}
    assert secret not in str(run.report) + str(run.steps)
    assert docker("ps", "-q", "--filter", f"label=com.docker.compose.project={stack.project}") == ""
