"""Run a standalone: claim the data directory, prepare it, start the children, supervise, stop.

`announcements` prints what the operator reads, `preparation` runs the preparing process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from app.host import data_directory, engine_endpoint
from app.host.engine_endpoint import BadEndpoint
from app.settings import Settings
from app.standalone import broker as brokers
from app.standalone import children, preparation, process_record, shutdown
from app.standalone.announcements import Announcements, StartFacts
from app.standalone.broker import Broker
from app.standalone.children import Child, ChildSettings
from app.standalone.listener import create_listener, is_port_free
from app.standalone.preparation import Prepared, StopRequested
from app.standalone.process_record import Lock, Record
from app.standalone.signals import Signals
from app.standalone.supervisor import Supervisor
from app.standalone.terminal import Terminal
from app.standalone.web_client import WebClient
from power_windows import discovery
from power_windows.errors import Failed

FLOWER_PORT = 5555

# Seconds until the first message that the web server is not ready, and between further ones.
_READY_REMINDER_AFTER = 20.0
_READY_REMINDER_EVERY = 60.0
# Seconds. Closing stops containers, each with its own stop timeout.
_CLOSE_ALL_TIMEOUT = 120.0


@dataclass(frozen=True)
class Options:
    """Options of `power standalone`; `port` 0 takes any free port."""

    host: str = "127.0.0.1"
    port: int = 8420
    flower: bool = False
    close_on_exit: bool = False


class Tree:
    """One standalone, from its start to its end. `found.data_dir` is resolved."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], options: Options) -> None:
        self._found = settings
        self._environ = environ
        self._options = options
        self._data_dir = settings.data_dir
        self._began = time.monotonic()
        self._started_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._database_started_at = self._started_at
        self._signals = Signals()
        self._warnings: list[str] = []

    def run(self) -> None:
        """Raises Failed or Refused where it cannot start; returns when it was asked to stop and has."""
        lock = self._claim_lock()
        try:
            lock.take(f"http://{self._options.host}:{self._options.port}")
            with self._signals:
                self._run(lock)
        except StopRequested:
            self._voice.event("stopped before it had started")
        finally:
            lock.release()

    def _claim_lock(self) -> Lock:
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
        with create_listener(self._options.host, self._options.port) as listener:
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
        """Prepare schema and token. Raises Failed or StopRequested."""
        prepared = preparation.run(self._plan_with("memory://").environ, self._signals)
        # Workers record their start by the database's clock.
        self._database_started_at = prepared.now or self._started_at
        return prepared

    def _broker(self) -> Broker | None:
        """The embedded broker; none where another one is configured."""
        return None if self._environ.get("POWER_BROKER_URL") else brokers.prepare(self._data_dir)

    def _children(self, broker: Broker | None, prepared: Prepared, listener: int) -> list[Child]:
        plan = self._plan_with(broker.url if broker else self._environ["POWER_BROKER_URL"])
        if prepared.fault:
            plan = replace(plan, environ={**plan.environ, "POWER_DATABASE_FAULT": prepared.fault})
        processes = [children.web(plan, listener), children.worker(plan)]
        if not prepared.fault:
            processes.append(children.beat(plan))
        if self._options.flower:
            processes.append(children.flower(plan, self._flower_port, self._token))
        if broker is None:
            return processes
        if prepared.server is None:
            raise Failed(brokers.NO_SERVER)
        return [children.broker(plan, Path(prepared.server), broker), *processes]

    def _supervisor(self, some: list[Child]) -> Supervisor:
        return Supervisor(some, Record(self._record_file), self._voice, self._signals)

    def _serve(
        self, supervisor: Supervisor, broker: Broker | None, front: WebClient, prepared: Prepared
    ) -> None:
        self._announcements.print_start(self._start_facts(front, broker), prepared)
        if broker:
            supervisor.start(process_record.BROKER)
            self._await_broker(supervisor, broker)
        supervisor.start(*(name for name in supervisor.names if name != process_record.BROKER))
        running = discovery.Running(
            front.url, self._token_file, os.getpid(), self._started_at, self._data_dir
        )
        try:
            if prepared.fault:
                # Clients find it in this case too, and get the fault as their answer.
                self._publish(running)
            else:
                self._await_ready(supervisor, front, running)
            while not self._signals.asked:
                supervisor.wait(1.0)
            self._leave(supervisor, front)
        finally:
            discovery.withdraw(running, self._environ)

    def _publish(self, running: discovery.Running) -> None:
        """Let clients find this standalone. On a full disk they cannot, so print the address to set."""
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
        reminder_at = self._began + _READY_REMINDER_AFTER
        while not self._signals.asked:
            ready, answer = supervisor.supervise_during(front.readiness)
            if ready:
                self._publish(running)
                self._announcements.print_ready(supervisor, front)
                supervisor.refusals.begin()
                return
            if time.monotonic() > reminder_at:
                # Clients may need it to see what is the matter.
                self._publish(running)
                self._announcements.print_not_ready(supervisor, answer)
                reminder_at = time.monotonic() + _READY_REMINDER_EVERY
            supervisor.wait(0.1)

    def _leave(self, supervisor: Supervisor, front: WebClient) -> None:
        self._voice.event("stopping (Ctrl-C again to stop at once)")
        if self._options.close_on_exit:
            shutdown.close_all(front, supervisor, self._signals, self._voice, _CLOSE_ALL_TIMEOUT)
        shutdown.print_open_windows(front, supervisor, self._voice)

    def _start_facts(self, front: WebClient, broker: Broker | None) -> StartFacts:
        return StartFacts(
            url=front.url,
            token=self._token,
            token_file=self._token_file,
            engine=str(self._endpoint),
            broker=broker.address if broker else "the one of POWER_BROKER_URL",
            flower_port=self._flower_port if self._options.flower else None,
            host=self._options.host,
        )

    @cached_property
    def _announcements(self) -> Announcements:
        then = ", and closes every window first" if self._options.close_on_exit else "; open windows stay on"
        return Announcements(self._voice, self._found, self._began, then)

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
        return FLOWER_PORT if is_port_free(FLOWER_PORT) else brokers.free_port()

    @property
    def _token_file(self) -> Path:
        return self._data_dir / "token"

    @property
    def _record_file(self) -> Path:
        return self._data_dir / "standalone.children.json"

    def _plan_with(self, broker_url: str) -> ChildSettings:
        variables = {
            "POWER_DATA_DIR": str(self._data_dir),
            "POWER_CONFIG": str(self._found.config),
            "POWER_DATABASE_URL": self._found.database_url,
            "POWER_BROKER_URL": broker_url,
            "POWER_NODE": self._found.node,
        }
        inherited = self._endpoint.environment(self._environ)
        environ = children.environment(inherited, self._data_dir, variables)
        builds = self._found.features.intents
        return ChildSettings(self._data_dir, self._found.node, environ, self._database_started_at, builds)
