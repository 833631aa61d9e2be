"""The life of a standalone: take the directory over, prepare, start, watch, leave."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from app.domain.enums import Mode
from app.host import data_directory, engine_endpoint, snapshot_file
from app.host.engine_endpoint import BadEndpoint
from app.settings import Settings
from app.standalone import broker as brokers
from app.standalone import children, logs, process_record, shutdown
from app.standalone.broker import Broker
from app.standalone.children import Child, ChildSettings
from app.standalone.process_record import Lock, Record
from app.standalone.signals import Signals
from app.standalone.supervisor import Supervisor
from app.standalone.terminal import Terminal
from app.standalone.web_client import NoAnswer, WebClient
from power_windows import discovery
from power_windows.errors import Failed

FLOWER_PORT = 5555

# Seconds: how long a start may take before we say what is missing, and how often we say it then.
_PATIENCE = 20.0
_REMIND_EVERY = 60.0
# Closing means stopping containers, each with its own grace.
_LONGEST_CLOSING = 120.0


@dataclass(frozen=True)
class Options:
    host: str = "127.0.0.1"
    port: int = 8420
    flower: bool = False
    close_on_exit: bool = False


@dataclass(frozen=True)
class Prepared:
    new_token: bool
    server: str | None
    fault: str | None = None
    """Why the database cannot be used, where a worker starts without it for what its snapshot says is on."""
    mends: Sequence[str] = ()
    """Commands that mend it, each by itself."""
    outage: str | None = None
    """Why the database does not answer at the moment, where all start nevertheless, since something is on."""
    now: str = ""
    """The time by the house clock; empty where the database cannot be used."""


class Asked(Exception):
    """We were asked to stop before we had begun."""


class Tree:
    """One standalone, from its start to its end. `found.data_dir` is resolved."""

    def __init__(self, found: Settings, environ: Mapping[str, str], options: Options) -> None:
        self._found = found
        self._environ = environ
        self._options = options
        self._data_dir = found.data_dir
        self._began = time.monotonic()
        self._started_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._house_began_at = self._started_at
        self._signals = Signals()
        self._warnings: list[str] = []

    def run(self) -> None:
        """Raises Failed or Refused where it cannot start; returns when it was asked to stop and has."""
        lock = self._claimed()
        try:
            lock.take(f"http://{self._options.host}:{self._options.port}")
            with self._signals:
                self._run(lock)
        except Asked:
            self._voice.event("stopped before it had started")
        finally:
            lock.release()

    def _claimed(self) -> Lock:
        """The lock on the data directory, which is made and checked. Raises Failed."""
        try:
            self._warnings = data_directory.claim(self._data_dir)
            (self._data_dir / "logs").mkdir(mode=0o700, exist_ok=True)
            return Lock(self._data_dir)
        except data_directory.UnusableDirectory as error:
            raise Failed(str(error)) from error
        except OSError as error:
            raise Failed(f"{error.filename}: cannot be used: {error.strerror}") from error

    def _run(self, lock: Lock) -> None:
        for warning in self._warnings:
            self._voice.bad(warning)
        self._take_over()
        try:
            # Found once for as long as this runs: a worker that is started again goes to the same engine.
            self._endpoint = engine_endpoint.find(self._environ)
        except BadEndpoint as error:
            raise Failed(f"the engine's address cannot be used: {error}") from error
        with _listener(self._options.host, self._options.port) as listener:
            front = WebClient(self._options.host, int(listener.getsockname()[1]))
            lock.tell(front.url)
            prepared = self._prepare()
            broker = self._broker()
            supervisor = self._supervisor(self._children(broker, prepared, listener.fileno()))
            try:
                self._serve(supervisor, broker, WebClient(front.host, front.port, self._token), prepared)
            finally:
                # What the children had of the socket goes with them; ours would still take connections.
                listener.close()
                supervisor.stop()
        self._voice.good("stopped; no process is left behind")

    def _take_over(self) -> None:
        left = process_record.left_over(self._record_file)
        if not left and not process_record.strays(self._data_dir):
            return
        names = ", ".join(f"{name} (process {process.pid})" for name, process in left.items())
        self._voice.bad(f"an earlier supervisor was killed; ending what it left: {names or 'its children'}")
        process_record.end(left, self._data_dir)

    def _prepare(self) -> Prepared:
        """Schema and token, by a process of its own. Raises Failed with what it said."""
        command = (sys.executable, "-m", "app.standalone.prepare")
        process = subprocess.Popen(
            command,
            env=dict(self._plan_with("memory://").environ),
            cwd=children.root(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        with process:
            while process.poll() is None:
                self._signals.wait(0.5)
                if self._signals.asked:
                    process.kill()
                    raise Asked
            assert process.stdout
            assert process.stderr
            said, errors = process.stdout.read(), process.stderr.read()
        if process.returncode:
            raise Failed(errors.strip() or f"preparing ended with exit code {process.returncode}")
        prepared = Prepared(**json.loads(said))
        # Workers put their start on record by the house clock.
        self._house_began_at = prepared.now or self._started_at
        return prepared

    def _broker(self) -> Broker | None:
        """The embedded broker; none where another one is configured."""
        return None if self._environ.get("POWER_BROKER_URL") else brokers.prepare(self._data_dir)

    def _children(self, broker: Broker | None, prepared: Prepared, listener: int) -> list[Child]:
        plan = self._plan_with(broker.url if broker else self._environ["POWER_BROKER_URL"])
        if prepared.fault:
            plan = replace(plan, environ={**plan.environ, "POWER_DATABASE_FAULT": prepared.fault})
        found = [children.web(plan, listener), children.worker(plan)]
        if not prepared.fault:
            found.append(children.beat(plan))
        if self._options.flower:
            found.append(children.flower(plan, self._flower_port, self._token))
        if broker is None:
            return found
        if prepared.server is None:
            raise Failed(brokers.NO_SERVER)
        return [children.broker(plan, Path(prepared.server), broker), *found]

    def _supervisor(self, some: list[Child]) -> Supervisor:
        return Supervisor(some, Record(self._record_file), self._voice, self._signals)

    def _serve(
        self, supervisor: Supervisor, broker: Broker | None, front: WebClient, prepared: Prepared
    ) -> None:
        self._greet(front, broker, prepared)
        if broker:
            supervisor.start(process_record.BROKER)
            self._await_broker(supervisor, broker)
        supervisor.start(*(name for name in supervisor.names if name != process_record.BROKER))
        running = discovery.Running(
            front.url, self._token_file, os.getpid(), self._started_at, self._data_dir
        )
        try:
            if prepared.fault:
                # Clients find it all the same, and are told what is the matter.
                self._publish(running)
            else:
                self._await_ready(supervisor, front, running)
            while not self._signals.asked:
                supervisor.wait(1.0)
            self._leave(supervisor, front)
        finally:
            discovery.withdraw(running, self._environ)

    def _publish(self, running: discovery.Running) -> None:
        """Let clients find this standalone; on a full disk they have to be told its address."""
        try:
            discovery.publish(running, self._environ)
        except OSError as error:
            self._voice.bad(
                f"clients do not find this by themselves ({error.strerror}); set POWER_URL={running.url}"
            )

    def _await_broker(self, supervisor: Supervisor, broker: Broker) -> None:
        """The others would find it later too; like this they need not try twice."""
        deadline = time.monotonic() + 5.0
        while not brokers.answers(broker) and time.monotonic() < deadline and not self._signals.asked:
            supervisor.wait(0.02)

    def _await_ready(self, supervisor: Supervisor, front: WebClient, running: discovery.Running) -> None:
        complain_at = self._began + _PATIENCE
        while not self._signals.asked:
            ready, said = supervisor.meanwhile(front.readiness)
            if ready:
                self._publish(running)
                self._tell_ready(supervisor, front)
                supervisor.refusals.begin()
                return
            if time.monotonic() > complain_at:
                # Clients may need it to see what is the matter.
                self._publish(running)
                self._complain(supervisor, said)
                complain_at = time.monotonic() + _REMIND_EVERY
            supervisor.wait(0.1)

    def _complain(self, supervisor: Supervisor, said: str) -> None:
        self._voice.bad(
            f"not ready after {time.monotonic() - self._began:.0f} s, still trying "
            f"(`power doctor` looks for reasons): {said}"
        )
        for child in supervisor.down() or supervisor.silent():
            self._voice.line(f"         {child.name}, last lines of {child.log}:")
            self._voice.quoted(logs.last_lines(child.log))

    def _greet(self, front: WebClient, broker: Broker | None, prepared: Prepared) -> None:
        say = self._voice
        say.line("Power Windows", bold=True)
        say.line()
        say.line(f"  address  {front.url}  (to read: {front.url}/docs)")
        new = "  (new)" if prepared.new_token else ""
        if sys.stdout.isatty():
            say.line(f"  token    {self._token}{new}")
            say.line(f"           kept in {self._token_file}")
        else:
            # What is no terminal may be a journal, which others read.
            say.line(f"  token    kept in {self._token_file}{new}")
        say.line(f"  stacks   {self._found.config}")
        say.line(f"  engine   {self._endpoint}")
        say.line(f"  data     {self._data_dir}  (what happens: {self._data_dir / 'logs'})")
        say.line(f"  broker   {broker.address if broker else 'the one of POWER_BROKER_URL'}")
        if self._options.flower:
            say.line(f"  flower   http://127.0.0.1:{self._flower_port}  (user power, password: the token)")
        say.line()
        if prepared.fault:
            self._explain(prepared.fault, prepared.mends)
        if prepared.outage:
            say.bad(
                f"the database does not answer: {prepared.outage}. It is used when it does; until then the "
                f"worker turns off what its snapshot says is on, when it is due: {', '.join(self._on())}"
            )
        if self._options.host not in ("127.0.0.1", "localhost", "::1"):
            say.bad(
                f"listening on {self._options.host}: others on the network can reach it, and their tokens "
                "travel unencrypted; put a TLS proxy before it"
            )

    def _explain(self, fault: str, mends: Sequence[str]) -> None:
        """The database cannot be used, and why this goes on nevertheless."""
        self._voice.bad(
            f"the database cannot be used: {fault}. Every request is refused; the worker turns off what its "
            f"snapshot says is on, when it is due: {', '.join(self._on())}"
        )
        if mends:
            self._voice.line("         stop this, then mend the database with one of these:")
            for mend in mends:
                self._voice.line(f"           {mend}")

    def _on(self) -> list[str]:
        return snapshot_file.on(self._data_dir, self._found.node)

    def _tell_ready(self, supervisor: Supervisor, front: WebClient) -> None:
        self._voice.good(f"ready in {time.monotonic() - self._began:.1f} s")
        try:
            stacks = supervisor.meanwhile(front.stacks)
        except NoAnswer as error:
            self._voice.bad(f"the stacks cannot be listed: {error}")
            return
        for stack in stacks:
            self._tell_stack(stack)
        if not stacks:
            self._voice.bad("no stack is served; `power doctor` tells why")
        self._voice.line("         Ctrl-C or SIGTERM stops everything" + self._what_then)

    def _tell_stack(self, stack: Mapping[str, Any]) -> None:
        rejected = stack["mode"] == Mode.REJECTED
        self._voice.line(f"         {_line(stack)}", colour="red" if rejected else None)
        for fault in stack.get("faults", []):
            self._voice.fault(f"  {fault}")
        for fault in stack.get("refused", []):
            self._voice.fault(f"  an edit is not in force: {fault}")

    @property
    def _what_then(self) -> str:
        return ", and closes every window first" if self._options.close_on_exit else "; open windows stay on"

    def _leave(self, supervisor: Supervisor, front: WebClient) -> None:
        self._voice.event("stopping (Ctrl-C again to stop at once)")
        if self._options.close_on_exit:
            shutdown.close_all(front, supervisor, self._signals, self._voice, _LONGEST_CLOSING)
        shutdown.name_the_living(front, supervisor, self._voice)

    @cached_property
    def _voice(self) -> Terminal:
        return Terminal(self._data_dir / "logs" / "standalone.log")

    @cached_property
    def _token(self) -> str:
        try:
            return self._token_file.read_text().strip()
        except FileNotFoundError:
            return "none yet"

    @cached_property
    def _flower_port(self) -> int:
        return FLOWER_PORT if _free(FLOWER_PORT) else brokers.free_port()

    @property
    def _token_file(self) -> Path:
        return self._data_dir / "token"

    @property
    def _record_file(self) -> Path:
        return self._data_dir / "standalone.children.json"

    def _plan_with(self, broker_url: str) -> ChildSettings:
        told = {
            "POWER_DATA_DIR": str(self._data_dir),
            "POWER_CONFIG": str(self._found.config),
            "POWER_DATABASE_URL": self._found.database_url,
            "POWER_BROKER_URL": broker_url,
            "POWER_NODE": self._found.node,
        }
        own = self._endpoint.environment(self._environ)
        environ = children.environment(own, self._data_dir, told)
        return ChildSettings(self._data_dir, self._found.node, environ, self._house_began_at)


def _listener(host: str, port: int) -> socket.socket:
    """Bound by us and held for as long as we live. Raises Failed that names the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # Looked at first, since a socket that fails over its name is left open.
        host.encode("idna")
        return socket.create_server((host, port), family=family, backlog=2048)
    except UnicodeError as error:
        raise Failed(f"cannot listen on {host!r}: it is no name of a host") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Failed(f"port {port} on {host} is in use; choose another with --port") from error
        raise Failed(f"cannot listen on {host}, port {port}: {error}") from error


def _free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _line(stack: Mapping[str, Any]) -> str:
    if stack["mode"] == Mode.REJECTED:
        return f"{stack['name']}  {stack['mode']}  (nothing can be opened)"
    roles = [service["role"] for service in stack["services"]]
    counts = ", ".join(f"{roles.count(role)} {role}" for role in ("core", "allowed"))
    return f"{stack['name']}  {stack['mode']}  ({counts})"
