"""One open stream of server-sent events, read as entries of the audit trail."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import cast

import httpx

from power_windows.payloads import Entry


class Stream:
    """The entries of one response, until it ends; iterating raises httpx.RequestError where it breaks.

    `hang_up` ends it from another thread.
    """

    last_id: str | None = None
    """The id of the last event that was read completely; None before the first."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[Entry]:
        data: list[str] = []
        event_id = self.last_id
        for line in self._response.iter_lines():
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "id":
                event_id = value
            elif name == "data":
                data.append(value)
            elif not line:
                # Not earlier: the server must send an event again if the stream broke inside it.
                self.last_id = event_id
                if data and (entry := _entry("\n".join(data))):
                    yield entry
                data = []

    def hang_up(self) -> None:
        """Shut the connection down, so that a thread that reads from it stops waiting."""
        connection = self._response.extensions["network_stream"].get_extra_info("socket")
        # The server may have closed it already.
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _entry(data: str) -> Entry | None:
    """Return the entry of an event; None where the data is not JSON."""
    try:
        return cast(Entry, json.loads(data))
    except ValueError:
        return None
