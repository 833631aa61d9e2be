"""gunicorn's own pages for requests that it cannot read, with the headers of every other answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class HeaderCompletingSocket:
    """A client's socket that adds headers to what is sent, which is one whole answer."""

    def __init__(self, own: Any, headers: Mapping[str, str]) -> None:
        self._own = own
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def sendall(self, data: bytes) -> None:
        """Send the answer, its headers after its first line."""
        status, line, rest = bytes(data).partition(b"\r\n")
        self._own.sendall(status + line + self._headers + rest)
