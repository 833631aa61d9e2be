"""The connection to one Docker engine: API version negotiation, and the errors of a request.

The client negotiates the API version with the first request and then uses it. It negotiates again
after the engine rejected the version, and after the engine did not answer, since the engine may have
been upgraded meanwhile.

    no answer (refused connection, timeout, broken stream)   one of Away
    an error response (400, 409, 501, ...)                   EngineRefused, with the engine's message
    an engine that Power Windows does not support            EngineUnsupported
"""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import docker
import requests
import urllib3
from docker.constants import DEFAULT_DOCKER_API_VERSION, MINIMUM_DOCKER_API_VERSION
from docker.errors import APIError, DockerException

from app.host.engine_endpoint import BadEndpoint, Endpoint

Response = TypeVar("Response")
OLDEST_API, NEWEST_API = MINIMUM_DOCKER_API_VERSION, DEFAULT_DOCKER_API_VERSION
"""The oldest and the newest API version that the SDK supports."""
SPOKEN = f"{OLDEST_API} to {NEWEST_API}"
_WRONG_VERSION = re.compile(r"client version \S+ is too (old|new)")
_CONNECTIONS = 64

Away = (
    DockerException,
    requests.RequestException,
    OSError,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
)
"""The exceptions of a request that the engine does not answer."""


class EngineRefused(Exception):
    """The engine answered with an error. The message is the engine's own, `status` is its HTTP status."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class EngineUnsupported(EngineRefused):
    """Power Windows does not support this engine. The message is one line: the reason and the remedy."""


Unable = (*Away, EngineRefused)
"""The exceptions of a request without a result, for either reason."""


def why(error: BaseException) -> str:
    """Return a sentence for users that explains why a request to the engine failed."""
    if isinstance(error, EngineUnsupported):
        return str(error)
    if isinstance(error, EngineRefused):
        return f"the engine refuses to tell: {error}"
    return f"the engine does not answer: {_cause(error)}"


def _cause(error: BaseException) -> str:
    """Return the system's message if an exception in the chain has one, else the error's own text."""
    left, seen = [error], set()
    while left:
        one = left.pop(0)
        if isinstance(one, OSError) and one.errno and one.strerror:
            return one.strerror
        seen.add(id(one))
        inner = (*one.args, getattr(one, "reason", None), one.__cause__, one.__context__)
        left += [more for more in inner if isinstance(more, BaseException) and id(more) not in seen]
    return " ".join(str(error).split()) or type(error).__name__


@dataclass(frozen=True, slots=True)
class Agreement:
    """The engine's release, the API version in use, and the oldest and newest version that it supports."""

    release: str
    api: str
    least: str
    most: str


class Negotiation:
    """One connection pool, shared by all threads of a process. Creating it may raise BadEndpoint."""

    def __init__(self, endpoint: Endpoint, timeout: int) -> None:
        self.endpoint = endpoint
        self.fault = ""
        """Why Power Windows does not support this engine; empty if it does, or before the first answer."""
        self._client = _client(endpoint, timeout)
        self._agreement: Agreement | None = None
        self._lock = threading.Lock()

    def ask(self, request: Callable[[docker.APIClient], Response]) -> Response:
        """Send a request to the engine and return its result. Raises EngineRefused, or one of Away."""
        self.agreement()
        try:
            return self._ask(request)
        except EngineRefused as error:
            refused = error
        except Away:
            self.forget()
            raise
        if not (refused.status == http.client.BAD_REQUEST and _WRONG_VERSION.search(str(refused))):
            raise refused
        return self._ask_again(request)

    def _ask_again(self, request: Callable[[docker.APIClient], Response]) -> Response:
        """Negotiate the version again and repeat the request: the engine is another release now."""
        self.forget()
        self.agreement()
        return self._ask(request)

    def _ask(self, request: Callable[[docker.APIClient], Response]) -> Response:
        try:
            return request(self._client)
        except APIError as error:
            raise _refusal(error) from error
        except (requests.exceptions.JSONDecodeError, LookupError, TypeError, AttributeError) as error:
            # The SDK parses the response and fails where a field is missing.
            raise EngineRefused(f"its answer cannot be read: {error!r}") from error

    def agreement(self) -> Agreement:
        """Return the agreement; negotiate it if there is none. Raises EngineRefused, or one of Away."""
        agreed = self._agreement
        if agreed is not None:
            return agreed
        with self._lock:
            if self._agreement is None:
                self._agreement = self._agree()
            return self._agreement

    def forget(self) -> None:
        """Drop the agreement: the next request negotiates the version again."""
        self._agreement = None

    def close(self) -> None:
        """Close the connections of the SDK client."""
        self._client.close()

    def _agree(self) -> Agreement:
        try:
            agreement = _agreement_with(self._version_response(), self.endpoint)
        except EngineUnsupported as error:
            self.fault = str(error)
            raise
        self.fault = ""
        self._client.speak(agreement.api)
        return agreement

    def _version_response(self) -> Mapping[str, Any]:
        try:
            version = self._client.version(api_version=False)
        except requests.exceptions.JSONDecodeError as error:
            raise EngineUnsupported(_no_engine(self.endpoint)) from error
        except APIError as error:
            if error.status_code == http.client.NOT_FOUND:
                raise EngineUnsupported(_no_engine(self.endpoint)) from error
            raise _refusal(error) from error
        if not isinstance(version, dict) or "ApiVersion" not in version:
            raise EngineUnsupported(_no_engine(self.endpoint))
        return version


