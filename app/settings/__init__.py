"""Environment and power.toml, read once by entry points and frozen.

`environment` reads the variables, `power_toml` the file. No other module reads either,
so what a process runs with is one value.
"""

from __future__ import annotations

from app.settings.environment import (
    BROKER_URL_FILE,
    Settings,
    VariableError,
    default_data_dir,
    load,
    load_or_exit,
)
from app.settings.errors import ConfigError
from app.settings.misspelt_variables import log_misspelt_variables, misspelt_variables
from app.settings.power_toml import (
    NoticeToml,
    PowerToml,
    RejectedToml,
    ServiceToml,
    StackToml,
)
from app.settings.power_toml_reader import read_power_toml

__all__ = [
    "BROKER_URL_FILE",
    "ConfigError",
    "NoticeToml",
    "PowerToml",
    "RejectedToml",
    "ServiceToml",
    "Settings",
    "StackToml",
    "VariableError",
    "default_data_dir",
    "load",
    "load_or_exit",
    "log_misspelt_variables",
    "misspelt_variables",
    "read_power_toml",
]
