"""One service of VX11, in small: says over HTTP who it is, and leaves at once on TERM.

    service.py NAME            serve on port 8000; first reach PEERS; healthy after READY_AFTER seconds
    service.py probe PORT      a healthcheck: does an HTTP service on this host say 200?
    service.py ping PORT       a healthcheck: does a Redis-compatible server on this host say PONG?

It speaks through bare sockets, because importing the HTTP package costs more time than the rest of the start.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time

PORT = 8000


def main(arguments: list[str]) -> int:
    """Do what the command says; the exit code is the container's, or the healthcheck's."""
    match arguments:
        case ["probe", port]:
            return probe(int(port))
        case ["ping", port]:
            return ping(int(port))
        case [name]:
            serve(name)
            return 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2


def serve(name: str) -> None:
    """Answer until TERM."""
    # The first process of a container ignores TERM unless it says otherwise.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    if name == "manifestator":
        manifest()
    for peer in os.environ.get("PEERS", "").split():
        greet(peer)
    ready_at = time.monotonic() + float(os.environ.get("READY_AFTER", "0"))
    with socket.create_server(("", PORT), backlog=64) as server:
        print(f"{name}: listening on {PORT}", flush=True)
        while True:
            connection, _ = server.accept()
            with connection:
                answer(connection, name, time.monotonic() >= ready_at)


def manifest() -> None:
    """Fail as the original did: its image was built without the module that it imports."""
    import switch  # type: ignore[import-not-found]

    switch.start()


def greet(peer: str) -> None:
    """Reach a service this one depends on; one that is not there is a reason to exit."""
    host, port = peer.split(":")
    with socket.create_connection((host, int(port)), timeout=5):
        print(f"reached {peer}", flush=True)


def answer(connection: socket.socket, name: str, ready: bool) -> None:
    """Read one request, whatever it asks for, and say who is here and whether it is ready."""
    connection.settimeout(2)
    try:
        connection.recv(4096)
        status = "200 OK" if ready else "503 Service Unavailable"
        body = f'{{"service": "{name}", "ready": {str(ready).lower()}}}\n'
        head = f"HTTP/1.0 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall((head + body).encode())
    except OSError:
        # A peer that only knocked, or went away, is no fault of ours.
        return


def probe(port: int) -> int:
    """Return 0 when the HTTP service on this host answers 200."""
    return _exchange(port, b"GET /health HTTP/1.0\r\n\r\n", b"HTTP/1.0 200")


def ping(port: int) -> int:
    """Return 0 when the Redis-compatible server on this host answers PONG."""
    return _exchange(port, b"PING\r\n", b"+PONG")


def _exchange(port: int, question: bytes, expected: bytes) -> int:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(question)
            reply = connection.recv(256)
    except OSError as error:
        print(error)
        return 1
    print(reply.split(b"\r\n")[0].decode(errors="replace"))
    return 0 if reply.startswith(expected) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
