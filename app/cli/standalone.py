"""`power standalone`: check configuration and options, then run all processes until a signal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from app import settings
from app.cli import environment, output
from app.standalone.tree import Options, Tree
from power_windows.errors import WrongUsage


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The stacks under control.  [default: POWER_CONFIG, else ./power.toml]",
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Database, token, broker and logs.  [default: POWER_DATA_DIR, else ~/.local/state/power-windows]",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8420, show_default=True, type=click.IntRange(0, 65535))
@click.option("--flower", is_flag=True, help="Run Celery's monitor too, on loopback only.")
@click.option("--close-on-exit", is_flag=True, help="Close every window before the exit.")
def standalone(config: Path | None, data_dir: Path | None, **options: Any) -> None:
    """Run the whole service on this machine: web, worker, beat and an embedded broker.

    A process that dies is started again. Ctrl-C or SIGTERM stops all of them; open
    windows stay open and are listed, unless --close-on-exit. A second Ctrl-C stops at once.

    Exit codes: 0 stopped as asked; 1 it could not start (a port in use, a database that
    cannot be used); 2 a bad power.toml or option; 4 another one runs on the same data directory.
    """
    environ = environment.with_config(config)
    if data_dir:
        environ["POWER_DATA_DIR"] = str(data_dir)
    server_settings = environment.load(environ)
    _check(server_settings.config)
    for line in settings.misspelt_variables(environ, server_settings.config):
        output.note(line)
    # The real path, since later standalones and clients compare it.
    environ["POWER_DATA_DIR"] = os.path.realpath(server_settings.data_dir)
    Tree(environment.load(environ), environ, Options(**options)).run()


def _check(config: Path) -> None:
    """Raises WrongUsage with one line per fault."""
    if not config.is_file():
        raise WrongUsage(f"no configuration at {config}: `power init` writes one, or name one with --config")
    try:
        toml = settings.read_power_toml(config)
    except settings.ConfigError as error:
        raise environment.usage(error) from error
    for fault in toml.unlisted_faults:
        output.note(f"not served: {fault}")
