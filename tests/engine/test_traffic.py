"""What real containers have received and sent, as the engine tells it."""

from __future__ import annotations

from app.domain.idle_visits import Traffic
from tests.engine.stacks import Stack, python, running, until

SPEAKS = """
import socket
while True:
    with socket.create_connection(("ear", 8000)) as speaker:
        speaker.sendall(b"word")
        speaker.recv(4)
    time.sleep(0.2)
"""
HEARS = """
import socket
server = socket.create_server(("", 8000))
while True:
    connection, _ = server.accept()
    with connection:
        connection.recv(4)
        connection.sendall(b"word")
"""


def traffic(stack: Stack, service: str) -> Traffic | None:
    usage = stack.engine.usage(stack.ids(service)[0])
    assert usage
    return usage.traffic


def test_one_without_a_network_of_its_own_is_not_measured(stack: Stack) -> None:
    stack.write({name: running(network_mode=name) for name in ("none", "host")})
    stack.by_hand("up", "-d")
    assert traffic(stack, "none") is None
    assert traffic(stack, "host") is None


def test_both_ends_of_a_conversation_have_moved_bytes_and_one_beside_them_has_not(stack: Stack) -> None:
    subnet = {"ipam": {"config": [{"subnet": "10.213.255.240/28"}]}}
    services = {"mouth": python(SPEAKS, depends_on=["ear"]), "ear": python(HEARS), "beside": running()}
    stack.write(services)
    stack.define(services, networks={"default": subnet})
    stack.by_hand("up", "-d")

    def spoken(service: str) -> bool:
        moved = traffic(stack, service)
        return moved is not None and moved.packets_in > 5 and moved.packets_out > 5

    until(lambda: spoken("mouth") and spoken("ear"), "they speak")
    beside = traffic(stack, "beside")
    assert beside
    assert beside.sent < 1000
