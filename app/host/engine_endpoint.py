"""Where the engine is: found once, in the same places and in the same order as the `docker` command looks.

The SDK knows DOCKER_HOST only, while Compose follows contexts too. Here the address is found
once, and both are given the same one, so that what is read and what is changed are one engine.

    DOCKER_HOST, or the context of DOCKER_CONTEXT, or `currentContext` of config.json, or the default socket
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

DEFAULT = "unix:///var/run/docker.sock"
VARIABLES = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
"""What names an engine, or says how to reach it."""
_FOLLOWED = (*VARIABLES, "DOCKER_CONFIG", "HOME")
_PLAIN_PORT, _TLS_PORT = 2375, 2376
_TUNNEL = "ssh -nNT -L /run/docker-remote.sock:/var/run/docker.sock"


class BadEndpoint(Exception):
    """The engine's address cannot be used; one line says which setting is wrong, and what would be right."""


@dataclass(frozen=True, slots=True)
class TLS:
    """A directory with ca.pem and perhaps cert.pem and key.pem; `verify`: the engine must prove who it is."""

    directory: Path
    verify: bool

    @property
    def ca(self) -> Path:
        """The certificate authority's file."""
        return self.directory / "ca.pem"

    @property
    def client(self) -> tuple[Path, Path] | None:
        """The client's certificate and key; None where the engine is to ask for none."""
        pair = self.directory / "cert.pem", self.directory / "key.pem"
        return pair if pair[0].exists() else None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One engine's address (`unix://` or `tcp://`), and the setting that it comes from."""

    host: str
    source: str
    tls: TLS | None = None

    def __str__(self) -> str:
        return f"{self.host} ({self.source})"

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """A child's environment: `own`, with this address and no other way to find one."""
        dropped = {*VARIABLES, "DOCKER_API_VERSION"}
        variables = {name: value for name, value in environ.items() if name not in dropped}
        return variables | {"DOCKER_HOST": self.host} | self._tls_variables()

    def _tls_variables(self) -> dict[str, str]:
        if self.tls is None:
            return {}
        asked = "DOCKER_TLS_VERIFY" if self.tls.verify else "DOCKER_TLS"
        return {asked: "1", "DOCKER_CERT_PATH": str(self.tls.directory)}


_found: dict[tuple[str | None, ...], Endpoint] = {}


def current() -> Endpoint:
    """The endpoint of this process, found once. A context that is switched later changes nothing.

    Raises BadEndpoint.
    """
    named = tuple(os.environ.get(name) for name in _FOLLOWED)
    if named not in _found:
        _found[named] = find(os.environ)
    return _found[named]


def find(environ: Mapping[str, str]) -> Endpoint:
    """The endpoint that `docker` would use in this environment. Raises BadEndpoint."""
    directory = _config_dir(environ)
    if host := environ.get("DOCKER_HOST", "").strip():
        return _from_environment(environ, directory, host, "DOCKER_HOST")
    name, source = _context(environ, directory)
    if name in {"", "default"}:
        return _from_environment(environ, directory, "", source or "the default")
    return _from_context(directory, name, source)


def _config_dir(environ: Mapping[str, str]) -> Path:
    if given := environ.get("DOCKER_CONFIG"):
        return Path(given).absolute()
    home = environ.get("HOME")
    return (Path(home) if home else Path("~").expanduser()) / ".docker"


def _context(environ: Mapping[str, str], directory: Path) -> tuple[str, str]:
    """The name of the context in force, and where that is said; empty where none is."""
    if name := environ.get("DOCKER_CONTEXT"):
        return name, f"DOCKER_CONTEXT={name}"
    file = directory / "config.json"
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        name = raw.get("currentContext") or ""
    except FileNotFoundError:
        return "", ""
    except (OSError, ValueError, AttributeError):
        # The docker command warns and goes on as if there were none.
        return "", f"the default, since {file} cannot be read"
    return (name, f"context {name} of {file}") if isinstance(name, str) and name else ("", "")


# By DOCKER_HOST and the default.


