"""A wire that can be cut: every connection to database, broker and engines goes through one.

cut        connections are reset and new ones refused, until it is mended
silence    nothing is passed on, without an error; once mended, what was held back arrives
half-open  the same, but the connections of that time stay dead for ever
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

Done = TypeVar("Done")
_RESET = struct.pack("ii", 1, 0)


@dataclass(eq=False)
class _Gate:
    """What one connection's bytes go through; a connection may be left behind a closed one."""

    through: asyncio.Event


@dataclass
class Wire:
    """One way in, for one client to one server. `mode` is what is wrong with it, if anything."""

    name: str
    target: Path
    listen: Path | int
    mode: str = ""
    _gates: dict[asyncio.Task[None], _Gate] = field(default_factory=dict)

    async def serve(self) -> asyncio.Server:
        if isinstance(self.listen, Path):
            return await asyncio.start_unix_server(self._accept, self.listen)
        return await asyncio.start_server(self._accept, "127.0.0.1", self.listen)

    async def breaks(self, mode: str) -> None:
        self.mode = mode
        for task, gate in list(self._gates.items()):
            if mode == "cut":
                task.cancel()
            else:
                gate.through.clear()

    async def mended(self) -> None:
        dead, self.mode = self.mode == "half-open", ""
        for gate in self._gates.values():
            if not dead:
                gate.through.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        gate = _Gate(asyncio.Event())
        if self.mode in {"", "cut"}:
            gate.through.set()
        self._gates[task] = gate
        try:
            if self.mode == "cut":
                _reset(writer)
            else:
                await self._pass(reader, writer, gate)
        except (OSError, asyncio.CancelledError):
            _reset(writer)
        finally:
            del self._gates[task]
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: _Gate) -> None:
        await gate.through.wait()
        there, back = await asyncio.open_unix_connection(self.target)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_pump(reader, back, gate))
                both.create_task(_pump(there, writer, gate))
        except* OSError:
            _reset(writer)
        finally:
            back.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, gate: _Gate) -> None:
    while some := await source.read(65536):
        await gate.through.wait()
        sink.write(some)
        await sink.drain()
    await gate.through.wait()
    with contextlib.suppress(OSError):
        sink.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection the hard way where that was asked for; a unix socket only knows the soft one."""
    with contextlib.suppress(OSError):
        connection: socket.socket | None = writer.get_extra_info("socket")
        if connection is not None and connection.family == socket.AF_INET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


class Wires:
    """All wires of a run, on an event loop and a thread of their own."""

    def __init__(self) -> None:
        self.all: dict[str, Wire] = {}
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wires", daemon=True)
        self._thread.start()

    def lay(self, name: str, target: Path, listen: Path | int) -> Wire:
        wire = Wire(name, target, listen)
        self._servers.append(self._do(wire.serve()))
        self.all[name] = wire
        return wire

    def matching(self, name: str) -> list[str]:
        """`broker:*` is every wire to the broker."""
        where, _, _ = name.partition(":*")
        return [
            one for one in self.all if one == name or (name.endswith(":*") and one.startswith(f"{where}:"))
        ]

    def breaks(self, name: str, mode: str) -> None:
        self._do(self.all[name].breaks(mode))

    def mended(self, name: str) -> None:
        self._do(self.all[name].mended())

    def close(self) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        # What was closed is let go of in the loop's next turn.
        await asyncio.sleep(0)

    def _do(self, work: Coroutine[Any, Any, Done]) -> Done:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
