"""Variables that look like a setting and are none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.settings import misspelt_variables
from app.settings.misspelt_variables import KNOWN_VARIABLES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("variable", "meant"),
    [("POWER_DATABSE_URL", "POWER_DATABASE_URL"), ("POWER_DATADIR", "POWER_DATA_DIR"),
     ("POWER_TRUSTED_PROXY", "POWER_TRUSTED_PROXIES"), ("POWER_OPEN_CALLS", "POWER_OPENING_CALLS")],
)  # fmt: skip
def test_the_near_setting_is_named(tmp_path: Path, variable: str, meant: str) -> None:
    (line,) = misspelt_variables({variable: "x", "HOME": "/", "POWER_LEVEL": "9"}, tmp_path / "none")
    assert line == f"{variable} is not a setting and is not read; did you mean {meant}?"


def test_a_variable_that_power_toml_takes_a_secret_from_is_none_of_them(tmp_path: Path) -> None:
    config = tmp_path / "power.toml"
    config.write_text('[notices.ops]\nsecret = "$POWER_TOKENS"\n')
    assert misspelt_variables({"POWER_TOKENS": "x", "POWER_TOKEM": "x"}, config) == [
        "POWER_TOKEM is not a setting and is not read; did you mean POWER_TOKEN?"
    ]


def test_every_variable_that_the_program_reads_is_known() -> None:
    files = [path for folder in ("app", "workers", "client") for path in (ROOT / folder).rglob("*.py")]
    files += [ROOT / "celeryconfig.py", ROOT / "docker-compose.yml"]
    read = {name for path in files for name in re.findall(r"[\"'{]+(POWER_[A-Z_]*[A-Z])\b", path.read_text())}
    assert read <= KNOWN_VARIABLES
