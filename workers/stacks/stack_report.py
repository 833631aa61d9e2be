"""Reads one stack as the worker does and prints what that shows as JSON: for `power check` and `power init`.

    python -m workers.stacks.stack_report POWER_TOML STACK

Exits with 1 and one line per fault on standard error where the worker would reject the stack.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from app import settings
from app.domain.stack_id import StackId
from app.host import engine_endpoint
from workers.engine import compose_program
from workers.stacks import stack_reader


def report(config: Path, stack: StackId) -> dict[str, Any]:
    """The images of core and allowed services, which of them are built, and every configuration hash.

    Raises Rejected, NoCompose or BadEndpoint.
    """
    with tempfile.TemporaryDirectory(prefix="power-check-") as folder:
        served = stack_reader.read(config, settings.read_power_toml(config), stack, keep=Path(folder))
        assert served.place is not None
        assert served.place.accepted is not None
        services = json.loads(served.place.accepted.read_text())["services"]
    listed = [*served.spec.core, *served.spec.allowed]
    return {
        "images": {name: served.spec.services[name].image for name in listed},
        "built": [name for name in listed if services[name].get("build")],
        "hashes": {name: one.config_hash for name, one in served.spec.services.items()},
    }


def main() -> None:
    """Print the report of the stack that the arguments name."""
    try:
        print(json.dumps(report(Path(sys.argv[1]), StackId(sys.argv[2]))))
    except stack_reader.Rejected as rejected:
        sys.exit("\n".join(rejected.faults))
    except (engine_endpoint.BadEndpoint, compose_program.NoCompose) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
