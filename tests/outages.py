"""Ways for a database to be away: killed, frozen, or behind a line that has gone silent."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from pathlib import Path

from sqlalchemy import make_url

from tests.databases import Postgres


class Server(Postgres):
    """A PostgreSQL of a test's own, to be killed and frozen as it likes."""

    def freeze(self) -> None:
        """From here on it neither answers nor hangs up."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._server.wait()

    def start(self) -> None:
        """Again, with all that was committed."""
        self._server = self._start()

    def stop(self) -> None:
        self.thaw()
        super().stop()

    def _signal(self, number: signal.Signals) -> None:
        # The postmaster first, lest it starts a new child between.
        for pid in (self._server.pid, *_children(self._server.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _children(pid: int) -> list[int]:
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").glob("*/children")
        for child in task.read_text().split()
    ]


class Line:
    """A TCP line to a server on a unix socket; cut, it takes everything and passes on nothing."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)
        self._silent = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The same database, at this end of the line."""
        host, port = self._listener.getsockname()[:2]
        query = {"host": host, "port": str(port), "sslmode": "disable"}
        return self._url.set(query=query).render_as_string(hide_password=False)

    @property
    def beyond(self) -> str:
        """The same database, for a client at the other end."""
        return self._url.render_as_string(hide_password=False)

    def cut(self) -> None:
        self._silent.set()

    def mend(self) -> None:
        """For new connections; what was underway when it was cut is lost."""
        self._hang_up()
        self._silent.clear()

    def close(self) -> None:
        self._listener.close()
        self._hang_up()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                there = socket.socket(socket.AF_UNIX)
                self._open += [here, there]
                try:
                    there.connect(f"{self._url.query['host']}/.s.PGSQL.5432")
                except OSError:
                    here.close()
                    continue
                for one, other in ((here, there), (there, here)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while received := one.recv(65536):
                if not self._silent.is_set():
                    other.sendall(received)
            if not self._silent.is_set():
                other.shutdown(socket.SHUT_WR)

    def _hang_up(self) -> None:
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()
