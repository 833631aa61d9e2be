"""`power audit`: the trail for people and for programs, and the proof that it is whole."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from app.cli import follow, output
from app.cli.arguments import Duration, any_window, resolve
from app.cli.output import TextTable
from power_windows.errors import Failed, Unreachable
from power_windows.payloads import Chain, Entry, Verdict
from power_windows.rest import Api, connect


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
      power audit archive --before 90d --to archive
    """
    if ctx.invoked_subcommand is not None:
        return
    with connect() as api:
        wanted = {"window": resolve(api, window)["id"] if window else None, "actor": actor}
        entries = _follow(api, wanted, last) if following else _last(api.audit(**wanted), last)
        _print(entries, as_json)


def _last(entries: Iterable[Entry], last: int | None) -> Iterable[Entry]:
    return entries if last is None else deque(entries, maxlen=last)


def _print(entries: Iterable[Entry], as_json: bool) -> None:
    with follow.until_interrupted():
        for entry in entries:
            if as_json:
                output.dump_line(entry)
            else:
                output.say(_line(entry))


def _follow(api: Api, wanted: dict[str, Any], last: int | None) -> Iterator[Entry]:
    """What is written already, then what is being written."""
    told = follow.entries(api, lambda: _last(api.audit(**wanted), last))
    return (entry for entry in told if _matches(entry, wanted))


def _matches(entry: Entry, wanted: dict[str, Any]) -> bool:
    return all(value is None or entry.get(name) == value for name, value in wanted.items())


def _line(entry: Entry) -> Text:
    who = "/".join(part for part in (entry["stack"], entry["service"]) if part) or "-"
    window = entry["window"] or "-"
    parts = [output.clock(entry["at"]), f"{entry['event']:<15}", entry["actor"], who, window]
    return (
        _columns_line(entry, parts)
        if output.live()
        else Text("  ".join(map(output.harmless, [*parts, _facts(entry["facts"])])).rstrip())
    )


# A trail is written as it is read, so its columns cannot wait to see how wide they must be.
_ACTOR, _WHO, _WINDOW = 8, 18, 8


def _columns_line(entry: Entry, parts: Sequence[str]) -> Text:
    """The line in columns, as far as the terminal goes."""
    at, event, actor, who, window = map(output.harmless, parts)
    line = Text(f"{at}  ").append(event, output.style(entry["event"].rpartition(".")[2])).append("  ")
    for text, width in ((actor, _ACTOR), (who, _WHO), (window[:_WINDOW], _WINDOW)):
        cell = Text(text)
        cell.truncate(width, overflow="ellipsis", pad=True)
        line.append_text(cell).append("  ")
    line.append(_gist(entry["facts"]), "dim")
    line.truncate(output.console().width, overflow="ellipsis")
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
        return output.command(str(item) for item in value)
    text = output.harmless(value)
    return repr(text) if " " in text else text


@audit.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def verify(files: tuple[Path, ...], *, as_json: bool) -> None:
    """Prove that no entry was altered, removed or put elsewhere.

    Names the first bad entry of each chain, and exits 1 if there is one. FILES are archives: each is
    proved by itself, they must join each other without a gap, and the live trail where a service is found.

    \b
    Examples:
      power audit verify
      power audit verify archive/*
    """
    if files:
        _prove(files, as_json)
        return
    with connect() as api:
        verdict = api.verify()
    if as_json:
        output.dump(verdict)
    else:
        _chains(verdict["chains"]).show()
    if not verdict["ok"]:
        raise Failed("\n".join(_broken(chain) for chain in verdict["chains"] if not chain["ok"]))


def _prove(files: Sequence[Path], as_json: bool) -> None:
    from app.archive import verify as proving

    live = _live()
    parts, faults = proving.prove(files, None if live is None else live["chains"])
    faults += [_broken(chain) for chain in (live["chains"] if live else ()) if not chain["ok"]]
    if as_json:
        told = [{"file": str(one.place), "holds": one.says, "ok": not one.fault} for one in parts]
        output.dump({"ok": not faults, "live": live is not None, "files": told, "faults": faults})
    else:
        table = TextTable(("FILE", "HOLDS", "VERDICT"), loose={0: 16})
        for one in parts:
            table.add(one.place.name, one.says, output.word("broken" if one.fault else "ok"))
        table.show()
    if faults:
        raise Failed("\n".join(faults))


def _live() -> Verdict | None:
    """What the service proves of itself; files are proved without it where there is none."""
    try:
        with connect() as api:
            return api.verify()
    except Unreachable:
        output.note("power: no service found: the files are proved by themselves, not with the live trail")
        return None


@audit.command()
@click.option("--before", required=True, type=Duration(), help="What is older than this: 90d, 12h.")
@click.option(
    "--to",
    "directory",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="The directory for the files; made where it is missing.",
)
@click.option("--gzip", "packed", is_flag=True, help="Pack the files.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def archive(before: float, directory: Path, *, packed: bool, as_json: bool) -> None:
    """Move old entries and finished windows into files that still verify.

    Works on the database directly (POWER_DATABASE_URL, else the one in POWER_DATA_DIR), also while
    the service runs. What concerns a window that has not finished stays. A run that was interrupted
    is simply run again.

    \b
    Examples:
      power audit archive --before 90d --to archive
      power audit verify archive/*
    """
    from app.cli import audit_archive

    audit_archive.run(before, directory, packed=packed, as_json=as_json)


def _chains(chains: Sequence[Chain]) -> TextTable:
    """A column for what is in files only where something is."""
    some = any(chain.get("archived") for chain in chains)
    table = TextTable(("CHAIN", "ENTRIES", *(("ARCHIVED",) if some else ()), "VERDICT"), loose={0: 16})
    for chain in chains:
        gone = (str(chain.get("archived", 0)),) if some else ()
        table.add(
            chain["chain"], str(chain["entries"]), *gone, output.word("ok" if chain["ok"] else "broken")
        )
    return table


def _broken(chain: Chain) -> str:
    bad = chain["first_bad"]
    what = f"entry {bad['seq']} is {bad['reason']}" if bad else "it is not whole"
    return f"the trail of {chain['chain']} is broken: {what}"
