# ruff: noqa: E501 - what programs write stays on one line
"""Services that fail, each for one reason, on real containers: what the diagnosis is tried on."""

from __future__ import annotations

import platform

from tests.engine import failing_surroundings
from tests.engine.failing_case import CASES, FailingCase, fails, healthcheck, plain, script, shell
from tests.engine.small_images import ensure_image
from tests.engine.stacks import exits, python, running

__all__ = ["CASES", "FailingCase", "failing_surroundings"]

SELF = {"x86_64": 0x3E, "aarch64": 0xB7}
_FOREIGN = {"x86_64": 0xB7, "aarch64": 0x3E}[platform.machine()]


_SERVER = (
    "import http.server\n"
    "class H(http.server.BaseHTTPRequestHandler):\n"
    " def do_GET(self):\n"
    "  self.send_response(200 if self.path == '/' else 404); self.end_headers()\n"
    " def log_message(self, *a): pass\n"
    "http.server.HTTPServer(('0.0.0.0', {port}), H).serve_forever()"
)


def served(port: int = 8080, *, after: float = 0.0) -> str:
    return (f"time.sleep({after})\n" if after else "") + _SERVER.format(port=port)


def _ask(url: str) -> list[str]:
    return ["CMD", "python3", "-c", f"import urllib.request as u; u.urlopen('{url}', timeout=1)"]


def _elf(machine: int) -> bytes:
    """The head of a static program for this machine; it has nothing to run."""
    return b"\x7fELF\x02\x01\x01" + bytes(9) + bytes([2, 0, machine & 255, machine >> 8]) + bytes(108)


