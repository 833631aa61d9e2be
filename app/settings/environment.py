"""The environment's variables, checked and frozen into one `Settings` value.

Entry points call `load` once; no other module reads the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from app.domain.features import Features
from app.domain.throttling import CallBounds
from app.settings import features, service_urls, trusted_proxies
from app.settings.errors import ConfigError
from app.settings.misspelt_variables import log_misspelt_variables
from app.settings.trusted_proxies import Network

_MOST_CALLS = 10_000
BROKER_URL_FILE = "broker.url"
"""The file in the data directory in which `power standalone` stores its broker's address."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says; see CONTRACT's names in `load`."""

    data_dir: Path
    database_url: str
    broker_url: str
    node: str
    config: Path
    await_node: str | None = None
    """A front that was started with a worker of this node is ready only once that is up …"""
    started_at: datetime | None = None
    """… and has come up since then."""
    wait_for_node: bool = True
    """An opening on a stack whose node is away waits for it; otherwise it is refused."""
    traces: bool = False
    """Spans are sent to a collector …"""
    trace_timeout: bool = False
    """… and the environment says how long one sending may take."""
    public_url: str | None = None
    """Where people reach the web process: links in notifications begin with it, and its path is a prefix."""
    opening_calls: CallBounds | None = None
    """How many starts may run at once on this node, from and to; None: by its cores and memory."""
    closing_calls: int | None = None
    """The same for those that stop services."""
    trusted_proxies: tuple[Network, ...] = ()
    """Whose `X-Forwarded-…` headers a front believes."""
    database_fault: str | None = None
    """Why the database must not be used, as a standalone found out at its start."""
    pulse: Path | None = None
    """A file that a worker or beat touches while it does its work, for its supervisor to look at."""
    features: Features = field(default_factory=Features)
    """The features that are on in this process."""

    @property
    def public_prefix(self) -> str:
        """The path of `public_url`, such as `/power`; empty where people reach the root of a host."""
        return urlsplit(self.public_url or "").path

    @property
    def lock_dir(self) -> Path:
        """The directory of the per-service locks."""
        return self.data_dir / "locks"


class VariableError(ConfigError):
    """Variables that cannot be used: `by_variable` has the faults of each, a line for every one."""

    def __init__(self, by_variable: Mapping[str, list[str]]) -> None:
        super().__init__([f"{name}: {fault}" for name, faults in by_variable.items() for fault in faults])
        self.by_variable = by_variable


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read POWER_DATA_DIR, POWER_DATABASE_URL, POWER_BROKER_URL, POWER_NODE, POWER_CONFIG and POWER_AWAY.

    Without POWER_FEATURES it reads `[features]` of power.toml, where there is one.
    Of a front also POWER_TRUSTED_PROXIES and POWER_PUBLIC_URL; of a worker POWER_PUBLIC_URL,
    POWER_OPENING_CALLS and POWER_CLOSING_CALLS; of a supervised worker or
    beat POWER_PULSE; of a standalone's own front POWER_AWAIT_NODE and POWER_STARTED_AT; of its children
    POWER_DATABASE_FAULT, where the database cannot be used. One that is empty counts as unset. Raises
    VariableError, with every fault.
    """
    faults = {
        name: faults_of_one for name in _CHECKS if (faults_of_one := _faults(name, environ.get(name) or ""))
    }
    if faults:
        raise VariableError(faults)
    data_dir = Path(environ.get("POWER_DATA_DIR") or default_data_dir(environ)).expanduser().absolute()
    config = Path(environ.get("POWER_CONFIG") or "power.toml").expanduser().absolute()
    return Settings(
        data_dir=data_dir,
        database_url=environ.get("POWER_DATABASE_URL") or service_urls.of_file(data_dir / "power.db"),
        broker_url=environ.get("POWER_BROKER_URL") or _embedded_broker(data_dir),
        node=environ.get("POWER_NODE") or "local",
        config=config,
        await_node=environ.get("POWER_AWAIT_NODE") or None,
        started_at=_moment(environ.get("POWER_STARTED_AT")),
        wait_for_node=environ.get("POWER_AWAY") != "refuse",
        traces=_traces(environ),
        trace_timeout="OTEL_EXPORTER_OTLP_TIMEOUT" in environ,
        public_url=(environ.get("POWER_PUBLIC_URL") or "").rstrip("/") or None,
        opening_calls=_bounds(environ.get("POWER_OPENING_CALLS")),
        closing_calls=_number(environ.get("POWER_CLOSING_CALLS")),
        trusted_proxies=trusted_proxies.parse(environ.get("POWER_TRUSTED_PROXIES") or ""),
        database_fault=environ.get("POWER_DATABASE_FAULT") or None,
        pulse=Path(environ["POWER_PULSE"]) if environ.get("POWER_PULSE") else None,
        features=features.load_features(environ.get("POWER_FEATURES") or "", config),
    )


