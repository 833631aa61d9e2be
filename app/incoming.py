"""What has come of a request, and what a client has not yet taken of an answer."""

from __future__ import annotations

import socket
from typing import Any

_HEADER, _BODY = 64 * 1024, 64 * 1024 + 4096


class Client:
    """A socket whose `sendall` never waits: what the client does not take is left in `unsent`.

    An answer without an end sets a timeout, and waits for as long as that.
    """

    def __init__(self, own: socket.socket) -> None:
        self.own, self.unsent, self._patience = own, bytearray(), 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)

    def settimeout(self, seconds: float | None) -> None:
        self.own.settimeout(seconds)
        self._patience = seconds or 0.0

    def sendall(self, data: bytes) -> None:
        if self.unsent:
            self.unsent += data
            return
        rest = memoryview(data)[self._taken(data) :]
        if rest and self._patience:
            self.own.sendall(rest)
        else:
            self.unsent += rest

    def flush(self) -> bool:
        """Send what the client takes now; is nothing left?"""
        del self.unsent[: self._taken(self.unsent)]
        return not self.unsent

    def _taken(self, data: bytes | bytearray) -> int:
        try:
            return self.own.send(data, socket.MSG_DONTWAIT) if data else 0
        except BlockingIOError:
            return 0


class Incoming:
    """What has come of one request."""

    def __init__(self, data: bytes = b"") -> None:
        self.data, self.oversized = bytearray(data), False
        """Oversized: nothing is read beyond what came, and the connection ends with the answer."""
        self._body, self._length, self._chunked = -1, 0, False

    def needs_continue(self) -> bool:
        return self._body >= 0 and b"100-continue" in bytes(self.data[: self._body]).lower()

    def forwarded_for(self) -> str:
        """What the header says of whom it was sent on for; nothing before it is whole."""
        lines = bytes(self.data[: max(self._body, 0)]).split(b"\r\n")
        named = (line.partition(b":") for line in lines)
        said = [value for name, _, value in named if name.strip().lower() == b"x-forwarded-for"]
        return b",".join(said).decode("latin1")

    def is_whole(self) -> bool:
        """Is there nothing more to wait for? A request that cannot be read is whole: it is to be refused."""
        if self._body < 0 and not self._read_header():
            self.oversized = len(self.data) > _HEADER
            return self.oversized
        came = len(self.data) - self._body
        if (self._length if not self._chunked else came) > _BODY:
            self.oversized = True
            return came >= min(_BODY, self._length) or not self._chunked
        return self._chunks_end() if self._chunked else came >= self._length

    def _read_header(self) -> bool:
        end = self.data.find(b"\r\n\r\n")
        if end < 0:
            return False
        self._body = end + 4
        # A proxy that asks for a visitor may send the visitor's headers and keep the body.
        asked = self.data.startswith((b"GET /wake/", b"HEAD /wake/"))
        for line in bytes(self.data[:end]).lower().split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name == b"content-length" and value.strip().isdigit():
                self._length = int(value[:20])
            elif name == b"transfer-encoding" and b"chunked" in value:
                self._chunked = True
        if asked and (self._length or self._chunked):
            self.oversized, self._length, self._chunked = True, 0, False
        return True

    def _chunks_end(self) -> bool:
        at = self._body
        while True:
            end = self.data.find(b"\r\n", at)
            if end < 0:
                return len(self.data) - at > 1024
            try:
                size = int(bytes(self.data[at:end]).partition(b";")[0], 16)
            except ValueError:
                return True
            if size == 0:
                return self.data.startswith(b"\r\n", end + 2) or self.data.find(b"\r\n\r\n", end) >= 0
            at = end + 2 + size + 2
            if at > len(self.data):
                return False
