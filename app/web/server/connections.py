r"""The web server's worker: threads get whole requests and never wait for a client.

gunicorn's threaded worker reads a request and writes its answer in a thread, so as many half-open clients
as there are threads stop the server. Here the main loop reads each request until it is whole, and sends what
a client was too slow to take. Silent clients, half headers, half bodies and readers that do not read
cost a descriptor and a little memory, until a deadline. Where an address has too many of them, its
oldest is closed.

    accepted ---> reading ---> whole: a thread ---> sent ---> reading the next one
                     |                      \---> writing ---^
                     +--- deadline, limit: closed
"""

from __future__ import annotations

import contextlib
import errno
import resource
import selectors
import socket
import time
from typing import Any

from gunicorn import util
from gunicorn.workers.gthread import TConn, ThreadWorker

from app.settings.trusted_proxies import client_of, is_trusted
from app.web.server.error_pages import HeaderCompletingSocket
from app.web.server.request_reader import BufferedSocket, RequestReader

REQUEST_SECONDS = 10.0
"""Seconds for the header and the body of a request together."""
WRITE_SECONDS = 20.0
"""Seconds for a client to read the rest of a response."""
LINGER_SECONDS = 2.0
"""Seconds for a client to close a connection that the server has closed."""
PER_ADDRESS = 128
"""Connections of one address that wait for the client; a further one closes the oldest."""
_DESCRIPTORS = 8192
_AT_ONCE = 64
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(TConn):  # type: ignore[misc]
    """One client connection, with its partial request and its deadline."""

    def __init__(self, cfg: Any, client: BufferedSocket, address: Any, server: Any) -> None:
        super().__init__(cfg, client, address, server)
        self.peer = self.host = address[0] if isinstance(address, tuple) else ""
        self.incoming, self.deadline, self.continued = RequestReader(), 0.0, False
        self.close_after, self.lingering = False, False

    def writing(self) -> bool:
        """True while a part of the answer is not sent yet."""
        return bool(self.sock.unsent)


class BufferingWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threaded worker, with the main loop reading and writing for clients that are slow."""

    def init_process(self) -> None:
        """Raise the limit of open files, then begin."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        limit = max(soft, wanted) if soft != resource.RLIM_INFINITY else _DESCRIPTORS
        self._most = min(self.worker_connections, limit - 200) - 1
        self._waiting: dict[str, dict[Connection, None]] = {}
        super().init_process()

    def load_wsgi(self) -> None:
        """Load the application, and take the trusted proxies and headers from it."""
        super().load_wsgi()
        config = getattr(self.wsgi, "config", {})
        self._trusted, self._headers = config.get("TRUSTED_PROXIES", ()), config.get("EVERY_ANSWER", {})

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Any) -> None:
        """Answer an unreadable request with gunicorn's page and the headers of every answer."""
        super().handle_error(req, HeaderCompletingSocket(client, self._headers), addr, exc)

    def accept(self, listener: socket.socket) -> None:
        """Accept waiting connections, a bounded number at a time."""
        for _ in range(_AT_ONCE):
            try:
                connected, address = listener.accept()
            except OSError as error:
                if error.errno in {errno.EMFILE, errno.ENFILE}:
                    self._close_oldest(self._fullest())
                elif error.errno not in {errno.EAGAIN, errno.ECONNABORTED}:
                    raise
                return
            self.nr_conns += 1
            conn = Connection(self.cfg, BufferedSocket(connected), address, listener.getsockname())
            conn.deadline = time.monotonic() + REQUEST_SECONDS
            self._reset_client(conn)
            self._wait(conn, selectors.EVENT_READ)
            if self.nr_conns > self._most:
                self._close_oldest(self._fullest())

    def _wait(self, conn: Connection, event: int) -> None:
        conn.sock.setblocking(False)
        self.poller.register(conn.sock, event, lambda _sock: self._continue(conn))
        self._count(conn)

    def _reset_client(self, conn: Connection) -> None:
        """Count a connection of a trusted proxy for no client, until a header names the client."""
        conn.host = "" if is_trusted(conn.peer, self._trusted) else conn.peer

    def _identify_client(self, conn: Connection) -> None:
        """Count the connection of a trusted proxy for the client that the header names."""
        forwarded_for = conn.incoming.forwarded_for() if is_trusted(conn.peer, self._trusted) else ""
        host = client_of(conn.peer, forwarded_for, self._trusted)
        if not forwarded_for or host in {conn.host, conn.peer}:
            return
        self._uncount(conn)
        conn.host = host
        self._count(conn)

    def _count(self, conn: Connection) -> None:
        connections = self._waiting.setdefault(conn.host, {})
        connections[conn] = None
        if len(connections) > PER_ADDRESS and conn.host:
            self._close_oldest(conn.host)

    def _uncount(self, conn: Connection) -> None:
        connections = self._waiting[conn.host]
        del connections[conn]
        if not connections:
            del self._waiting[conn.host]

    def _leave(self, conn: Connection) -> None:
        self.poller.unregister(conn.sock)
        self._uncount(conn)

    def _continue(self, conn: Connection) -> None:
        if conn not in self._waiting.get(conn.host, {}):
            return
        try:
            done = conn.sock.flush() if conn.writing() else self._read_request(conn)
        except OSError:
            self._drop(conn)
            return
        if done is None:
            self._drop(conn)
        elif done and conn.close_after:
            self._leave(conn)
            self._linger(conn)
        elif done and conn.incoming.data:
            self._leave(conn)
            self._submit(conn)
        elif done:
            self._leave(conn)
            self._next(conn)

    def _read_request(self, conn: Connection) -> bool | None:
        """Read the arrived bytes; True where the request is whole, None where the client has left."""
        data = conn.sock.own.recv(65536)
        if not data:
            return None
        if conn.lingering:
            return False
        if not conn.incoming.data:
            conn.deadline = time.monotonic() + REQUEST_SECONDS
        conn.incoming.data += data
        whole = conn.incoming.is_whole()
        self._identify_client(conn)
        if whole:
            return True
        if not conn.continued and conn.incoming.needs_continue():
            conn.continued = True
            conn.sock.own.send(_CONTINUE)
        return False

    def _submit(self, conn: Connection) -> None:
        incoming, conn.incoming, conn.continued = conn.incoming, RequestReader(), False
        conn.sock.settimeout(None)
        conn.init()
        conn.close_after = incoming.oversized
        conn.parser.unreader.unread(incoming.whole_request())
        conn.data_ready = True
        self.enqueue_req(conn)

    def finish_request(self, conn: Connection, fs: Any) -> None:
        """After the thread: send the rest of the response, then read the next request."""
        try:
            keep = bool(not fs.cancelled() and fs.result())
        except Exception:  # noqa: BLE001
            keep = False
        conn.close_after = conn.close_after or not keep
        if conn.sock.unsent:
            conn.deadline = time.monotonic() + WRITE_SECONDS
            self._wait(conn, selectors.EVENT_WRITE)
        elif conn.close_after:
            self._linger(conn)
        else:
            self._next(conn)

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """Answer one whole request in a thread."""
        if conn.close_after:
            # The rest of a body that is too large is not read.
            req.force_close()
        return super().handle_request(req, conn)

    def _linger(self, conn: Connection) -> None:
        """Shut down sending, and close after the client: a close with unread bytes would cut the response."""
        conn.lingering, conn.deadline = True, time.monotonic() + LINGER_SECONDS
        with contextlib.suppress(OSError):
            conn.sock.shutdown(socket.SHUT_WR)
        self._wait(conn, selectors.EVENT_READ)

    def _next(self, conn: Connection) -> None:
        conn.incoming = RequestReader(conn.parser.unreader.take_buffered())
        self._reset_client(conn)
        conn.deadline = time.monotonic() + (self.cfg.keepalive if self.alive else 1.0)
        if conn.incoming.data and conn.incoming.is_whole():
            self._submit(conn)
        else:
            self._wait(conn, selectors.EVENT_READ)

    def _fullest(self) -> str:
        return max(self._waiting, key=lambda host: len(self._waiting[host]), default="")

    def _close_oldest(self, host: str) -> None:
        if connections := self._waiting.get(host):
            self._drop(next(iter(connections)))

    def _drop(self, conn: Connection) -> None:
        self._leave(conn)
        self.nr_conns -= 1
        with contextlib.suppress(OSError):
            util.close(conn.sock)

    def murder_pending(self) -> None:
        """Close every connection that has passed its deadline."""
        now = time.monotonic()
        for conn in [
            one for connections in self._waiting.values() for one in connections if one.deadline <= now
        ]:
            self._drop(conn)