class _Client(docker.APIClient):
    def speak(self, version: str) -> None:
        """Use this API version from now on. The SDK alone would fix it when the client is created."""
        self._version = version

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Use the certificates of the endpoint. Without this, requests would use REQUESTS_CA_BUNDLE."""
        verify = self.verify if verify is None else verify
        return super().merge_environment_settings(url, proxies, stream, verify, cert)


def _client(endpoint: Endpoint, timeout: int) -> _Client:
    try:
        return _Client(
            endpoint.host,
            version=OLDEST_API,
            timeout=timeout,
            num_pools=_CONNECTIONS,
            max_pool_size=_CONNECTIONS,
            tls=_tls(endpoint),
        )
    except Exception as error:
        # No request was sent yet: the address, the certificates or Docker's own config.json is at fault.
        raise BadEndpoint(f"{endpoint}: cannot be used: {' '.join(str(error).split())}") from error


def _tls(endpoint: Endpoint) -> docker.tls.TLSConfig | bool:
    if endpoint.tls is None:
        return False
    pair = endpoint.tls.client
    certificate = (str(pair[0]), str(pair[1])) if pair else None
    return docker.tls.TLSConfig(certificate, str(endpoint.tls.ca), verify=endpoint.tls.verify)


def _refusal(error: APIError) -> EngineRefused:
    message = str(error.explanation or "").strip() or f"it answers {error.status_code} and does not say why"
    return EngineRefused(" ".join(message.split()), error.status_code)


def _no_engine(endpoint: Endpoint) -> str:
    return f"what answers at {endpoint} is no Docker engine: it does not tell its API version"


def _agreement_with(version: Mapping[str, Any], endpoint: Endpoint) -> Agreement:
    """Return the agreement on the newest API version that both sides support. Raises EngineUnsupported."""
    release, most = str(version.get("Version") or "of an unknown version"), str(version["ApiVersion"])
    least = str(version.get("MinAPIVersion") or "") or OLDEST_API
    if _is_podman(version):
        raise EngineUnsupported(
            f"{endpoint} is Podman {release}, which is not supported: it tells the state of containers "
            "otherwise than Docker; name a Docker engine with DOCKER_HOST or a context"
        )
    if None in (_number(least), _number(most)):
        raise EngineUnsupported(f"{_no_engine(endpoint)} (it says {least!r} to {most!r})")
    low, high = max(_key(least), _key(OLDEST_API)), min(_key(most), _key(NEWEST_API))
    if low > high:
        older = "the engine" if _key(most) < _key(OLDEST_API) else "Power Windows"
        raise EngineUnsupported(
            f"Docker {release} at {endpoint} speaks the API versions {least} to {most}, and this worker "
            f"{SPOKEN}: they share none; upgrade {older}"
        )
    return Agreement(release, f"{high[0]}.{high[1]}", least, most)


def _is_podman(version: Mapping[str, Any]) -> bool:
    with suppress(TypeError, AttributeError):
        return any("podman" in str(part.get("Name")).lower() for part in version.get("Components") or ())
    return False


def _number(version: str) -> tuple[int, int] | None:
    parts = re.fullmatch(r"(\d{1,4})\.(\d{1,6})", version)
    return (int(parts[1]), int(parts[2])) if parts else None


def _key(version: str) -> tuple[int, int]:
    return _number(version) or (0, 0)