plain("python_module", "missing-module", lambda: python("import switch"), "switch")
plain("python_path", "missing-path", lambda: python("open('/etc/app/settings.yml')"), "/etc/app/settings.yml")
plain("shell_path", "missing-path", lambda: shell("cat /srv/list.txt || exit 1"), "/srv/list.txt")
plain(
    "python_script_path",
    "missing-path",
    lambda: running(entrypoint=["python3", "/app/main.py"]),
    "/app/main.py",
)
plain(
    "node_module",
    "missing-module",
    lambda: fails(
        "node:internal/modules/cjs/loader:1078\n  throw err;\n  ^\n\nError: Cannot find module 'express'\n"
        "Require stack:\n- /app/server.js\n    at Module._load (node:internal:1:1) {\n  code: 'MODULE_NOT_FOUND',\n"
        "  requireStack: [ '/app/server.js' ]\n}\n\nNode.js v18.19.0"
    ),
    "express",
)
plain(
    "memory_killed",
    "out-of-memory",
    lambda: python("x = bytearray(200_000_000); time.sleep(9)", mem_limit="24m", memswap_limit="24m"),
)
plain(
    "memory_python",
    "out-of-memory",
    lambda: python(
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (90_000_000, 90_000_000)); bytearray(500_000_000)"
    ),
)
plain("entrypoint_gone", "missing-entrypoint", lambda: running(entrypoint=["/srv/start.sh"]), "/srv/start.sh")
plain("command_gone", "missing-entrypoint", lambda: running(entrypoint=["gunicorn", "app"]), "gunicorn")
plain("shell_command_gone", "missing-entrypoint", lambda: shell("exec gunicorn app"), "gunicorn")
plain("interpreter_gone", "missing-entrypoint", lambda: script("#!/usr/bin/ruby\n"), "/usr/bin/ruby")
plain("not_executable", "not-executable", lambda: script("#!/bin/sh\n", mode=0o644), "/entry.sh")
plain(
    "shell_not_executable",
    "not-executable",
    lambda: script("#!/bin/sh\n", mode=0o644, run=["/bin/sh", "-c", "exec /entry.sh"]),
    "/entry.sh",
)
plain("crlf_entrypoint", "crlf", lambda: script("#!/bin/sh\r\necho hello\r\n"), "/entry.sh")
plain(
    "crlf_by_shell", "crlf", lambda: script("set -e\r\ncd /tmp\r\nsleep 1\r\n", run=["/bin/sh", "/entry.sh"])
)
plain(
    "crlf_by_bash",
    "crlf",
    lambda: script("\r\nfor i in 1 2; do\r\nsleep 1\r\ndone\r\n", run=["/bin/bash", "/entry.sh"]),
)
plain("no_interpreter_line", "not-executable", lambda: script("echo hello\n"))
plain(
    "permission_python",
    "permission",
    lambda: python("open('/usr/bin/new', 'w')", user="1000:1000"),
    "/usr/bin/new",
)
plain("permission_shell", "permission", lambda: shell("echo x > /etc/new", user="1000:1000"), "/etc/new")
plain("read_only_root", "read-only-path", lambda: python("open('/var-log', 'w')", read_only=True), "/var-log")
plain("read_only_shell", "read-only-path", lambda: shell("mkdir /data", read_only=True), "/data")
plain("variable_python", "missing-variable", lambda: python("os.environ['API_URL']"), "API_URL")
plain("variable_shell", "missing-variable", lambda: shell("set -u; echo $API_URL"), "API_URL")
plain("variable_asked", "missing-variable", lambda: shell(": ${API_TOKEN:?must be set}"), "API_TOKEN")
plain(
    "value_number",
    "bad-configuration",
    lambda: python("int(os.environ['PORT'])", environment={"PORT": "eighty"}),
)
plain("value_json", "bad-configuration", lambda: python("import json; json.loads('{')"))
plain("secret_in_program", "missing-file", lambda: python("open('/run/secrets/token')"), "/run/secrets/token")
plain(
    "disk_full",
    "disk-full",
    lambda: python("open('/data/x', 'wb').write(bytes(3_000_000))", tmpfs=["/data:size=1m"]),
)
plain(
    "name",
    "name-not-resolved",
    lambda: python("import socket; socket.create_connection(('databse', 5432), 3)"),
)
plain(
    "certificate_expired",
    "certificate",
    lambda: fails(
        "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:992)"
    ),
    "expired",
)
plain("image_gone", "image-missing", lambda: running(image="power-windows/no-such-image:local"))
plain("exits_0", "exits-0", lambda: exits(0, saying="all done"), patch="power.toml")
plain("exits_0_shell", "exits-0", lambda: shell("echo done"))
plain(
    "gpu",
    "gpu-unavailable",
    lambda: running(
        deploy={"resources": {"reservations": {"devices": [{"driver": "nvidia", "capabilities": ["gpu"]}]}}}
    ),
)
plain("gpu_runtime", "gpu-unavailable", lambda: running(runtime="nvidia"))
plain(
    "migration",
    "migration-failed",
    lambda: python(
        "import logging, sqlite3; logging.basicConfig(level=20)\n"
        "logging.info('Running migration 0007_users')\n"
        "c = sqlite3.connect('/tmp/db'); c.execute('create table users (id)'); c.execute('create table users (id)')"
    ),
)
plain(
    "database_version",
    "version-mismatch",
    lambda: fails(
        "FATAL:  database files are incompatible with server\nDETAIL:  The data directory was initialized by PostgreSQL "
        "version 13, which is not compatible with this version 15.4."
    ),
)
plain(
    "healthcheck_port",
    "healthcheck-wrong",
    lambda: python(served(8080), healthcheck=healthcheck(_ask("http://127.0.0.1:9090/"))),
    "9090",
)
plain(
    "healthcheck_path",
    "healthcheck-wrong",
    lambda: python(served(8080), healthcheck=healthcheck(_ask("http://127.0.0.1:8080/health"))),
    "404",
)
plain(
    "healthcheck_false",
    "healthcheck-wrong",
    lambda: shell("sleep 60", healthcheck=healthcheck(["CMD-SHELL", "exit 1"])),
)
plain(
    "healthcheck_tool",
    "healthcheck-tool-missing",
    lambda: python(served(8080), healthcheck=healthcheck(["CMD", "curl", "-f", "http://localhost:8080/"])),
    "curl",
)
plain(
    "healthcheck_tool_shell",
    "healthcheck-tool-missing",
    lambda: shell("sleep 60", healthcheck=healthcheck(["CMD-SHELL", "curl -f http://localhost/ || exit 1"])),
    "curl",
)
plain(
    "healthcheck_no_shell",
    "healthcheck-tool-missing",
    lambda: python(served(8080), healthcheck=healthcheck(["CMD-SHELL", "true"])),
    "/bin/sh",
)
plain(
    "start_period",
    "start-period-too-short",
    lambda: python(
        "print('loading the model', flush=True)\n" + served(8080, after=20),
        healthcheck=healthcheck(_ask("http://127.0.0.1:8080/")),
    ),
    patch="docker-compose.yml",
)
plain(
    "signal_python",
    "signal-ignored",
    lambda: {
        **running(),
        "entrypoint": ["python3", "-c", "import time; time.sleep(99)"],
        "stop_grace_period": "1s",
    },
    closes=True,
    patch="docker-compose.yml",
)
plain(
    "signal_shell",
    "signal-ignored",
    lambda: shell("sleep 99; echo done", stop_grace_period="1s"),
    "shell",
    closes=True,
)
plain(
    "wrong_architecture",
    "wrong-architecture",
    lambda: {
        "image": ensure_image({"app": (_elf(_FOREIGN), 0o755)}, programs=(), changes=['ENTRYPOINT ["/app"]'])
    },
    "/app",
)
plain("user_gone", "unknown-user", lambda: running(user="forge"), "forge")
