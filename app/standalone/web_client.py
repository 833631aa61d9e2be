"""What the supervisor asks of its own web: whether it is ready, what it serves, which windows live.

The plainest of clients, since it is loaded for as long as the standalone runs.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

UNFINISHED_STATES = ("waiting", "opening", "open", "closing")

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}


class NoAnswer(Exception):
    """The web did not answer, or not sensibly."""


@dataclass(frozen=True)
class WebClient:
    """A client of this standalone's own web server."""

    host: str
    port: int
    token: str = ""

    @property
    def url(self) -> str:
        """The address of the web server."""
        return f"http://{f'[{self._near}]' if ':' in self._near else self._near}:{self.port}"

    @property
    def _near(self) -> str:
        """An address that reaches it from here."""
        return _ANYWHERE.get(self.host, self.host)

    def readiness(self) -> tuple[bool, str]:
        """Whether it is ready, and what it says about it."""
        try:
            status, body = self.ask("GET", "/readyz")
        except NoAnswer as error:
            return False, str(error)
        return status == 200, json.dumps(body)

    def stacks(self) -> list[dict[str, Any]]:
        """All stacks, as the API answers them."""
        return list(self._items("/api/v1/stacks", {}))

    def live_windows(self) -> list[dict[str, Any]]:
        """Every window that has not ended yet, the oldest first."""
        windows = [
            window
            for state in UNFINISHED_STATES
            for window in self._items("/api/v1/windows", {"state": state})
        ]
        return sorted(windows, key=lambda window: str(window["created_at"]))

    def close(self, window: str) -> None:
        """Start closing a window."""
        body = {"reason": "the standalone stops"}
        self.ask("POST", f"/api/v1/windows/{quote(window, safe='')}/close", body)

    def _items(self, path: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        while True:
            status, page = self.ask("GET", f"{path}?{urlencode(query)}")
            if status != 200 or not isinstance(page, dict):
                raise NoAnswer(f"{path} answers {status}")
            yield from page["items"]
            if not page.get("next"):
                return
            query = {**query, "cursor": page["next"]}

    def ask(self, method: str, path: str, body: Any = None, timeout: float = 3.0) -> tuple[int, Any]:
        """One request: status and decoded body; raises NoAnswer."""
        connection = http.client.HTTPConnection(self._near, self.port, timeout=timeout)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, _decode(answer.read())
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"no answer from {self.url}: {error or type(error).__name__}") from error
        finally:
            connection.close()


def _decode(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.decode(errors="replace")
