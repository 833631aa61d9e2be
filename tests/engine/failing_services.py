# ruff: noqa: E501 - what programs write stays on one line
"""Services that fail, each for one reason, on real containers: what the diagnosis is tried on."""

from __future__ import annotations

import platform
import socket
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.engine.small_images import ensure_image
from tests.engine.stacks import Definition, Stack, docker, exits, needs, python, running

SELF = {"x86_64": 0x3E, "aarch64": 0xB7}
_FOREIGN = {"x86_64": 0xB7, "aarch64": 0x3E}[platform.machine()]


@dataclass
class FailingCase:
    """A stack with one service, `web`, that fails; `cause` is what the diagnosis has to find."""

    cause: str
    services: Mapping[str, Definition]
    opens: tuple[str, ...] = ("web",)
    title: str = ""
    """A part of the title."""
    patch: str = ""
    """The file that is patched; empty where none is expected."""
    more: Mapping[str, Any] = field(default_factory=dict)
    before: Callable[[Stack], object] | None = None
    """Done on the engine before the window opens."""
    after: Callable[[Stack], object] | None = None
    """Done once the window is open."""
    closes: bool = False
    """The failure is seen when the window closes."""


def script(text: str, *, mode: int = 0o755, run: list[str] | None = None, **more: Any) -> Definition:
    """A service whose image has /entry.sh, which it runs."""
    name = ensure_image({"entry.sh": (text.encode(), mode)}, changes=['ENTRYPOINT ["/entry.sh"]'])
    found: Definition = {"image": name, "stop_grace_period": "2s"}
    return found | ({"entrypoint": run} if run else {}) | more


def shell(code: str, **more: Any) -> Definition:
    return script("#!/bin/sh\n", run=["/bin/sh", "-c", code.replace("$", "$$")], **more)


def fails(text: str) -> Definition:
    """A program that writes this and ends with 1, for runtimes that are not on this machine."""
    return python(f"sys.stderr.write({text!r} + chr(10)); sys.exit(1)")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _healthcheck(test: list[str], **more: Any) -> dict[str, Any]:
    return {"test": test, "interval": "300ms", "timeout": "2s", "retries": 2, "start_period": "0s", **more}


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


CASES: dict[str, Callable[[Stack], FailingCase]] = {}


def case(build: Callable[[Stack], FailingCase]) -> Callable[[Stack], FailingCase]:
    CASES[build.__name__] = build
    return build


