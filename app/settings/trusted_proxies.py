"""Client addresses and schemes from proxy headers, accepted only from trusted proxies.

`POWER_TRUSTED_PROXIES` has their addresses and networks. The headers `X-Forwarded-For`, `-Proto`, `-Host`
and `-Prefix` of all other peers are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

Network = IPv4Network | IPv6Network
_HOPS = 20
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?", re.ASCII)
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]{1,64}){1,10}", re.ASCII)
_PORT = re.compile(r"\[(.*)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+")


def parse(text: str) -> tuple[Network, ...]:
    """Addresses and networks, with commas between them; raises ValueError."""
    return tuple(ip_network(one.strip()) for one in text.split(",") if one.strip())


def faults(text: str) -> Iterator[str]:
    """What is wrong with the variable, a line a fault."""
    for one in text.split(","):
        try:
            parse(one)
        except ValueError as error:
            yield f"{error}; name addresses or networks such as 10.0.0.2 or 10.0.0.0/24, with commas between"


def is_trusted(address: str, trusted: Iterable[Network]) -> bool:
    """Is this the address of a proxy that was named?"""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(mapped in network for network in trusted if network.version == mapped.version)


def client_of(peer: str, forwarded_for: str, trusted: Iterable[Network]) -> str:
    """Whom a request is from: the last address that no trusted proxy has."""
    trusted, client = tuple(trusted), peer
    for hop in reversed(forwarded_for.split(",")[-_HOPS:]):
        if not is_trusted(client, trusted):
            break
        address = _address(hop)
        if address is None:
            break
        client = address
    return client


def _address(hop: str) -> str | None:
    with_port = _PORT.fullmatch(hop.strip())
    text = (with_port[1] or with_port[2]) if with_port else hop.strip()
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def is_prefix(text: str) -> bool:
    """True for a path such as `/power` or `/tools/power`, under which the service can be reached."""
    return bool(_PREFIX.fullmatch(text)) and ".." not in text


def set_prefix(environ: dict[str, Any], prefix: str) -> None:
    """Have a WSGI request begin with this prefix, whether or not the proxy has removed it from the path."""
    environ["SCRIPT_NAME"] = prefix
    path = str(environ.get("PATH_INFO", ""))
    if path == prefix or path.startswith(f"{prefix}/"):
        environ["PATH_INFO"] = path.removeprefix(prefix) or "/"


class Forwarded:
    """A WSGI application that sees a request as the client sent it to the named proxy."""

    def __init__(self, application: Callable[..., Any], trusted: tuple[Network, ...]) -> None:
        self._application, self._trusted = application, trusted

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        peer = str(environ.get("REMOTE_ADDR", ""))
        if is_trusted(peer, self._trusted):
            environ["REMOTE_ADDR"] = client_of(peer, environ.get("HTTP_X_FORWARDED_FOR", ""), self._trusted)
            _believe(environ)
        return self._application(environ, start)


def _believe(environ: dict[str, Any]) -> None:
    scheme = _nearest(environ, "PROTO").lower()
    if scheme in {"http", "https"}:
        environ["wsgi.url_scheme"] = scheme
    if _HOST.fullmatch(host := _nearest(environ, "HOST")):
        environ["HTTP_HOST"] = host
    if is_prefix(prefix := _nearest(environ, "PREFIX").rstrip("/")):
        set_prefix(environ, prefix)


def _nearest(environ: dict[str, Any], name: str) -> str:
    """What the nearest proxy says, which is the one that is trusted."""
    return str(environ.get(f"HTTP_X_FORWARDED_{name}", "")).rpartition(",")[2].strip()
