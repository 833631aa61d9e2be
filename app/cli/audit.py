"""`power audit`: the trail for people and for programs, and the proof that it is whole."""

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click
from rich.text import Text

from app.cli import client, screen
from app.cli.arguments import any_window, resolve
from app.cli.client import Client
from app.cli.failures import Failure, Unreachable
from app.cli.replies import Chain, Entry
from app.cli.screen import Table


@click.group(invoke_without_command=True)
@click.option(
    "-w", "--window", metavar="WINDOW", shell_complete=any_window, help="Only what concerns this window."
)
@click.option("--actor", metavar="NAME", help="Only what this actor did.")
@click.option("--last", type=click.IntRange(0), metavar="N", help="Only the last N entries.")
@click.option("-f", "--follow", "following", is_flag=True, help="Stay, and show entries as they are written.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's entries, one a line.")
@click.pass_context
def audit(
    ctx: click.Context,
    *,
    window: str | None,
    actor: str | None,
    last: int | None,
    following: bool,
    as_json: bool,
) -> None:
    """Read the audit trail, oldest first.

    \b
    Examples:
      power audit --last 20
      power audit --window 3f2a
      power audit --follow --json | jq .event
      power audit verify
    """
    if ctx.invoked_subcommand is not None:
        return
    with client.here() as api:
        wanted = {"window": resolve(api, window)["id"] if window else None, "actor": actor}
        entries = _follow(api, wanted, last) if following else _last(api.audit(**wanted), last)
        _print(entries, as_json)


def _last(entries: Iterable[Entry], last: int | None) -> Iterable[Entry]:
    return entries if last is None else deque(entries, maxlen=last)


def _print(entries: Iterable[Entry], as_json: bool) -> None:
    try:
        for entry in entries:
            if as_json:
                screen.dump_line(entry)
            else:
                screen.say(_line(entry))
    except KeyboardInterrupt:
        # Looking away is how following ends.
        raise click.exceptions.Exit(0) from None


def _follow(api: Client, wanted: dict[str, Any], last: int | None) -> Iterator[Entry]:
    """What is written already, then what is being written, each entry once.

    The stream is opened before the trail is read, so that nothing falls between; what
    comes by both ways is told by its place in its chain.
    """
    seen: dict[str | None, int] = {}
    resume = None
    while True:
        try:
            with api.listen(resume) as stream:
                written = _last(api.audit(**wanted), last) if resume is None else []
                yield from _unseen(written, seen)
                for entry in stream:
                    resume = stream.place
                    if _matches(entry, wanted):
                        yield from _unseen([entry], seen)
        except Unreachable:
            if resume is None:
                raise
        time.sleep(1)


def _unseen(entries: Iterable[Entry], seen: dict[str | None, int]) -> Iterator[Entry]:
    for entry in entries:
        if entry["seq"] > seen.get(entry["stack"], 0):
            seen[entry["stack"]] = entry["seq"]
            yield entry


def _matches(entry: Entry, wanted: dict[str, Any]) -> bool:
    return all(value is None or entry.get(name) == value for name, value in wanted.items())


def _line(entry: Entry) -> Text:
    who = "/".join(part for part in (entry["stack"], entry["service"]) if part) or "-"
    window = entry["window"] or "-"
    parts = [screen.clock(entry["at"]), f"{entry['event']:<15}", entry["actor"], who, window]
    return (
        _cut(entry, parts)
        if screen.live()
        else Text("  ".join(map(screen.harmless, [*parts, _facts(entry["facts"])])).rstrip())
    )


# A trail is written as it is read, so its columns cannot wait to see how wide they must be.
_ACTOR, _WHO, _WINDOW = 8, 18, 8


def _cut(entry: Entry, parts: Sequence[str]) -> Text:
    """The line in columns, as far as the terminal goes."""
    at, event, actor, who, window = map(screen.harmless, parts)
    line = Text(f"{at}  ").append(event, screen.style(entry["event"].rpartition(".")[2])).append("  ")
    for text, width in ((actor, _ACTOR), (who, _WHO), (window[:_WINDOW], _WINDOW)):
        cell = Text(text)
        cell.truncate(width, overflow="ellipsis", pad=True)
        line.append_text(cell).append("  ")
    line.append(_gist(entry["facts"]), "dim")
    line.truncate(screen.console().width, overflow="ellipsis")
    line.rstrip()
    return line


def _gist(facts: dict[str, Any]) -> str:
    """Of a call what was done and how it ended; of anything else all."""
    if "argv" not in facts:
        return _facts(facts)
    code = facts.get("returncode")
    return f"{facts.get('action', '')} {'' if code is None else f'exit {code}'}".strip()


def _facts(facts: dict[str, Any]) -> str:
    return " ".join(f"{name}={_value(value)}" for name, value in facts.items() if value not in (None, "", []))


def _value(value: Any) -> str:
    if isinstance(value, list):
        return screen.command(str(item) for item in value)
    text = screen.harmless(value)
    return repr(text) if " " in text else text


@audit.command()
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
def verify(as_json: bool) -> None:
    """Prove that no entry was altered, removed or put elsewhere.

    Names the first bad entry of each chain, and exits 1 if there is one.

    \b
    Example:
      power audit verify
    """
    with client.here() as api:
        verdict = api.verify()
    if as_json:
        screen.dump(verdict)
    else:
        _chains(verdict["chains"]).show()
    if not verdict["ok"]:
        raise Failure("\n".join(_broken(chain) for chain in verdict["chains"] if not chain["ok"]))


def _chains(chains: Iterable[Chain]) -> Table:
    table = Table(("CHAIN", "ENTRIES", "VERDICT"), loose={0: 16})
    for chain in chains:
        table.add(chain["chain"], str(chain["entries"]), screen.word("ok" if chain["ok"] else "broken"))
    return table


def _broken(chain: Chain) -> str:
    bad = chain["first_bad"]
    what = f"entry {bad['seq']} is {bad['reason']}" if bad else "it is not whole"
    return f"the trail of {chain['chain']} is broken: {what}"
