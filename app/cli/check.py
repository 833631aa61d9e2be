"""`power check`: check power.toml against the compose files, before a restart or an edit takes effect."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli import environment, findings, stack_checks
from power_windows.errors import WrongUsage


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to check.  [default: POWER_CONFIG, else ./power.toml]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(config: Path | None, as_json: bool) -> None:
    """Check power.toml and the compose files that it names; start nothing.

    Reads every stack of this node as its worker would. Each fault is a line. Where the engine answers, images
    that it lacks are a warning.

    Exit codes: 0 all is well; 1 there are faults; 2 there is no power.toml.

    \b
    Example:
      power check && systemctl restart power-windows
    """
    environ = environment.with_config(config)
    server_settings = environment.load(environ)
    path = server_settings.config
    if not path.is_file():
        raise WrongUsage(f"no configuration at {path}: `power init` writes one, or name one with --config")
    findings.report(list(stack_checks.check_stacks(server_settings, environ)), as_json=as_json)
