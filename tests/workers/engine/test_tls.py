"""An engine behind TLS: the certificates of a context, and of DOCKER_CERT_PATH."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.host import engine_endpoint
from app.host.engine_endpoint import Endpoint
from workers.engine import compose_program, negotiation
from workers.engine.client import Engine
from workers.engine.negotiation import Away

pytestmark = pytest.mark.integration


class Certificates:
    """An authority's certificate, and one for the engine and one for its clients, as `docker` names them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self._openssl(
            "req", "-x509", *key, *self._files("ca", "ca-key"), "-subj", "/CN=authority", "-days", "2"
        )
        (directory / "names").write_text("subjectAltName=IP:127.0.0.1\n")
        for name in ("cert", "server"):
            secret = "key" if name == "cert" else "server-key"
            self._openssl("req", *key, *self._files("request", secret), "-subj", f"/CN={name}")
            authority = ("-CA", self._at("ca"), "-CAkey", self._at("ca-key"), "-CAcreateserial")
            signed = (
                "-in",
                self._at("request"),
                "-out",
                self._at(name),
                "-extfile",
                str(directory / "names"),
            )
            self._openssl("x509", "-req", *authority, *signed, "-days", "2")

    def context(self) -> ssl.SSLContext:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self._at("ca"))
        tls.load_cert_chain(self._at("server"), self._at("server-key"))
        tls.verify_mode = ssl.CERT_REQUIRED
        return tls

    def _files(self, name: str, key: str) -> tuple[str, ...]:
        return ("-out", self._at(name), "-keyout", self._at(key))

    def _at(self, name: str) -> str:
        return str(self.directory / f"{name}.pem")

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"Version": "29.0.1", "ApiVersion": "1.52", "MinAPIVersion": "1.44", "ID": "X"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """A test says what went wrong by itself."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that does not take part is what a test is about."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def address(certificates: Certificates) -> Iterator[str]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.socket = certificates.context().wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield f"tcp://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def asked(endpoint: Endpoint) -> str:
    engine = Engine(endpoint, timeout=5)
    try:
        return engine.id()
    finally:
        engine.close()


@pytest.fixture(params=["DOCKER_TLS_VERIFY", "DOCKER_TLS", "a context"])
def environ(
    request: pytest.FixtureRequest, tmp_path: Path, address: str, certificates: Certificates
) -> dict[str, str]:
    home, folder = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin:/usr/local/bin"}, certificates.directory
    if request.param != "a context":
        return home | {"DOCKER_HOST": address, request.param: "1", "DOCKER_CERT_PATH": str(folder)}
    files = f"ca={folder}/ca.pem,cert={folder}/cert.pem,key={folder}/key.pem"
    create = ["docker", "context", "create", "safe", "--docker", f"host={address},{files}"]
    subprocess.run(create, env=home, check=True, capture_output=True)
    return home | {"DOCKER_CONTEXT": "safe"}


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_an_engine_behind_tls_answers(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    # What is set for other programs on the host says nothing of the engine.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/ssl/certs/ca-certificates.crt")

    assert asked(engine_endpoint.find(environ)) == "X@:"


def test_compose_is_given_the_same_certificates(environ: dict[str, str], address: str) -> None:
    endpoint = engine_endpoint.find(environ)

    answer = subprocess.run(
        [*compose_program.program(), "-p", "pw-test-none", "ps"],
        env=endpoint.environment(environ),
        capture_output=True,
        text=True,
        check=False,
    )

    # It comes through to what is no real engine, which cannot list containers.
    assert "tls" not in answer.stderr.lower()
    assert "cannot unmarshal object" in answer.stderr, answer


def test_an_engine_that_another_authority_stands_for_is_not_spoken_to(
    address: str, certificates: Certificates, tmp_path: Path
) -> None:
    Certificates(tmp_path)
    environ = {"DOCKER_HOST": address, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}

    with pytest.raises(Away) as away:
        asked(engine_endpoint.find(environ))

    assert "certificate verify failed" in negotiation.why(away.value)
