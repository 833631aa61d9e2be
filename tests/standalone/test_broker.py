"""The embedded broker, with the real server."""

import contextlib
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import kombu
import pytest
import redis
from celery import Celery
from redis.backoff import NoBackoff
from redis.retry import Retry

from app import settings
from app.standalone import broker as brokers
from app.standalone.broker import Broker
from app.task_queue import Dispatch
from tests.settings.test_service_urls import ODD
from tests.standalone.waiting import until

ONCE = Retry(NoBackoff(), 0)


class Running:
    """A broker as the supervisor would run it, to be killed and started again."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            brokers.command(brokers.server_binary(), self.broker), stdout=subprocess.DEVNULL
        )
        until(lambda: brokers.answers(self.broker))

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process:
            self._process.send_signal(number)
            self._process.wait(10)
            self._process = None

    def client(self) -> redis.Redis:
        address = self.broker.socket
        where = {"unix_socket_path": str(address)} if address else {"port": self.broker.port}
        return redis.Redis(password=self.broker.password, **where)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    server = Running(brokers.prepare(tmp_path))
    server.start()
    yield server
    server.end()


@pytest.fixture
def far(tmp_path: Path) -> Path:
    """A data directory whose sockets would have too long a name."""
    directory = tmp_path / ("d" * 100)
    directory.mkdir()
    return directory


def test_a_client_without_the_password_is_refused(running: Running) -> None:
    unauthorized = redis.Redis(unix_socket_path=str(running.broker.socket), retry=ONCE)

    with pytest.raises(redis.AuthenticationError), unauthorized:
        unauthorized.ping()


def test_no_port_is_opened(running: Running) -> None:
    assert listening(running.pid) == set()


def test_no_other_user_may_read_or_enter(running: Running, tmp_path: Path) -> None:
    directory = tmp_path / "broker"

    private = [tmp_path / "broker.url", directory / "broker.conf", directory / "password"]
    assert [oct(path.stat().st_mode & 0o777) for path in private] == ["0o600"] * 3
    assert oct(directory.stat().st_mode & 0o777) == "0o700"
    assert oct((directory / "broker.sock").stat().st_mode & 0o777) == "0o700"


def test_the_password_is_not_on_the_command_line(running: Running) -> None:
    assert running.broker.password.encode() not in Path(f"/proc/{running.pid}/cmdline").read_bytes()


def test_killed_it_has_every_message_that_it_confirmed(running: Running) -> None:
    with running.client() as client:
        confirmed = [client.rpush("nudges", f"window-{number}") for number in range(500)]
    running.end(signal.SIGKILL)

    running.start()

    with running.client() as client:
        assert client.llen("nudges") == len(confirmed) == 500


def test_it_keeps_its_terms(running: Running) -> None:
    terms = (
        "appendonly",
        "appendfsync",
        "maxmemory-policy",
        "save",
        "daemonize",
        "stop-writes-on-bgsave-error",
    )
    with running.client() as client:
        values = [client.config_get(term)[term] for term in terms]

    assert values == ["yes", "everysec", "noeviction", "", "no", "no"]


def test_a_file_it_cannot_read_is_set_aside_and_kept(running: Running, tmp_path: Path) -> None:
    running.end()
    for part in (tmp_path / "broker" / "appendonlydir").glob("*.incr.aof"):
        part.write_bytes(b"*nonsense\r\n" * 9)
    refused = subprocess.run(
        [brokers.server_binary(), running.broker.config_file],
        stdout=subprocess.DEVNULL,
        timeout=10,
        check=False,
    )
    assert refused.returncode != 0

    aside = brokers.set_aside(running.broker)

    running.start()
    assert aside is not None
    assert list(aside.iterdir()) != []


@pytest.mark.parametrize("name", ["plain", "with space", "50% & more?"])
def test_celery_reaches_it_by_its_url(tmp_path: Path, name: str) -> None:
    server = Running(brokers.prepare(tmp_path / name))
    server.start()
    try:
        url = (tmp_path / name / "broker.url").read_text().strip()
        with contextlib.closing(Celery("front", broker=url, set_as_current=False)) as app:
            app.send_task("power.sweep", queue="power", ignore_result=True)
        with kombu.Connection(url) as connection:
            queue = connection.SimpleQueue("power")
            assert queue.get(timeout=5).headers["task"] == "power.sweep"
            queue.close()
    finally:
        server.end()


def test_a_directory_too_deep_for_a_socket_gets_a_loopback_port(far: Path) -> None:
    server = Running(brokers.prepare(far))
    server.start()
    try:
        assert listening(server.pid) == {f"127.0.0.1:{server.broker.port}"}
        with kombu.Connection(server.broker.url) as connection:
            connection.ensure_connection(max_retries=1)
        with (
            pytest.raises(redis.AuthenticationError),
            redis.Redis(port=server.broker.port, retry=ONCE) as unauthorized,
        ):
            unauthorized.ping()
    finally:
        server.end()


def test_the_password_outlives_a_restart(tmp_path: Path) -> None:
    assert brokers.prepare(tmp_path).password == brokers.prepare(tmp_path).password


def test_every_data_directory_has_a_password_of_its_own(tmp_path: Path) -> None:
    assert brokers.prepare(tmp_path / "one").password != brokers.prepare(tmp_path / "two").password


def test_a_server_on_the_path_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = tmp_path / "redis-server"
    binary.touch(mode=0o755)
    monkeypatch.setattr(brokers, "_bundled_server", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert brokers.server_binary() == binary

    binary.unlink()
    with pytest.raises(brokers.NoServer, match="apt-get install"):
        brokers.server_binary()


def listening(pid: int) -> set[str]:
    """The TCP addresses on which a process listens."""
    mine = {match[1] for entry in Path(f"/proc/{pid}/fd").iterdir() if (match := _SOCKET.match(_link(entry)))}
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return {_address(row[1]) for row in rows if row[3] == "0A" and row[9] in mine}


_SOCKET = re.compile(r"socket:\[(\d+)\]")


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except FileNotFoundError:
        return ""


def _address(text: str) -> str:
    address, port = text.split(":")
    return ".".join(str(byte) for byte in reversed(bytes.fromhex(address))) + f":{int(port, 16)}"


@pytest.mark.parametrize("name", ODD)
def test_messages_reach_it_in_a_directory_of_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    server = Running(brokers.prepare(tmp_path / name))
    server.start()
    try:
        loaded = settings.load({"POWER_DATA_DIR": str(tmp_path / name)})
        assert Dispatch.to(loaded.broker_url).nudge("power.sweep", [], "power")
        with server.client() as client:
            assert client.llen("power") == 1
    finally:
        server.end()
