"""`power audit`: print, verify and archive the audit trail."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from app.cli import follow, output
from app.cli.arguments import Duration, any_window, resolve, utc_option
from app.cli.event_text import EventText
from app.cli.output import TextTable
from app.domain.event_sentences import EventSentences
from power_windows.errors import Failed, Unreachable
from power_windows.payloads import Chain, Entry, Verdict
from power_windows.rest import Api, connect


@click.group(invoke_without_command=True)
@click.option(
    "-w", "--window", metavar="WINDOW", shell_complete=any_window, help="Only entries of this window."
)
@click.option("--actor", metavar="NAME", help="Only entries of this actor.")
@click.option("--last", type=click.IntRange(0), metavar="N", help="Only the last N entries.")
@click.option(
    "-f", "--follow", "following", is_flag=True, help="Go on, and show entries as they are written."
)
@click.option("--raw", is_flag=True, help="Print event, actor and facts in place of a sentence.")
@utc_option
@click.option("--json", "as_json", is_flag=True, help="Print the API's entries, one a line.")
@click.pass_context
def audit(
    ctx: click.Context,
    *,
    window: str | None,
    actor: str | None,
    last: int | None,
    following: bool,
    raw: bool,
    as_json: bool,
) -> None:
    """Read the audit trail, oldest first, as sentences.

    \b
    Examples:
      power audit --last 20
      power audit --window 3f2a --raw
      power audit --follow --json | jq .event
      power audit verify
      power audit archive --before 90d --to archive
    """
    if ctx.invoked_subcommand is not None:
        return
    with connect() as api:
        filters = {"window": resolve(api, window)["id"] if window else None, "actor": actor}
        entries = _follow(api, filters, last) if following else _last(api.audit(**filters), last)
        if as_json or raw:
            _print(entries, output.dump_line if as_json else _print_raw)
        else:
            sentences = EventSentences(complete=True)
            event_text = EventText(named=len(api.stacks()) > 1, sentences=sentences)
            _print(entries, lambda entry: output.say(*event_text.wrapped_lines(entry)))


def _last(entries: Iterable[Entry], last: int | None) -> Iterable[Entry]:
    return entries if last is None else deque(entries, maxlen=last)


def _print(entries: Iterable[Entry], print_entry: Callable[[Entry], None]) -> None:
    with follow.until_interrupted():
        for entry in entries:
            print_entry(entry)


def _print_raw(entry: Entry) -> None:
    output.say(_line(entry))


def _follow(api: Api, filters: dict[str, Any], last: int | None) -> Iterator[Entry]:
    """Existing entries, then new ones without an end."""
    entries = follow.entries(api, lambda: _last(api.audit(**filters), last))
    return (entry for entry in entries if _matches(entry, filters))


def _matches(entry: Entry, filters: dict[str, Any]) -> bool:
    return all(value is None or entry.get(name) == value for name, value in filters.items())


def _line(entry: Entry) -> Text:
    who = "/".join(part for part in (entry["stack"], entry["service"]) if part) or "-"
    window = entry["window"] or "-"
    parts = [output.clock(entry["at"]), f"{entry['event']:<15}", entry["actor"], who, window]
    return (
        _columns_line(entry, parts)
        if output.live()
        else Text("  ".join(map(output.harmless, [*parts, _facts(entry["facts"])])).rstrip())
    )


# Lines are printed while the response arrives, so the columns have fixed widths.
_ACTOR, _WHO, _WINDOW = 8, 18, 8


def _columns_line(entry: Entry, parts: Sequence[str]) -> Text:
    """The entry in columns, cut at the width of the terminal."""
    at, event, actor, who, window = map(output.harmless, parts)
    line = Text(f"{at}  ").append(event, output.style(entry["event"].rpartition(".")[2])).append("  ")
    for text, width in ((actor, _ACTOR), (who, _WHO), (window[:_WINDOW], _WINDOW)):
        cell = Text(text)
        cell.truncate(width, overflow="ellipsis", pad=True)
        line.append_text(cell).append("  ")
    line.append(_call_or_facts(entry["facts"]), "dim")
    line.truncate(output.console().width, overflow="ellipsis")
    line.rstrip()
    return line


def _call_or_facts(facts: dict[str, Any]) -> str:
    """Action and exit code of a call; all facts of another entry."""
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
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def verify(files: tuple[Path, ...], *, as_json: bool) -> None:
    """Verify that no entry was altered, removed or moved.

    Names the first bad entry of each chain, and exits 1 if there is one. FILES are archives: each is
    verified by itself, and they must join without a gap each other and the live trail of a running service.

    \b
    Examples:
      power audit verify
      power audit verify archive/*
    """
    if files:
        _verify_files(files, as_json)
        return
    with connect() as api:
        verdict = api.verify()
    if as_json:
        output.dump(verdict)
    else:
        _chains(verdict["chains"]).show()
    if not verdict["ok"]:
        raise Failed("\n".join(_broken_chain_text(chain) for chain in verdict["chains"] if not chain["ok"]))


def _verify_files(files: Sequence[Path], as_json: bool) -> None:
    from app.archive.verify import prove

    live_verdict = _live_verdict()
    live_chains = live_verdict["chains"] if live_verdict else None
    parts, faults = prove(files, live_chains)
    faults += [_broken_chain_text(chain) for chain in live_chains or () if not chain["ok"]]
    if as_json:
        verified = [{"file": str(one.place), "holds": one.says, "ok": not one.fault} for one in parts]
        output.dump({"ok": not faults, "live": live_verdict is not None, "files": verified, "faults": faults})
    else:
        table = TextTable(("FILE", "HOLDS", "VERDICT"), loose={0: 16})
        for one in parts:
            table.add(one.place.name, one.says, output.word("broken" if one.fault else "ok"))
        table.show()
    if faults:
        raise Failed("\n".join(faults))


def _live_verdict() -> Verdict | None:
    """The verdict of the running service; None where there is none."""
    try:
        with connect() as api:
            return api.verify()
    except Unreachable:
        output.note("power: no service found: the files are verified by themselves, not with the live trail")
        return None


@audit.command()
@click.option("--before", required=True, type=Duration(), help="The age of the entries: 90d, 12h.")
@click.option(
    "--to",
    "directory",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="The directory for the files; created where it is missing.",
)
@click.option("--gzip", "packed", is_flag=True, help="Compress the files.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def archive(before: float, directory: Path, *, packed: bool, as_json: bool) -> None:
    """Move old entries and finished windows into files that still verify.

    Works on the database directly (POWER_DATABASE_URL, else the one in POWER_DATA_DIR), also while
    the service runs. Entries of a window that is not closed stay. Repeat a run that was interrupted.

    \b
    Examples:
      power audit archive --before 90d --to archive
      power audit verify archive/*
    """
    from app.cli import audit_archive

    audit_archive.run(before, directory, packed=packed, as_json=as_json)


def _chains(chains: Sequence[Chain]) -> TextTable:
    """The table of chains; the column ARCHIVED only where a chain has archived entries."""
    some = any(chain.get("archived") for chain in chains)
    table = TextTable(("CHAIN", "ENTRIES", *(("ARCHIVED",) if some else ()), "VERDICT"), loose={0: 16})
    for chain in chains:
        archived = (str(chain.get("archived", 0)),) if some else ()
        table.add(
            chain["chain"], str(chain["entries"]), *archived, output.word("ok" if chain["ok"] else "broken")
        )
    return table


def _broken_chain_text(chain: Chain) -> str:
    bad = chain["first_bad"]
    what = f"entry {bad['seq']} is {bad['reason']}" if bad else "it is not whole"
    return f"the trail of {chain['chain']} is broken: {what}"
