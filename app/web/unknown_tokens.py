"""Count the unknown tokens that each address sends, and refuse more of them for a while.

A token is looked up before this is asked, so a good one is never slowed, wherever it comes from.
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
"""Unknown tokens of one address in so many seconds that are answered as such."""
ADDRESSES = 1000
"""Addresses that are remembered at most; the one that was heard of the longest ago is dropped."""


@dataclass
class UnknownTokens:
    """One for a front; its threads share it."""

    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _sent: OrderedDict[str, tuple[float, int]] = field(default_factory=OrderedDict)

    def wait(self, address: str) -> int:
        """Count an unknown token of this address; the seconds that it is to wait, 0 where it need not."""
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
    """Of IPv6 the network of 64 bits, of which one client has every address."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network(f"{known}/64", strict=False)) if known.version == 6 else address
