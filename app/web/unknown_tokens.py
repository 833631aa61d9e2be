"""Count the unknown tokens that each address sends, and refuse more of them for a while.

A known token is never counted here, so it is accepted from every address at any time.
"""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

ALLOWED, COUNTING_SECONDS = 20, 60.0
"""Unknown tokens of one address, in this many seconds, before further ones are answered with 429."""
ADDRESSES = 1000
"""Addresses in memory at most; the one with the oldest request is dropped."""


@dataclass
class UnknownTokens:
    """One for each web process; its threads share it."""

    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _sent: OrderedDict[str, tuple[float, int]] = field(default_factory=OrderedDict)

    def wait(self, address: str) -> int:
        """Count an unknown token of this address; return the seconds to wait, 0 below the limit."""
        now, network = self.clock(), _network(address)
        with self._lock:
            ends, number = self._sent.pop(network, (now + COUNTING_SECONDS, 0))
            if ends <= now:
                ends, number = now + COUNTING_SECONDS, 0
            self._sent[network] = ends, number + 1
            while len(self._sent) > ADDRESSES:
                self._sent.popitem(last=False)
        return math.ceil(ends - now) if number >= ALLOWED else 0

    def __len__(self) -> int:
        return len(self._sent)


def _network(address: str) -> str:
    """The /64 network of an IPv6 address, since one client has all of its addresses; IPv4 as it is."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network(f"{parsed}/64", strict=False)) if parsed.version == 6 else address