def _from_environment(environ: Mapping[str, str], directory: Path, host: str, source: str) -> Endpoint:
    verify = environ.get("DOCKER_TLS_VERIFY", "") != ""
    asked = verify or environ.get("DOCKER_TLS", "") != ""
    address = _address(host, source, _TLS_PORT if asked else _PLAIN_PORT)
    if not asked or address.startswith("unix:"):
        return Endpoint(address, source)
    certificates = Path(environ.get("DOCKER_CERT_PATH") or directory).absolute()
    which = "DOCKER_TLS_VERIFY" if verify else "DOCKER_TLS"
    return Endpoint(address, source, _readable(TLS(certificates, verify), f"{which}: DOCKER_CERT_PATH"))


# By a context.


def _from_context(directory: Path, name: str, source: str) -> Endpoint:
    identity = hashlib.sha256(name.encode()).hexdigest()
    metadata = _metadata(directory / "contexts" / "meta" / identity / "meta.json", name, source)
    certificates = directory / "contexts" / "tls" / identity / "docker"
    verify = not metadata.get("SkipTLSVerify")
    tls = TLS(certificates, verify) if certificates.is_dir() or not verify else None
    address = _address(str(metadata.get("Host") or ""), source, _TLS_PORT if tls else _PLAIN_PORT)
    if tls is None or address.startswith("unix:"):
        return Endpoint(address, source)
    return Endpoint(address, source, _readable(tls, source))


def _metadata(file: Path, name: str, source: str) -> Mapping[str, Any]:
    try:
        endpoint = json.loads(file.read_text(encoding="utf-8"))["Endpoints"]["docker"]
    except FileNotFoundError as error:
        raise BadEndpoint(
            f"{source}: there is no context {name!r} ({file} is missing); `docker context ls` lists them"
        ) from error
    except OSError as error:
        raise BadEndpoint(f"{source}: {file} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BadEndpoint(
            f"{source}: {file} does not say where its engine is; make the context anew"
        ) from error
    if not isinstance(endpoint, dict):
        raise BadEndpoint(f"{source}: {file} does not say where its engine is; make the context anew")
    return endpoint


# What an address and its certificates must be.


def _address(given: str, source: str, port: int) -> str:
    """An address as both sides take it: the port named, the socket's path absolute."""
    given = given.strip()
    if given in {"", "unix://"}:
        return DEFAULT
    if given.startswith("/"):
        raise BadEndpoint(f"{source}: {given!r} is a path and no address; write unix://{given}")
    scheme, separator, rest = given.partition("://")
    if not separator:
        scheme, rest = "tcp", given
    if scheme == "unix":
        return f"unix://{Path(rest).absolute()}"
    if scheme == "tcp":
        return _tcp(given, rest, source, port)
    raise BadEndpoint(f"{source}: {given!r} {_unusable(scheme, rest)}")


def _unusable(scheme: str, rest: str) -> str:
    if scheme == "ssh":
        return (
            "goes by ssh, which the worker does not speak: run the worker on that host, or forward its "
            f"socket (`{_TUNNEL} {rest}`) and set DOCKER_HOST=unix:///run/docker-remote.sock"
        )
    return f"begins with {scheme}://; write unix:///PATH or tcp://HOST:PORT"


def _tcp(given: str, rest: str, source: str, port: int) -> str:
    try:
        parts = urlsplit(f"tcp://{rest}")
        host, named = parts.hostname, parts.port
    except ValueError as error:
        raise BadEndpoint(f"{source}: {given!r} is no address: {error}; write tcp://HOST:PORT") from error
    if parts.username or parts.password:
        raise BadEndpoint(f"{source}: an address of an engine names no user; write tcp://HOST:PORT")
    if not host or parts.query or parts.fragment or any(character.isspace() for character in rest):
        raise BadEndpoint(f"{source}: {given!r} is no address; write tcp://HOST:PORT")
    bracketed = f"[{host}]" if ":" in host else host
    return f"tcp://{bracketed}:{named or port}{parts.path.rstrip('/')}"


def _readable(tls: TLS, setting: str) -> TLS:
    """The same, where its files can be read: Compose and the SDK both need ca.pem. Raises BadEndpoint."""
    needed = [tls.ca, *(tls.client or ())]
    for file in needed:
        try:
            with file.open("rb"):
                pass
        except OSError as error:
            raise BadEndpoint(f"{setting}: {file} cannot be read: {error.strerror}") from error
    return tls
