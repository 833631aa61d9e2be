"""The error that every reader of settings raises."""

from __future__ import annotations


class ConfigError(Exception):
    """power.toml or the environment cannot be used; `faults` has one line for each reason."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults
