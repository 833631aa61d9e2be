"""Buffers of a connection: the received part of a request, and the unsent part of a response."""

from __future__ import annotations

import re
import socket
from typing import Any

_HEADER, _BODY = 64 * 1024, 64 * 1024 + 4096
_SIZE_LINE = 1024
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[\t -~]*)?$")
"""The size line of a chunk; a negative size would be parsed for ever."""


class BufferedSocket:
    """A socket whose `sendall` does not block: bytes that the client does not take stay in `unsent`.

    Its `recv` returns nothing, since a thread gets the whole request. A response without an end sets a
    timeout, and `sendall` then blocks that long.
    """

    def __init__(self, own: socket.socket) -> None:
        self.own, self.unsent, self._send_timeout = own, bytearray(), 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)

    def recv(self, _most: int) -> bytes:
        """Return nothing: the whole request was read before."""
        return b""

    def settimeout(self, seconds: float | None) -> None:
        """Set the seconds that a send may take."""
        self.own.settimeout(seconds)
        self._send_timeout = seconds or 0.0

    def sendall(self, data: bytes) -> None:
        """Send what the client can read now; keep the rest for the main loop."""
        if self.unsent:
            self.unsent += data
            return
        rest = memoryview(data)[self._send_now(data) :]
        if rest and self._send_timeout:
            self.own.sendall(rest)
        else:
            self.unsent += rest

    def flush(self) -> bool:
        """Send what the client can read now; return True where nothing is left."""
        del self.unsent[: self._send_now(self.unsent)]
        return not self.unsent

    def _send_now(self, data: bytes | bytearray) -> int:
        try:
            return self.own.send(data, socket.MSG_DONTWAIT) if data else 0
        except BlockingIOError:
            return 0


class RequestReader:
    """The received part of one request. Each byte is parsed once, in pieces of any size."""

    def __init__(self, data: bytes = b"") -> None:
        self.data, self.oversized = bytearray(data), False
        """Oversized: no more is read, and the connection is closed after the response."""
        self._scanned, self._body, self._length, self._chunked = 0, -1, 0, False
        self._expects, self._forwarded, self._chunks = False, list[bytes](), bytearray()

    def whole_request(self) -> bytes:
        """The request with all its chunks as one, since parsing very many chunks costs a thread its time."""
        if not self._chunks:
            return bytes(self.data)
        one = b"%x\r\n%b\r\n" % (len(self._chunks), bytes(self._chunks))
        return bytes(self.data[: self._body]) + one + bytes(self.data[self._scanned :])

    def needs_continue(self) -> bool:
        """True where the client waits for `100 Continue`."""
        return self._expects

    def forwarded_for(self) -> str:
        """The value of X-Forwarded-For; empty until the header is complete."""
        return b",".join(self._forwarded).decode("latin1")

    def is_whole(self) -> bool:
        """True where no more bytes are needed; also for a request that cannot be parsed, which is refused."""
        if self._body < 0 and not self._read_header():
            self.oversized = len(self.data) > _HEADER
            return self.oversized
        received = len(self.data) - self._body
        if (self._length if not self._chunked else received) > _BODY:
            self.oversized = True
            return received >= min(_BODY, self._length) or not self._chunked
        return self._chunks_end() if self._chunked else received >= self._length

    def _read_header(self) -> bool:
        end = self.data.find(b"\r\n\r\n", max(self._scanned - 3, 0))
        self._scanned = len(self.data)
        if end < 0:
            return False
        self._body = self._scanned = end + 4
        for line in bytes(self.data[:end]).split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            self._note(name.strip().lower(), value.strip())
        # A proxy that authorizes a visitor may send the visitor's headers without the body.
        is_wake_request = self.data.startswith((b"GET /wake/", b"HEAD /wake/"))
        if is_wake_request and (self._length or self._chunked):
            self.oversized, self._length, self._chunked = True, 0, False
        return True

    def _note(self, name: bytes, value: bytes) -> None:
        if name == b"content-length" and value.isdigit():
            self._length = int(value.lstrip(b"0")[:20] or b"0")
        elif name == b"transfer-encoding" and b"chunked" in value.lower():
            self._chunked = True
        elif name == b"expect" and b"100-continue" in value.lower():
            self._expects = True
        elif name == b"x-forwarded-for":
            self._forwarded.append(value)

    def _chunks_end(self) -> bool:
        while True:
            end = self.data.find(b"\r\n", self._scanned)
            if end < 0:
                return len(self.data) - self._scanned > _SIZE_LINE
            size = _SIZE.match(self.data, self._scanned, end)
            if size is None:
                return True
            chunk = int(size[1], 16)
            if chunk == 0:
                return self.data.startswith(b"\r\n", end + 2) or self.data.find(b"\r\n\r\n", end) >= 0
            last = end + 2 + chunk
            if len(self.data) < last + 2:
                return False
            if not self.data.startswith(b"\r\n", last):
                return True
            self._chunks += self.data[end + 2 : last]
            self._scanned = last + 2
