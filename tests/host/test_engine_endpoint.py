"""Where the engine is: the same answer as the `docker` command gives, or one line that says what is wrong."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app.host import engine_endpoint
from app.host.engine_endpoint import BadEndpoint, Endpoint


class DockerHome:
    """A home with Docker's own configuration in it."""

    def __init__(self, directory: Path) -> None:
        self.home = directory
        self.config = directory / ".docker"
        self.config.mkdir()

    def environ(self, **more: str) -> dict[str, str]:
        return {"HOME": str(self.home), "PATH": os.environ["PATH"], **more}

    def use(self, name: object) -> None:
        (self.config / "config.json").write_text(json.dumps({"currentContext": name}))

    def context(self, name: str, host: str, *files: str, **more: Any) -> Path:
        """Write a context as `docker context create` does; return the directory of its certificates."""
        identity = hashlib.sha256(name.encode()).hexdigest()
        meta = self.config / "contexts" / "meta" / identity
        meta.mkdir(parents=True)
        metadata = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, **more}}}
        (meta / "meta.json").write_text(json.dumps(metadata))
        tls = self.config / "contexts" / "tls" / identity / "docker"
        for file in files:
            tls.mkdir(parents=True, exist_ok=True)
            (tls / file).write_text("PEM")
        return tls

    def docker_says(self, environ: dict[str, str]) -> str:
        asked = ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]
        return subprocess.run(asked, env=environ, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def docker(tmp_path: Path) -> DockerHome:
    return DockerHome(tmp_path)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"DOCKER_HOST": ""},
        {"DOCKER_HOST": "unix:///run/other.sock"},
        {"DOCKER_HOST": "unix://"},
        {"DOCKER_HOST": "tcp://10.0.0.7:2375"},
        {"DOCKER_HOST": "tcp://10.0.0.7"},
        {"DOCKER_HOST": "10.0.0.7"},
        {"DOCKER_HOST": "forge:99"},
        {"DOCKER_HOST": "tcp://[::1]:2375"},
        {"DOCKER_CONTEXT": "other"},
        {"DOCKER_CONTEXT": "default"},
        {"DOCKER_CONTEXT": ""},
        {"DOCKER_HOST": "unix:///run/first.sock", "DOCKER_CONTEXT": "other"},
    ],
)
@pytest.mark.integration
@pytest.mark.parametrize("current", [None, "", "default", "current"])
def test_it_is_found_where_the_docker_command_finds_it(
    docker: DockerHome, more: dict[str, str], current: str | None
) -> None:
    docker.context("current", "unix:///run/current.sock")
    docker.context("other", "tcp://127.0.0.1:2399")
    if current is not None:
        docker.use(current)
    environ = docker.environ(**more)

    assert engine_endpoint.find(environ).host == docker.docker_says(environ)


def test_its_configuration_may_lie_elsewhere(docker: DockerHome, tmp_path: Path) -> None:
    docker.context("current", "unix:///run/current.sock")
    docker.use("current")

    assert engine_endpoint.find({"DOCKER_CONFIG": str(docker.config)}).host == "unix:///run/current.sock"
    assert (
        engine_endpoint.find(docker.environ(DOCKER_CONFIG=str(tmp_path / "empty"))).host
        == engine_endpoint.DEFAULT
    )