def load_or_exit(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of a process; it exits with one line per fault. Misspelt variables are logged."""
    try:
        loaded = load(environ)
    except ConfigError as error:
        raise SystemExit(str(error)) from None
    log_misspelt_variables(loaded.config)
    return loaded


def _faults(variable: str, given: str) -> list[str]:
    if not given:
        return []
    if not given.isascii() and any("\ud800" <= sign <= "\udfff" for sign in given):
        return [f"{given.encode(errors='surrogateescape')!r} is not UTF-8"]
    return list(_CHECKS[variable](given))


def _node_faults(given: str) -> Iterator[str]:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,119}", given):
        yield f"{given!r} is no name of a node: letters, digits, `.`, `_` and `-`, first a letter or digit"


def _count_faults(given: str) -> Iterator[str]:
    if not given.isascii() or not given.isdigit() or not 0 < int(given) <= _MOST_CALLS:
        yield f"{given!r} is not a whole number from 1 to {_MOST_CALLS}"


def _bounds_faults(given: str) -> Iterator[str]:
    least, _, most = given.partition("-")
    faults = [fault for number in (least, most or least) for fault in _count_faults(number)]
    if faults or int(least) > int(most or least):
        yield f"{given!r} is neither a whole number from 1 to {_MOST_CALLS} nor a range such as 2-16"


def _away_faults(given: str) -> Iterator[str]:
    if given not in {"wait", "refuse"}:
        yield f"{given!r} is neither `wait` nor `refuse`"


def _public_faults(given: str) -> Iterator[str]:
    if not given.startswith(("http://", "https://")):
        yield f"{given!r} begins with neither http:// nor https://"
        return
    try:
        parts = urlsplit(given)
    except ValueError as error:
        yield f"{given!r} is no address: {error}"
        return
    if not parts.hostname:
        yield f"{given!r} names no host; write for example https://example.org/power"
    if parts.query or parts.fragment:
        yield f"{given!r} has a query or a fragment; an address such as https://example.org/power has none"
    path = parts.path.rstrip("/")
    if path and not trusted_proxies.is_prefix(path):
        yield f"the path {path!r} may have letters, digits, `.`, `_`, `~` and `-` between its slashes"


def _any(_given: str) -> Iterator[str]:
    """Any text will do."""
    yield from ()


_CHECKS: Mapping[str, Callable[[str], Iterable[str]]] = {
    "POWER_DATA_DIR": _any,
    "POWER_CONFIG": _any,
    "POWER_DATABASE_URL": service_urls.database_faults,
    "POWER_BROKER_URL": service_urls.broker_faults,
    "POWER_NODE": _node_faults,
    "POWER_AWAY": _away_faults,
    "POWER_PUBLIC_URL": _public_faults,
    "POWER_OPENING_CALLS": _bounds_faults,
    "POWER_CLOSING_CALLS": _count_faults,
    "POWER_TRUSTED_PROXIES": trusted_proxies.faults,
    "POWER_FEATURES": features.feature_faults,
}
"""What may be wrong with a variable, one line a fault."""


def _bounds(given: str | None) -> CallBounds | None:
    """`8` is a fixed number of calls, `2-16` are bounds between which it follows the host."""
    if not given:
        return None
    least, _, most = given.partition("-")
    return CallBounds(int(least), int(most or least))


def _number(given: str | None) -> int | None:
    return int(given) if given else None


def _traces(environ: Mapping[str, str]) -> bool:
    """By OpenTelemetry's own names; its exporter reads the rest of them."""
    asked = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return bool(asked) and environ.get("OTEL_SDK_DISABLED", "").lower() != "true"


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """The data directory where `POWER_DATA_DIR` is not set."""
    state = environ.get("XDG_STATE_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".local/state")
    return Path(state) / "power-windows"


def _embedded_broker(data_dir: Path) -> str:
    try:
        url = (data_dir / BROKER_URL_FILE).read_text().strip()
    except (OSError, ValueError):
        url = ""
    # One that was cut short is as good as none: a standalone writes it anew when it starts.
    return url if url and not service_urls.broker_faults(url) else "redis://127.0.0.1:6379/0"
