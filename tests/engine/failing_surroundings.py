# ruff: noqa: E501 - what programs write stays on one line
"""Services that fail for what is around them: ports, networks, volumes, certificates, other services."""

from __future__ import annotations

import socket
import subprocess
from functools import partial

from tests.engine.failing_case import FailingCase, case, free_port, healthcheck
from tests.engine.stacks import Definition, Stack, docker, needs, python, running


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
        "healthcheck": healthcheck(
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
