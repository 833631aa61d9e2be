"""How the front is served: one process, and a thread for each request, stream and wait.

The numbers belong together. Streams and waits block a thread each and are capped, so
that threads are left for other requests; threads are made only when they are needed.
"""

from __future__ import annotations

import sys
from pathlib import Path

THREADS = 700
STREAMS = 540
"""Event streams open at the same time; the next one is told to come back later."""
READERS = 16
"""Those who read logs at the same time; each costs a worker some work."""
WAITS = 60
"""Requests that wait for a window at the same time; the next one is answered at once."""
_CONNECTIONS = 4000
_SHARED_MEMORY = Path("/dev/shm")


def command(host: str, port: int, *, python: str = sys.executable) -> list[str]:
    """The command line of a server on an address of its own."""
    return serving(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", python=python)


def serving(bind: str, *, python: str = sys.executable) -> list[str]:
    """The command line of a server on anything gunicorn binds to, such as `fd://3`."""
    return [
        *(python, "-m", "gunicorn", "app.web.console:create_app()"),
        *("--bind", bind),
        *("--worker-class", "app.web.server.connections.BufferingWorker"),
        *("--workers", "1"),
        *("--threads", str(THREADS)),
        *("--worker-connections", str(_CONNECTIONS)),
        *("--keep-alive", "75"),
        *("--timeout", "60"),
        # Streams have no end of their own; this is how long a stop waits for them.
        *("--graceful-timeout", "2"),
        # No header of a client stands for an address, a scheme or a path of ours.
        *("--forwarder-headers", ""),
        *("--forwarded-allow-ips", ""),
        "--no-control-socket",
        *(("--worker-tmp-dir", str(_SHARED_MEMORY)) if _SHARED_MEMORY.is_dir() else ()),
    ]
