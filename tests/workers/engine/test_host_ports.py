"""Sockets that listen, by the kernel's tables as a folder has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.engine import host_ports

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def line(address: str, state: str = "0A", inode: int = 7) -> str:
    return f"   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  0 0 {inode} 1\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    net = tmp_path / "12" / "net"
    net.mkdir(parents=True)
    (tmp_path / "12" / "cgroup").write_text("0::/docker/abc123\n")
    dns, other = line("0B00007F:8E11"), line("0100007F:1F91", "01")
    (net / "tcp").write_text(HEAD + line("00000000:1F90") + dns + other)
    (net / "tcp6").write_text(HEAD + line("00000000000000000000000000000000:0050"))
    return tmp_path


def test_listening_ports_are_listed_without_the_name_server_of_the_engine(proc: Path) -> None:
    assert host_ports.listening(12, "abc123", proc) == ("0.0.0.0:8080", "[::]:80")


@pytest.mark.parametrize(("pid", "container"), [(12, "fff999"), (13, "abc123"), (0, "abc123")])
def test_a_process_that_is_not_the_containers_tells_nothing(proc: Path, pid: int, container: str) -> None:
    assert host_ports.listening(pid, container, proc) is None
