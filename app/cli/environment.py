"""Settings for commands that use the service's own files, not its API."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from app import settings
from app.host import data_directory
from app.settings import Settings
from power_windows.errors import WrongUsage


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of the environment; raises WrongUsage with one line per fault.

    A data directory that is a file is a fault, before any command tries to use it.
    """
    try:
        loaded = settings.load(environ)
    except settings.ConfigError as error:
        raise usage(error) from error
    if loaded.data_dir.is_file():
        raise WrongUsage(f"the data directory {loaded.data_dir} is a file; {data_directory.ANOTHER}")
    return loaded


def usage(error: settings.ConfigError) -> WrongUsage:
    """The same faults as an error of the command line, each on a line that names the program."""
    return WrongUsage("\npower: ".join(error.faults))


def with_config(config: Path | None) -> dict[str, str]:
    """The environment of this process, with the power.toml of `--config` where that is given."""
    return dict(os.environ) | ({"POWER_CONFIG": str(config)} if config else {})
