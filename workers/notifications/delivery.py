"""Send one notice to one sink, in a process of its own: `python -m workers.notifications.delivery`.

The order comes on standard input and the answer goes to standard output, so an address, which is a
secret, is on no command line. The kernel ends this process when its time is up, even if it waits
for, and gives it no more memory than it needs. It writes to no log.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import signal
import ssl
import sys
import urllib.request
from collections.abc import Mapping
from http.client import HTTPResponse
from typing import Any, cast
from urllib.parse import quote, unquote, urlsplit

from app.domain import redaction

READ = 4096
"""Bytes that are read of an answer."""
_MEMORY = 256 * 1024 * 1024
_UNCHANGED = "%/:=&?~#+!$,;'@()*[]"


class NotDelivered(Exception):
    """The notice was not delivered; the message is the reason."""


def main() -> None:
    """Do what standard input says; what went wrong is in the answer, without the address."""
    order = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    address = str(order.get("url") or order.get("apprise"))
    try:
        result = {"ok": True, "said": _webhook(order) if order.get("url") else _apprise(order)}
    except NotDelivered as error:
        result = {"ok": False, "said": str(error)}
    except MemoryError:
        result = {"ok": False, "said": f"the answer needs more than {_MEMORY >> 20} MiB"}
    except Exception as error:  # noqa: BLE001 - any error of the delivery is the answer
        result = {"ok": False, "said": _error_text(error)}
    result["said"] = redaction.redact(str(result["said"]), redaction.parts_of(address))
    json.dump(result, sys.stdout)


def _begin(seconds: float) -> None:
    """From now on this process has so long."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _webhook(order: Mapping[str, Any]) -> str:
    request = _request(order)
    opener = _opener()
    _begin(order["seconds"])
    with cast(HTTPResponse, opener.open(request)) as answer:
        text = answer.read(READ).decode(errors="replace")
        status = answer.status
    status_line = f"{status} {text}".strip()
    if not 200 <= status < 300:
        raise NotDelivered(status_line)
    return status_line


def _request(order: Mapping[str, Any]) -> urllib.request.Request:
    """The request, with the login that an address may have as a header."""
    parts = urlsplit(order["url"])
    login, _, host = parts.netloc.rpartition("@")
    headers = {"User-Agent": "power-windows", "Accept": "*/*", **order["headers"]}
    if login:
        headers["Authorization"] = f"Basic {base64.b64encode(unquote(login).encode()).decode()}"
    plain = parts._replace(netloc=host, fragment="", path=quote(parts.path or "/", safe=_UNCHANGED))
    address = plain._replace(query=quote(parts.query, safe=_UNCHANGED)).geturl()
    return urllib.request.Request(address, order["content"].encode(), headers, method="POST")


def _opener() -> urllib.request.OpenerDirector:
    """What follows the proxies of the environment and no redirect, and takes any status for an answer."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=_trust_context()),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _trust_context() -> ssl.SSLContext:
    """The authorities of the environment's SSL_CERT_FILE or SSL_CERT_DIR, or those of Mozilla."""
    file, directory = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if file or directory:
        return ssl.create_default_context(cafile=file, capath=directory)
    import certifi

    return ssl.create_default_context(cafile=certifi.where())


def _apprise(order: Mapping[str, Any]) -> str:
    try:
        from apprise import Apprise
    except ImportError as error:
        raise NotDelivered("Apprise is not installed here: pip install 'power-windows[notices]'") from error
    _follow_no_redirects()
    _begin(order["seconds"])
    sinks = Apprise()
    if not sinks.add(order["apprise"]):
        raise NotDelivered("Apprise does not know an address of this kind")
    if not sinks.notify(title=order["title"], body=order["body"]):
        raise NotDelivered("Apprise could not hand it over")
    return "handed over"


def _follow_no_redirects() -> None:
    """For Apprise's own requests: a redirect could lead the notice to another host."""
    from requests import Session

    def target(_session: Session, _answer: object) -> None:
        return None

    setattr(Session, "get_redirect_target", target)  # noqa: B010


def _error_text(error: BaseException) -> str:
    """The error at the bottom of it, such as `ConnectionRefusedError: Connection refused`."""
    reason = getattr(error, "reason", None)
    cause = reason if isinstance(reason, BaseException) else error
    text = getattr(cause, "strerror", None) or str(cause)
    return f"{type(cause).__name__}: {text}".rstrip(": ")


if __name__ == "__main__":
    main()
