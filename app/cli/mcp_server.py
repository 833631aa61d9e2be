"""`power mcp`: a server of the Model Context Protocol on standard input and output.

It is a client of the REST API like every other command. The tools are in `mcp_tools`, which needs the
extra `mcp`.
"""

from __future__ import annotations

import click

from power_windows.errors import WrongUsage


@click.command()
def mcp() -> None:
    """Offer open, extend, close and status to an assistant, as an MCP server on standard input and output.

    The assistant's program starts this command. It acts with POWER_TOKEN on POWER_URL; without them it
    finds the standalone of this machine. Needs the extra: pip install "power-windows[mcp]"

    \b
    Example, as most programs are configured:
      {"command": "power", "args": ["mcp"], "env": {"POWER_URL": "...", "POWER_TOKEN": "..."}}
    """
    try:
        from app.cli import mcp_tools
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"mcp", "mcp_types"}:
            raise
        raise WrongUsage('`power mcp` needs an extra: pip install "power-windows[mcp]"') from error
    mcp_tools.make_server().run("stdio")