@pytest.mark.parametrize("text", ["{broken", "[]", '{"currentContext": 5}', ""])
def test_a_configuration_that_cannot_be_read_counts_as_none_as_for_docker(
    docker: DockerHome, text: str
) -> None:
    (docker.config / "config.json").write_text(text)

    assert engine_endpoint.find(docker.environ()).host == docker.docker_says(docker.environ())


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"DOCKER_HOST": "foo://x"}, ["DOCKER_HOST", "foo://", "write unix:///PATH or tcp://HOST:PORT"]),
        ({"DOCKER_HOST": "http://x:1"}, ["DOCKER_HOST", "http://", "tcp://HOST:PORT"]),
        ({"DOCKER_HOST": "fd://"}, ["DOCKER_HOST", "fd://"]),
        ({"DOCKER_HOST": "npipe:////./pipe/x"}, ["DOCKER_HOST", "npipe://"]),
        ({"DOCKER_HOST": "/var/run/docker.sock"}, ["DOCKER_HOST", "write unix:///var/run/docker.sock"]),
        ({"DOCKER_HOST": "tcp://"}, ["DOCKER_HOST", "tcp://HOST:PORT"]),
        ({"DOCKER_HOST": "tcp://a:b"}, ["DOCKER_HOST", "tcp://HOST:PORT"]),
        ({"DOCKER_HOST": "tcp://a:99999"}, ["DOCKER_HOST", "tcp://HOST:PORT"]),
        ({"DOCKER_HOST": "tcp://me:secret@a:1"}, ["DOCKER_HOST", "tcp://HOST:PORT"]),
        ({"DOCKER_HOST": "two words"}, ["DOCKER_HOST", "tcp://HOST:PORT"]),
        ({"DOCKER_HOST": "ssh://ada@forge"}, ["DOCKER_HOST", "ssh", "ada@forge", "forward its socket"]),
        ({"DOCKER_CONTEXT": "absent"}, ["DOCKER_CONTEXT=absent", "no context 'absent'", "docker context ls"]),
        ({"DOCKER_CONTEXT": "far"}, ["DOCKER_CONTEXT=far", "ssh", "forward its socket"]),
        ({"DOCKER_CONTEXT": "damaged"}, ["DOCKER_CONTEXT=damaged", "meta.json", "make the context anew"]),
        ({"DOCKER_CONTEXT": "hollow"}, ["DOCKER_CONTEXT=hollow", "meta.json", "make the context anew"]),
        ({"DOCKER_CONTEXT": "half"}, ["DOCKER_CONTEXT=half", "key.pem cannot be read"]),
        ({"DOCKER_CONTEXT": "blind"}, ["DOCKER_CONTEXT=blind", "ca.pem cannot be read"]),
        (
            {"DOCKER_HOST": "tcp://a:1", "DOCKER_TLS_VERIFY": "1"},
            ["DOCKER_TLS_VERIFY", "ca.pem cannot be read"],
        ),
        (
            {"DOCKER_HOST": "tcp://a:1", "DOCKER_TLS": "1", "DOCKER_CERT_PATH": "/nowhere"},
            ["DOCKER_CERT_PATH", "/nowhere/ca.pem cannot be read"],
        ),
    ],
)
def test_an_address_that_cannot_be_used_is_one_line(
    docker: DockerHome, more: dict[str, str], words: list[str]
) -> None:
    docker.context("far", "ssh://ada@forge")
    docker.context("half", "tcp://a:1", "ca.pem", "cert.pem")
    docker.context("blind", "tcp://a:1", SkipTLSVerify=True)
    for name, text in {"damaged": "{", "hollow": '{"Name": "hollow", "Endpoints": {}}'}.items():
        docker.context(name, "unix:///x")
        identity = hashlib.sha256(name.encode()).hexdigest()
        (docker.config / "contexts" / "meta" / identity / "meta.json").write_text(text)

    with pytest.raises(BadEndpoint) as bad:
        engine_endpoint.find(docker.environ(**more))

    line = str(bad.value)
    assert "\n" not in line
    assert "secret" not in line
    assert [word for word in words if word not in line] == [], line


def test_a_context_that_is_in_force_and_gone_is_named_with_its_file(docker: DockerHome) -> None:
    docker.use("gone")

    with pytest.raises(BadEndpoint, match=r"context gone of .*config\.json: there is no context 'gone'"):
        engine_endpoint.find(docker.environ())


def test_a_child_is_given_this_address_and_no_other_way_to_find_one() -> None:
    inherited = {
        "PATH": "/bin",
        "DOCKER_CONTEXT": "other",
        "DOCKER_HOST": "tcp://other:1",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_API_VERSION": "1.30",
        "DOCKER_CONFIG": "/etc/docker",
    }

    environ = Endpoint("unix:///run/a.sock", "a test").environment(inherited)

    # Where the registry's passwords and Compose as a plugin are found stays.
    assert environ == {"PATH": "/bin", "DOCKER_HOST": "unix:///run/a.sock", "DOCKER_CONFIG": "/etc/docker"}


def test_the_certificates_of_a_context_are_handed_on(docker: DockerHome) -> None:
    tls = docker.context("safe", "tcp://10.0.0.7:2376", "ca.pem", "cert.pem", "key.pem")

    environ = engine_endpoint.find(docker.environ(DOCKER_CONTEXT="safe")).environment({})

    assert environ == {
        "DOCKER_HOST": "tcp://10.0.0.7:2376",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": str(tls),
    }


def test_a_context_may_leave_the_engine_unproved(docker: DockerHome) -> None:
    docker.context("lax", "tcp://10.0.0.7:2376", "ca.pem", SkipTLSVerify=True)

    environ = engine_endpoint.find(docker.environ(DOCKER_CONTEXT="lax")).environment({})

    assert ("DOCKER_TLS" in environ, "DOCKER_TLS_VERIFY" in environ) == (True, False)


def test_a_process_keeps_what_it_has_found(docker: DockerHome, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in engine_endpoint.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(docker.config))
    docker.context("first", "unix:///run/first.sock")
    docker.context("second", "unix:///run/second.sock")
    docker.use("first")
    assert engine_endpoint.current().host == "unix:///run/first.sock"

    docker.use("second")

    assert engine_endpoint.current().host == "unix:///run/first.sock"
    assert engine_endpoint.find(os.environ).host == "unix:///run/second.sock"
