"""HTTP and TCP checks, made from the worker's host: bounded in time and size, following no redirect."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote, urlsplit

from app.domain import scenarios
from app.domain.scenarios import HttpCheck, TcpCheck
from workers.engine import pattern_search
from workers.engine.pattern_search import SearchFailed

LARGEST_ANSWER = 256 * 1024
"""Bytes of an answer's body that are read, at most."""
_QUERY = "/?%:@!$&'()*+,;=~"
Verdict = tuple[bool, str]
"""Whether a check has passed, and the observed value."""


def check_tcp(check: TcpCheck, timeout: float) -> Verdict:
    """Connect, and close the connection."""
    began = time.monotonic()
    try:
        with socket.create_connection((check.host, check.port), timeout=timeout):
            return True, f"connected in {(time.monotonic() - began) * 1000:.0f} ms"
    except (OSError, UnicodeError) as error:
        return False, f"{check.host}:{check.port}: {getattr(error, 'strerror', None) or error}"


def check_http(check: HttpCheck, timeout: float) -> Verdict:
    """Send the request, and compare the answer."""
    until = time.monotonic() + timeout
    try:
        connection = _connection(check, timeout)
    except (OSError, ValueError) as error:
        return False, f"the request cannot be made: {_cause(error)}"
    try:
        connection.connect()
        with _cut_at(connection.sock, until):
            connection.request(check.method, _target(check.url), check.body, dict(check.headers))
            answer = connection.getresponse()
            body = answer.read(LARGEST_ANSWER)
        return _compare(check, answer, body)
    except (http.client.HTTPException, OSError, ValueError) as error:
        late = time.monotonic() >= until
        return False, f"no whole answer in {timeout:g} s" if late else _cause(error)
    finally:
        connection.close()


def _connection(check: HttpCheck, timeout: float) -> http.client.HTTPConnection:
    parts = urlsplit(check.url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=timeout)
    context = ssl.create_default_context(cadata=check.ca)
    if not check.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)


def _target(url: str) -> str:
    """The path and the query of a URL, as a request names them."""
    parts = urlsplit(url)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    return f"{path}?{quote(parts.query, safe=_QUERY)}" if parts.query else path


@contextmanager
def _cut_at(connected: socket.socket, until: float) -> Iterator[None]:
    """Shut a connection down at a given time: a socket's timeout alone restarts with each piece it reads."""
    timer = threading.Timer(max(0.0, until - time.monotonic()), _shut_down, [connected])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut_down(connected: socket.socket) -> None:
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _compare(check: HttpCheck, answer: http.client.HTTPResponse, body: bytes) -> Verdict:
    text = body.decode(errors="replace")
    if answer.status != check.status:
        return False, f"status {answer.status}, expected {check.status}: {text[:200]!r}"
    for name, value in check.expect_headers.items():
        given = answer.headers.get(name)
        if given != value:
            return False, f"header {name} is {given!r}, expected {value!r}"
    if check.json and (fault := _json_fault(check, text)):
        return False, fault
    if check.pattern is None:
        return True, f"status {answer.status}"
    return search(check.pattern, text, f"status {answer.status}, body")


def _json_fault(check: HttpCheck, text: str) -> str:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"the body is no JSON: {error}"
    for path, value in check.json.items():
        there, given = scenarios.value_at(document, path)
        if not there:
            return f"the JSON has nothing at {path}"
        if given != value or isinstance(given, bool) != isinstance(value, bool):
            return f"the JSON has {str(given)[:100]!r} at {path}, expected {value!r}"
    return ""


def search(pattern: str, text: str, where: str) -> Verdict:
    """Whether text has a match of a pattern."""
    try:
        match = pattern_search.find_pattern(pattern, text)
    except SearchFailed as error:
        return False, str(error)
    if match is None:
        return False, f"{where} has no match of {pattern!r}: {text[:200]!r}"
    return True, f"{where} has {match!r}"


def _cause(error: BaseException) -> str:
    """Return the system's message of an error, or else the error's own text."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
