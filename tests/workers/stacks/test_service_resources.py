"""Published ports and limits, as `docker compose config --format json` prints them."""

from __future__ import annotations

from typing import Any

import pytest

from workers.stacks.service_resources import cpu_limit, memory_limit, published_ports

WEB = {"mode": "ingress", "target": 80, "published": "8080", "protocol": "tcp"}


@pytest.mark.parametrize(
    ("ports", "published"),
    [
        ([WEB], ("8080",)),
        ([WEB | {"host_ip": "127.0.0.1"}, WEB | {"host_ip": "0.0.0.0"}], ("127.0.0.1:8080", "8080")),
        ([WEB, WEB | {"host_ip": "::"}], ("8080",)),
        ([WEB | {"protocol": "udp"}, WEB | {"published": "8080-8090"}, {"target": 80}], ()),
        (None, ()),
    ],
)
def test_published_ports(ports: Any, published: tuple[str, ...]) -> None:
    assert published_ports({"ports": ports}) == published


@pytest.mark.parametrize(
    ("raw", "memory", "cpus"),
    [
        ({"mem_limit": "536870912", "cpus": 1.5}, 536870912, 1.5),
        ({"deploy": {"resources": {"limits": {"cpus": "0.50", "memory": "67108864"}}}}, 67108864, 0.5),
        ({"deploy": {"resources": {"reservations": {"memory": "1"}}}}, 0, 0.0),
        ({"mem_limit": "x", "cpus": None}, 0, 0.0),
    ],
)
def test_limits(raw: dict[str, Any], memory: int, cpus: float) -> None:
    assert (memory_limit(raw), cpu_limit(raw)) == (memory, cpus)