def plain(name: str, cause: str, service: Callable[[], Definition], title: str = "", **more: Any) -> None:
    CASES[name] = lambda _stack: FailingCase(cause, {"web": service()}, title=title, **more)


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
    lambda: python(served(8080), healthcheck=_healthcheck(_ask("http://127.0.0.1:9090/"))),
    "9090",
)
plain(
    "healthcheck_path",
    "healthcheck-wrong",
    lambda: python(served(8080), healthcheck=_healthcheck(_ask("http://127.0.0.1:8080/health"))),
    "404",
)
plain(
    "healthcheck_false",
    "healthcheck-wrong",
    lambda: shell("sleep 60", healthcheck=_healthcheck(["CMD-SHELL", "exit 1"])),
)
plain(
    "healthcheck_tool",
    "healthcheck-tool-missing",
    lambda: python(served(8080), healthcheck=_healthcheck(["CMD", "curl", "-f", "http://localhost:8080/"])),
    "curl",
)
plain(
    "healthcheck_tool_shell",
    "healthcheck-tool-missing",
    lambda: shell("sleep 60", healthcheck=_healthcheck(["CMD-SHELL", "curl -f http://localhost/ || exit 1"])),
    "curl",
)
plain(
    "healthcheck_no_shell",
    "healthcheck-tool-missing",
    lambda: python(served(8080), healthcheck=_healthcheck(["CMD-SHELL", "true"])),
    "/bin/sh",
)
plain(
    "start_period",
    "start-period-too-short",
    lambda: python(
        "print('loading the model', flush=True)\n" + served(8080, after=20),
        healthcheck=_healthcheck(_ask("http://127.0.0.1:8080/")),
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


@case
def address_in_use(_stack: Stack) -> FailingCase:
    twice = "import socket\na = socket.socket(); a.bind(('', 8080)); a.listen()\nb = socket.socket(); b.bind(('', 8080))"
    return FailingCase("address-in-use", {"web": python(twice)})


@case
def port_of_a_container(_stack: Stack) -> FailingCase:
    port = free_port()
    both = {name: running(ports=[f"127.0.0.1:{port}:80"]) for name in ("other", "web")}

    return FailingCase(
        "port-taken", both, title="other", before=lambda stack: stack.by_hand("up", "-d", "other")
    )


@case
def port_of_a_program(stack: Stack) -> FailingCase:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    stack.undo.append(taken.close)
    port = taken.getsockname()[1]
    return FailingCase("port-taken", {"web": running(ports=[f"127.0.0.1:{port}:80"])}, title="the program")


@case
def dependency_refuses(_stack: Stack) -> FailingCase:
    asks = python("import socket\nsocket.create_connection(('db', 5432), 3)", **needs(db="started"))
    return FailingCase("connection-refused", {"db": running(), "web": asks}, opens=("db", "web"))


@case
def dependency_wants_a_password(_stack: Stack) -> FailingCase:
    database = {
        "image": running()["image"],
        "entrypoint": ["valkey-server", "--requirepass", "right", "--save", ""],
        "command": [],
        "healthcheck": _healthcheck(
            ["CMD", "python3", "-c", "import socket; socket.create_connection(('127.0.0.1', 6379))"],
            retries=50,
        ),
    }
    asks = python(
        "import socket\ns = socket.create_connection(('db', 6379), 3)\ns.sendall(b'AUTH wrong\\r\\n')\n"
        "raise RuntimeError(s.recv(200).decode().strip())",
        **needs(db="healthy"),
    )
    return FailingCase("wrong-password", {"db": database, "web": asks})


@case
def secret_source_gone(stack: Stack) -> FailingCase:
    source = stack.directory / "token.txt"
    more = {"secrets": {"token": {"file": str(source)}}}
    return FailingCase("missing-file", {"web": running(secrets=["token"])}, title="token.txt", more=more)


@case
def network_by_hand(stack: Stack) -> FailingCase:
    name = f"{stack.project}_default"

    def before(_stack: Stack) -> None:
        make = partial(stack.engine.ask, lambda client: client.create_network(name, check_duplicate=False))
        made = [str(make()["Id"]) for _ in range(2)]
        stack.undo.append(lambda: docker("network", "rm", *made))

    return FailingCase("network-gone", {"web": running()}, title=name, before=before)


_AUTHORITY = """[ca]
default_ca = own
[own]
database = index.txt
serial = serial.txt
new_certs_dir = .
default_md = sha256
policy = any
[any]
commonName = supplied
[names]
subjectAltName = DNS:localhost
basicConstraints = CA:TRUE
"""


def _certificate(stack: Stack, *times: str) -> Definition:
    """A program that speaks TLS with itself, by a self-signed certificate that is valid in these times."""
    for name, content in {"ca.cnf": _AUTHORITY, "index.txt": "", "serial.txt": "01\n"}.items():
        (stack.directory / name).write_text(content)
    request = ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    sign = ["ca", "-batch", "-selfsign", "-config", "ca.cnf", "-keyfile", "key.pem", "-extensions", "names"]
    for words in (
        [*request, "-keyout", "key.pem", "-out", "request.pem"],
        [*sign, "-in", "request.pem", "-out", "cert.pem", *times],
    ):
        subprocess.run(["openssl", *words], cwd=stack.directory, check=True, capture_output=True)
    code = (
        "import socket, ssl, threading\n"
        "server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); server.load_cert_chain('/tls/cert.pem', '/tls/key.pem')\n"
        "door = socket.create_server(('127.0.0.1', 8443))\n"
        "def serve():\n try: server.wrap_socket(door.accept()[0], server_side=True)\n except OSError: pass\n"
        "threading.Thread(target=serve, daemon=True).start()\n"
        "context = ssl.create_default_context(cafile=TRUSTED)\n"
        "context.wrap_socket(socket.create_connection(('127.0.0.1', 8443)), server_hostname='localhost')"
    )
    return python(code, volumes=[".:/tls:ro"])


@case
def certificate_self_signed(stack: Stack) -> FailingCase:
    service = _certificate(stack, "-days", "30")
    service["entrypoint"][-1] = service["entrypoint"][-1].replace("TRUSTED", "None")
    return FailingCase("certificate", {"web": service}, title="not trusted")


@case
def certificate_of_the_future(stack: Stack) -> FailingCase:
    service = _certificate(stack, "-startdate", "20900101000000Z", "-enddate", "20910101000000Z")
    service["entrypoint"][-1] = service["entrypoint"][-1].replace("TRUSTED", "'/tls/cert.pem'")
    return FailingCase("certificate", {"web": service}, title="not valid yet")


@case
def certificate_of_the_past(stack: Stack) -> FailingCase:
    service = _certificate(stack, "-startdate", "20200101000000Z", "-enddate", "20210101000000Z")
    service["entrypoint"][-1] = service["entrypoint"][-1].replace("TRUSTED", "'/tls/cert.pem'")
    return FailingCase("certificate", {"web": service}, title="expired")


@case
def network_gone(_stack: Stack) -> FailingCase:
    more = {"networks": {"shared": {"external": True, "name": "pw-no-such-network"}}}
    return FailingCase(
        "network-gone", {"web": running(networks=["shared"])}, title="pw-no-such-network", more=more
    )


@case
def volume_of_root(stack: Stack) -> FailingCase:
    (stack.directory / "data").mkdir(exist_ok=True)
    (stack.directory / "store").mkdir(mode=0o755)
    writes = python("open('/data/file', 'w')", user="1000:1000", volumes=["./store:/data"])
    return FailingCase("volume-owner", {"web": writes}, title="/data")


@case
def namespace_gone(_stack: Stack) -> FailingCase:
    services = {"vpn": running(), "web": running(network_mode="service:vpn")}

    return FailingCase(
        "namespace-gone",
        services,
        opens=("vpn", "web"),
        after=lambda stack: docker("restart", "-t", "1", *stack.ids("vpn")),
    )
