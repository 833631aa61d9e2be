"""Where the server is: the address and token that a client uses.

A standalone writes a record into its data directory and into a list of the user's running standalones,
so that a client finds it from any directory. A record outlives a killed process, whose number another
process may get, so a record counts only while its own process lives.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from power_windows.errors import Refused, Unreachable, WrongUsage

RECORD = "standalone.json"


@dataclass(frozen=True)
class Running:
    """A standalone as its record describes it; `started_at` is ISO 8601 in UTC."""

    url: str
    token_file: Path
    pid: int
    started_at: str
    data_dir: Path


@dataclass(frozen=True)
class Target:
    """The address of a server, and the token for it if there is one."""

    url: str
    token: str | None


def publish(running: Running, environ: Mapping[str, str]) -> None:
    """Write the records by which clients find this standalone."""
    record = {
        "url": running.url,
        "token_file": str(running.token_file),
        "pid": running.pid,
        "pid_started": _start_ticks(running.pid),
        "started_at": running.started_at,
        "data_dir": str(running.data_dir),
    }
    for path in _records(running.data_dir, environ):
        _write(path, json.dumps(record, indent=2) + "\n")


def withdraw(running: Running, environ: Mapping[str, str]) -> None:
    """Remove the records of `publish`, unless a later standalone has replaced them."""
    for path in _records(running.data_dir, environ):
        record = _read_record(path)
        if record is not None and record.pid == running.pid:
            path.unlink(missing_ok=True)


def live(environ: Mapping[str, str]) -> list[Running]:
    """Return the user's running standalones, the one that started first at the beginning."""
    entries = [_alive(path) for path in sorted(_registry(environ).glob("*.json"))]
    return sorted((entry for entry in entries if entry), key=lambda entry: entry.started_at)


def find(environ: Mapping[str, str]) -> Target:
    """Return where to send requests.

    That is POWER_URL, else the standalone of POWER_DATA_DIR, else that of the default data directory,
    else the only one that runs. Raises Unreachable where none runs, WrongUsage where several do, Refused
    where this user may not read the standalone's token.
    """
    if url := environ.get("POWER_URL", "").rstrip("/"):
        return Target(url, environ.get("POWER_TOKEN") or _token_of(url, environ))
    running = _standalone(environ)
    return Target(running.url.rstrip("/"), environ.get("POWER_TOKEN") or _token(running))


def _standalone(environ: Mapping[str, str]) -> Running:
    if directory := environ.get("POWER_DATA_DIR"):
        return _in_directory(Path(directory).expanduser())
    # The default directory comes first: `power standalone` without options uses it.
    if default := _alive(_state(environ) / RECORD):
        return default
    return _only(live(environ))


def _in_directory(directory: Path) -> Running:
    """Return the standalone of a data directory; raises Unreachable where none runs there.

    Raises WrongUsage where it is a file.
    """
    if directory.is_file():
        raise WrongUsage(f"POWER_DATA_DIR={directory} is a file; name the directory of a standalone")
    running = _alive(directory / RECORD)
    if running is None:
        raise Unreachable(
            f"no standalone runs on POWER_DATA_DIR={directory}; start it with "
            f"`power standalone --data-dir {directory}`, or set POWER_URL and POWER_TOKEN"
        )
    return running


def _only(running: list[Running]) -> Running:
    if not running:
        raise Unreachable(
            "no service found; start one with `power standalone` (or `make run`), "
            "or set POWER_URL and POWER_TOKEN to reach one elsewhere"
        )
    if len(running) > 1:
        lines = [f"  POWER_DATA_DIR={one.data_dir}  ({one.url}, since {one.started_at})" for one in running]
        raise WrongUsage(
            "several standalones run here; choose one by setting one of these:\n" + "\n".join(lines)
        )
    return running[0]


def _token(running: Running) -> str:
    try:
        return running.token_file.read_text().strip()
    except OSError as error:
        raise Refused(
            f"cannot read the token of {running.url} from {running.token_file}: {error.strerror}; "
            "set POWER_TOKEN, or run as the user who started it"
        ) from error


def _token_of(url: str, environ: Mapping[str, str]) -> str | None:
    """Return the token of this user's standalone at an address, None where there is none."""
    matching = [one for one in live(environ) if one.url.rstrip("/") == url]
    return _token(matching[0]) if matching else None


def _state(environ: Mapping[str, str]) -> Path:
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    state = Path(environ.get("XDG_STATE_HOME") or home / ".local" / "state")
    return state / "power-windows"


def _registry(environ: Mapping[str, str]) -> Path:
    return _state(environ) / "running"


def _records(data_dir: Path, environ: Mapping[str, str]) -> tuple[Path, Path]:
    # Named by the directory, so that a later standalone there replaces the record of a killed one.
    name = hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:16]
    return data_dir / RECORD, _registry(environ) / f"{name}.json"


def _write(path: Path, text: str) -> None:
    """Replace a private file in one step, so that a reader never sees half of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as file:
        file.write(text)
    Path(draft).replace(path)


def _load(path: Path) -> dict[str, Any] | None:
    """Return the JSON object of a file; None where there is no such file or it holds anything else."""
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _read_record(path: Path) -> Running | None:
    record = _load(path)
    if record is None:
        return None
    try:
        return Running(
            url=str(record["url"]),
            token_file=Path(record["token_file"]),
            pid=int(record["pid"]),
            started_at=str(record["started_at"]),
            data_dir=Path(record["data_dir"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _alive(path: Path) -> Running | None:
    """Return the standalone of a record whose process lives."""
    running = _read_record(path)
    if running is None or not _exists(running.pid):
        return None
    recorded = (_load(path) or {}).get("pid_started")
    return running if recorded is None or recorded == _start_ticks(running.pid) else None


def _exists(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _start_ticks(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None where /proc has no such process.

    Together with the number it identifies a process; no change of the system's clock affects it.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is the name in brackets, which may itself hold spaces and brackets.
    return int(stat.rpartition(")")[2].split()[19])
