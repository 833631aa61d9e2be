"""The command line of the web server: one process, and a thread for each request, stream and wait.

Streams and waits block a thread each, and their limits are below THREADS, so that threads remain for other
requests. The server creates threads only when it needs them.
"""

from __future__ import annotations

import sys
from pathlib import Path

THREADS = 700
STREAMS = 540
"""Event streams at the same time; a further one is answered with 429."""
READERS = 16
"""Clients that read logs at the same time; each costs a worker some work."""
WAITS = 60
"""Requests that wait for a window at the same time; a further one is answered at once."""
_CONNECTIONS = 4000
_SHARED_MEMORY = Path("/dev/shm")


def command(host: str, port: int, *, python: str = sys.executable) -> list[str]:
    """The command line of a server on an address and port."""
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
        # Streams have no end; a stop waits this long for them.
        *("--graceful-timeout", "2"),
        # No header of a client may set the address, scheme or path.
        *("--forwarder-headers", ""),
        *("--forwarded-allow-ips", ""),
        "--no-control-socket",
        *(("--worker-tmp-dir", str(_SHARED_MEMORY)) if _SHARED_MEMORY.is_dir() else ()),
    ]
