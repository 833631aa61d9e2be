"""The `power` command: a client of the REST API, plus the standalone and its doctor.

A command's module is imported when the command is used, so that `power --help` and the completion of a
command's name load neither HTTP nor the server.
"""

from importlib import import_module
from typing import Any

import click

# Name, module, and the line that `power --help` shows, in its order.
_COMMANDS = {
    "init": ("app.cli.init", "Write a power.toml for the compose project in this folder."),
    "standalone": ("app.cli.standalone", "Run the whole service on this machine."),
    "check": ("app.cli.check", "Check power.toml against the compose files; start nothing."),
    "doctor": ("app.cli.doctor", "Check what the service needs, and tell how to mend it."),
    "stacks": ("app.cli.stacks", "List the stacks and their mode."),
    "ps": ("app.cli.stacks", "Show services: power, readiness, windows, time left."),
    "open": ("app.cli.open_window", "Power services until a deadline."),
    "want": ("app.cli.want", "Ask for an intent: build, open, check."),
    "conduct": ("app.cli.conduct", "Run a scenario: open, check, close, report."),
    "extend": ("app.cli.extend_window", "Move a window's deadline."),
    "close": ("app.cli.close_windows", "Close windows before their deadlines."),
    "windows": ("app.cli.windows", "List windows, newest first."),
    "show": ("app.cli.windows", "Show one window: services, calls, time left."),
    "logs": ("app.cli.logs", "Show what a window's services wrote."),
    "diagnose": ("app.cli.diagnose", "Say why services fail, and what would mend them."),
    "watch": ("app.cli.watch_events", "Follow events as they happen."),
    "top": ("app.cli.top", "Show everything on one screen, live."),
    "mcp": ("app.cli.mcp_server", "Let an assistant open and close windows, over MCP."),
    "mqtt": ("app.cli.mqtt", "Show and switch services in Home Assistant, over MQTT."),
    "audit": ("app.cli.audit", "Read the audit trail, verify or archive it."),
    "token": ("app.cli.tokens", "Create, list and revoke tokens."),
    "notices": ("app.cli.notifications", "List notifications and their deliveries."),
    "relocate": ("app.cli.relocate", "Release a stack from an engine or project that no longer exists."),
    "backup": ("app.cli.backup", "Copy the database, also while the service runs."),
    "restore": ("app.cli.backup", "Replace the database by a backup."),
    "help": ("app.cli.help", "Show the help of a command; `power help states`: what each word means."),
    "completion": ("app.cli.completion", "Print the script that completes commands in a shell."),
}


class _LazyGroup(click.Group):
    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        command = getattr(import_module(module), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])

    def main(self, *args: Any, **kwargs: Any) -> Any:
        from app.host import output_errors

        with output_errors.guard_output():
            return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        from app.cli import failures

        with failures.exit_on_error():
            return super().invoke(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(f"{error.message}{_guess(args[0])}", ctx) from error

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        return [
            CompletionItem(name, help=line)
            for name, (_, line) in _COMMANDS.items()
            if name.startswith(incomplete) and not incomplete.startswith("-")
        ] or click.Command.shell_complete(self, ctx, incomplete)


def _guess(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, _COMMANDS, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.command(cls=_LazyGroup, context_settings=_SETTINGS)
@click.version_option(package_name="power-windows", prog_name="power")
def main() -> None:
    """Timed windows on Docker Compose services: off until needed, off again afterwards.

    \b
    Examples:
      power ps
      power open switch hermes --ttl 30m --reason "translate batch 7"
      power close 3f2a

    On the machine of a standalone the command finds it. POWER_URL and POWER_TOKEN name another server,
    POWER_DATA_DIR one of several standalones.

    Exit codes: 0 done, 1 tried and not fully achieved, 2 wrong usage, 3 service out of reach,
    4 refused.
    """
    from app.cli import output

    output.replace_unprintable()
