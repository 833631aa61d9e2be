"""The listening socket of the web server, which the supervisor binds and its web children inherit."""

from __future__ import annotations

import errno
import socket

from power_windows.errors import Failed


def create_listener(host: str, port: int) -> socket.socket:
    """Return a listening TCP socket that the caller closes. Raises Failed, which names the host and port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # create_server leaves its socket open when the host name cannot be encoded, so that is checked first.
        host.encode("idna")
        return socket.create_server((host, port), family=family, backlog=2048)
    except UnicodeError as error:
        raise Failed(f"cannot listen on {host!r}: it is no name of a host") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Failed(f"port {port} on {host} is in use; choose another with --port") from error
        raise Failed(f"cannot listen on {host}, port {port}: {error}") from error


def is_port_free(port: int) -> bool:
    """Whether a TCP port on 127.0.0.1 can be bound now."""
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
