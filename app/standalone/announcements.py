"""The messages of a standalone's start: addresses, faults of the database, stacks, children that are down."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.domain.enums import Mode, Power, Role
from app.host import node_snapshot
from app.settings import Settings
from app.standalone import logs
from app.standalone.preparation import Prepared
from app.standalone.supervisor import Supervisor
from app.standalone.terminal import Terminal
from app.standalone.web_client import NoAnswer, WebClient

_INSPECTED_WITHIN = 3.0
"""Seconds that the announcement of the stacks waits for their first inspection."""


@dataclass(frozen=True)
class StartFacts:
    """What is printed before the children start; `flower_port` is None where Flower is not run."""

    url: str
    token: str = field(repr=False)
    token_file: Path
    engine: str
    broker: str
    flower_port: int | None
    host: str


class Announcements:
    """Prints the progress of a start. `began` is the start by the monotonic clock, in seconds.

    `on_exit` ends the sentence about Ctrl-C: what happens to open windows.
    """

    def __init__(self, terminal: Terminal, settings: Settings, began: float, on_exit: str) -> None:
        self._terminal = terminal
        self._settings = settings
        self._began = began
        self._on_exit = on_exit

    def print_start(self, start: StartFacts, prepared: Prepared) -> None:
        """Print addresses and paths, then every warning about the database and the network."""
        self._print_facts(start, prepared)
        if prepared.fault:
            self._print_database_fault(prepared.fault, prepared.mends)
        if prepared.outage:
            self._print_database_outage(prepared.outage)
        if start.host not in ("127.0.0.1", "localhost", "::1"):
            self._terminal.bad(
                f"listening on {start.host}: others on the network can reach it, and their tokens "
                "travel unencrypted; put a TLS proxy before it"
            )

    def _print_facts(self, start: StartFacts, prepared: Prepared) -> None:
        data = self._settings.data_dir
        self._terminal.line("Power Windows", bold=True)
        self._terminal.line()
        self._terminal.line(f"  address  {start.url}  (to read: {start.url}/docs)")
        self._print_token(start, "  (new)" if prepared.new_token else "")
        self._terminal.line(f"  stacks   {self._settings.config}")
        self._terminal.line(f"  engine   {start.engine}")
        self._terminal.line(f"  data     {data}  (what happens: {data / 'logs'})")
        self._terminal.line(f"  broker   {start.broker}")
        if start.flower_port is not None:
            self._terminal.line(
                f"  flower   http://127.0.0.1:{start.flower_port}  (user power, password: the token)"
            )
        self._terminal.line()

    def _print_token(self, start: StartFacts, new: str) -> None:
        if sys.stdout.isatty():
            self._terminal.line(f"  token    {start.token}{new}")
            self._terminal.line(f"           kept in {start.token_file}")
        else:
            # Standard output that is no terminal may be a journal that other users read.
            self._terminal.line(f"  token    kept in {start.token_file}{new}")

    def _print_database_outage(self, outage: str) -> None:
        self._terminal.bad(
            f"the database does not answer: {outage}. It is used when it does; until then the "
            f"worker turns off what its snapshot says is on, when it is due: {self._services_on()}"
        )

    def print_not_ready(self, supervisor: Supervisor, answer: str) -> None:
        """Print the web server's last answer, and the log tails of the children that are down."""
        self._terminal.bad(
            f"not ready after {time.monotonic() - self._began:.0f} s, still trying "
            f"(`power doctor` looks for reasons): {answer}"
        )
        for child in supervisor.down() or supervisor.silent():
            self._terminal.line(f"         {child.name}, last lines of {child.log}:")
            self._terminal.quote(logs.last_lines(child.log))

    def _print_database_fault(self, fault: str, mends: Sequence[str]) -> None:
        """Print why the database cannot be used, what still works, and how to repair it."""
        self._terminal.bad(
            f"the database cannot be used: {fault}. Every request is refused; the worker turns off what its "
            f"snapshot says is on, when it is due: {self._services_on()}"
        )
        if mends:
            self._terminal.line("         stop this, then mend the database with one of these:")
            for mend in mends:
                self._terminal.line(f"           {mend}")

    def _services_on(self) -> str:
        return ", ".join(node_snapshot.services_on(self._settings.data_dir, self._settings.node))

    def print_ready(self, supervisor: Supervisor, front: WebClient) -> None:
        """Print the time that the start took, and one line per stack."""
        self._terminal.good(f"ready in {time.monotonic() - self._began:.1f} s")
        try:
            stacks = _read_inspected(supervisor, front)
        except NoAnswer as error:
            self._terminal.bad(f"the stacks cannot be listed: {error}")
            return
        for stack in stacks:
            self._print_stack(stack)
        if not stacks:
            self._terminal.bad("no stack is served; `power doctor` tells why")
        self._terminal.line("         Ctrl-C or SIGTERM stops everything" + self._on_exit)

    def _print_stack(self, stack: Mapping[str, Any]) -> None:
        rejected = stack["mode"] == Mode.REJECTED
        self._terminal.line(f"         {_stack_line(stack)}", colour="red" if rejected else None)
        for fault in stack.get("faults", []):
            self._terminal.fault(f"  {fault}")
        for fault in stack.get("refused", []):
            self._terminal.fault(f"  an edit is not in force: {fault}")


def _read_inspected(supervisor: Supervisor, front: WebClient) -> list[dict[str, Any]]:
    """The stacks once each core service has been inspected, or after `_INSPECTED_WITHIN` seconds."""
    deadline = time.monotonic() + _INSPECTED_WITHIN
    while True:
        stacks = supervisor.supervise_during(front.stacks)
        if is_inspected(stacks) or time.monotonic() >= deadline:
            return stacks
        supervisor.wait(0.1)


def is_inspected(stacks: Sequence[Mapping[str, Any]]) -> bool:
    """Is the power of every core service known, so that the modes of these stacks hold?"""
    return not any(
        service["role"] == Role.CORE and service["power"] == Power.UNKNOWN
        for stack in stacks
        for service in stack["services"]
    )


def _stack_line(stack: Mapping[str, Any]) -> str:
    if stack["mode"] == Mode.REJECTED:
        return f"{stack['name']}  {stack['mode']}  (nothing can be opened)"
    roles = [service["role"] for service in stack["services"]]
    counts = ", ".join(f"{roles.count(role)} {role}" for role in ("core", "allowed"))
    return f"{stack['name']}  {stack['mode']}  ({counts})"
