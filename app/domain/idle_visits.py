"""Is a request still under way to a service whose wake window is about to end?

A proxy reports the begin of a request and never its end. Shortly before the deadline the worker therefore
counts the traffic of the service's containers twice or more. If it grows, a request is under way, and the
window is extended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

LOOK = timedelta(seconds=4)
"""How long before a deadline the checks begin, unless a window without visits is short."""
SHORTEST_EXTENSION = 10.0
"""Seconds that a window is lengthened by at least, each time that a request is seen under way."""
HEADERS = 66
"""Bytes of an Ethernet, IPv4 and TCP header with the time stamps that Linux sends."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes and packets that containers have received and sent on their networks since they began."""

    received: int = 0
    packets_in: int = 0
    sent: int = 0
    packets_out: int = 0

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(
            self.received + other.received,
            self.packets_in + other.packets_in,
            self.sent + other.sent,
            self.packets_out + other.packets_out,
        )


def in_use(before: Traffic, after: Traffic) -> bool:
    """Was there traffic with content in both directions in between?

    ARP, acknowledgements and keep-alives are no longer than the headers of a packet. Traffic in one
    direction, such as a broadcast, is no conversation.
    """
    packets_in, packets_out = after.packets_in - before.packets_in, after.packets_out - before.packets_out
    if packets_in <= 0 or packets_out <= 0:
        return False
    received, sent = after.received - before.received, after.sent - before.sent
    return received > HEADERS * packets_in or sent > HEADERS * packets_out


def check_lead(ttl: float) -> timedelta:
    """How long before its deadline a window is checked: at most half of `ttl`, its seconds without visits."""
    return min(LOOK, timedelta(seconds=ttl / 2))
