"""Listening sockets of a container's processes, and the holder of a port of the host.

Read from /proc, and only where the engine runs on this machine and shows its processes here.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator
from pathlib import Path

from workers.engine.client import Engine
from workers.engine.containers import PROJECT, SERVICE, labels_of

_LISTEN = "0A"
_DOCKER_DNS = "127.0.0.11"
_PROC = Path("/proc")


def listening(pid: int, container: str, proc: Path = _PROC) -> tuple[str, ...] | None:
    """`address:port` of each TCP socket that listens in a container's network; None where it cannot be read.

    `pid` is the engine's; a process of that number may be another where the engine runs elsewhere.
    """
    process = proc / str(pid)
    try:
        if pid <= 0 or container not in (process / "cgroup").read_text():
            return None
        sockets = [one for name in ("tcp", "tcp6") for one in _sockets(process / "net" / name)]
    except OSError:
        return None
    ports = {f"{address}:{port}" for address, port, _inode in sockets if address != _DOCKER_DNS}
    return tuple(sorted(ports))


def port_holder(engine: Engine, port: int, proc: Path = _PROC) -> str:
    """What holds a port of the host, in words; empty where that is not known."""
    for line in engine.ask(lambda client: client.containers()):
        if any(one.get("PublicPort") == port for one in line.get("Ports") or []):
            return _holder_name(line)
    if not engine.endpoint.host.startswith("unix://"):
        return ""
    with contextlib.suppress(OSError):
        inodes = {
            inode
            for name in ("tcp", "tcp6")
            for _, one, inode in _sockets(proc / "net" / name)
            if one == port
        }
        return _process_with(inodes, proc)
    return ""


def _holder_name(line: dict[str, object]) -> str:
    names = line.get("Names")
    name = str(names[0]).lstrip("/") if isinstance(names, list) and names else str(line.get("Id"))[:12]
    labels = labels_of(line)
    owner = f" (service {labels[SERVICE]} of project {labels[PROJECT]})" if SERVICE in labels else ""
    return f"container {name}{owner}"


def _sockets(path: Path) -> Iterator[tuple[str, int, str]]:
    """Address, port and inode of each socket that listens, from one of the kernel's tables."""
    for line in path.read_text().splitlines()[1:]:
        words = line.split()
        if len(words) > 9 and words[3] == _LISTEN:
            address, _, port = words[1].partition(":")
            yield _address(address), int(port, 16), words[9]


def _address(digits: str) -> str:
    raw = b"".join(bytes.fromhex(digits[place : place + 8])[::-1] for place in range(0, len(digits), 8))
    address = ipaddress.ip_address(raw)
    return f"[{address}]" if address.version == 6 else str(address)


def _process_with(inodes: set[str], proc: Path) -> str:
    wanted = {f"socket:[{inode}]" for inode in inodes}
    if not wanted:
        return ""
    for process in proc.iterdir():
        if process.name.isdigit() and wanted & set(_descriptors(process / "fd")):
            return f"the program {(process / 'comm').read_text().strip()} (process {process.name})"
    return ""


def _descriptors(folder: Path) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for one in folder.iterdir():
            with contextlib.suppress(OSError):
                yield str(one.readlink())
