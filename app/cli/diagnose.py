"""`power diagnose`: why services fail, and what would mend them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import click
from rich.text import Text

from app.cli import output, patch_files
from app.cli.arguments import resolve
from app.cli.output import TextTable
from app.domain.stack_id import stack_id
from power_windows.errors import NotFound, PowerError, WrongUsage
from power_windows.payloads import Cause, Diagnosis, SuggestedPatch
from power_windows.rest import Api, connect

_NEWEST = 20
"""Windows among which the last one that failed is looked for."""


class NothingToApply(PowerError):
    """No diagnosis that was asked for suggests a patch."""


class NotCured(PowerError):
    """A patch was tried, and did not cure."""


@click.command()
@click.argument("subject", metavar="[SERVICE|WINDOW]", required=False)
@click.option("-s", "--stack", metavar="STACK", help="The stack of the service, where several have one.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
@click.option("--apply", "apply_patch", is_flag=True, help="Write each suggested patch to a file here.")
@click.option("--branch", metavar="NAME", help="Put the suggested patches on a new git branch.")
@click.option("--verify", is_flag=True, help="Try the best patch in a throw-away copy and project.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The power.toml that --verify reads.  [default: POWER_CONFIG, else ./power.toml]",
)
def diagnose(
    subject: str | None,
    *,
    stack: str | None,
    as_json: bool,
    apply_patch: bool,
    branch: str | None,
    verify: bool,
    config: Path | None,
) -> None:
    """Say why services fail: the cause, the lines that speak for it, and what would mend it.

    Without a name, every service that fails now; where none does, those of the last window that failed.
    SERVICE is a service's name. WINDOW is a window's id or the beginning of one: then it is what failed
    while the window was open. The cause is "unknown" where no
    rule speaks with enough confidence.

    --apply writes STACK-SERVICE-CAUSE.patch into the current directory, and --branch commits the patches
    to a new branch of the git repository that has the files. Neither changes a file in use. --verify
    copies the stack's files, applies the best patch to the copy, builds and starts the service as a
    project of its own without published ports, and says whether that cured. It removes all of it
    afterwards. It has to run on the stack's node.

    Exit codes: 0 done; 1 nothing to apply, or the patch did not cure; 2 wrong usage; 3 out of reach.

    \b
    Examples:
      power diagnose
      power diagnose switch --apply
      power diagnose 3f2a --verify
    """
    with connect() as api:
        diagnoses = _read(api, subject, stack)
        namespaces = {one["name"]: one.get("namespace") or "" for one in api.stacks()} if verify else {}
    if as_json:
        output.dump({"items": diagnoses})
    else:
        _show(diagnoses)
    if apply_patch or branch:
        _write_patches(diagnoses, branch)
    if verify:
        _verify(diagnoses, namespaces, config)


def _read(api: Api, subject: str | None, stack: str | None) -> list[Diagnosis]:
    if stack is not None:
        # Refused here, since a stack that does not exist would look like one where nothing fails.
        api.stack(stack)
    if subject is None:
        return list(_failing(api, stack)) or _last_failed(api, stack)
    holders = [
        one["name"]
        for one in api.stacks()
        if stack in {None, one["name"]} and any(service["name"] == subject for service in one["services"])
    ]
    if len(holders) > 1:
        raise WrongUsage(f"{subject!r} is a service of several stacks; add -s {' or -s '.join(holders)}")
    if holders:
        answer = api.service_diagnosis(holders[0], subject)
        return [answer] if answer["causes"] else []
    try:
        return api.window_diagnosis(resolve(api, subject)["id"])
    except NotFound as error:
        raise NotFound(f"there is no service and no window {subject!r}") from error


def _failing(api: Api, stack: str | None) -> Iterator[Diagnosis]:
    for one in api.stacks():
        if stack not in {None, one["name"]}:
            continue
        if "diagnosis" in one:
            yield one["diagnosis"]
        yield from (service["diagnosis"] for service in one["services"] if "diagnosis" in service)


def _last_failed(api: Api, stack: str | None) -> list[Diagnosis]:
    """The diagnoses of the last window that failed; its services are off by now."""
    for window in api.windows(limit=_NEWEST):
        if window["status"] not in {"fail", "partial"} or stack not in {None, window["stack"]}:
            continue
        if diagnoses := api.window_diagnosis(window["id"]):
            output.note(
                f"nothing fails now; this is what failed in window {window['id']} ({window['status']})"
            )
            return diagnoses
    return []


def _show(diagnoses: list[Diagnosis]) -> None:
    if not diagnoses:
        output.note("nothing that fails is known here")
        return
    table = TextTable(("SERVICE", "CAUSE", "SURE", "RULE", "TITLE"), loose={0: 12, 3: 10, 4: 24})
    for one in diagnoses:
        best = one["causes"][0]
        table.add(_subject(one), best["cause"], _sure(best), best["rule"] or "–", best["title"])
    table.show()
    if output.live():
        for one in diagnoses:
            output.say("", *_details(one))


def _subject(one: Diagnosis) -> str:
    return f"{one['stack']}/{one['service']}" if one["service"] else one["stack"]


def _sure(cause: Cause) -> str:
    return f"{cause['confidence']:.0%}" if cause["rule"] else "–"


def _details(one: Diagnosis) -> Iterator[str | Text]:
    best, others = one["causes"][0], one["causes"][1:]
    yield Text(f"{_subject(one)}: {best['title']}", "bold")
    yield from (Text(f"  | {line}", "dim") for line in best["evidence"])
    yield f"  {best['suggestion']}"
    if one["window"] and one["at"]:
        yield Text(f"  found in window {one['window']} at {one['at']}", "dim")
    if best["rule"]:
        yield Text(f"  rule {best['rule']} in {best['source']}", "dim")
    if best["patch"]:
        yield from (f"    {line}" for line in best["patch"]["diff"].splitlines())
    yield from (f"  also possible, {_sure(other)}: {other['title']}" for other in others)


def _patches(diagnoses: Iterable[Diagnosis]) -> Iterator[tuple[Diagnosis, Cause, SuggestedPatch]]:
    """Of each diagnosis, the most certain cause that has a patch."""
    for one in diagnoses:
        patched = [(cause, cause["patch"]) for cause in one["causes"] if cause["patch"]]
        if patched and (patch := patched[0][1]):
            yield one, patched[0][0], patch


def _write_patches(diagnoses: list[Diagnosis], branch: str | None) -> None:
    listed = list(_patches(diagnoses))
    if not listed:
        raise NothingToApply("no patch is suggested: the change is not certain, or its file was not found")
    if branch:
        commit = patch_files.commit_to_branch(branch, [patch for _one, _cause, patch in listed])
        output.note(f"branch {branch} has the change, at {commit[:12]}")
        return
    for one, cause, patch in listed:
        name = "-".join(filter(None, (one["stack"].replace("/", "-"), one["service"], cause["cause"])))
        path = patch_files.write_patch(Path.cwd(), name, patch)
        output.note(f"{path.name}: patch -p1 -d {patch['directory']} < {path.name}")


def _verify(diagnoses: list[Diagnosis], namespaces: Mapping[str, str], config: Path | None) -> None:
    """Try each patch; `namespaces` has that of each stack whose token writes its name without it."""
    from app.cli import environment, patch_trial

    listed = list(_patches(diagnoses))
    if not listed:
        raise NothingToApply("there is no patch to try")
    path = config or environment.load().config
    failed = []
    for one, cause, patch in listed:
        output.note(f"{_subject(one)}: trying the patch of {patch['file']} in a throw-away project")
        stack = stack_id(namespaces.get(one["stack"], ""), one["stack"])
        result = patch_trial.try_patch(path, stack, one["service"], cause["cause"], patch)
        output.note(f"{_subject(one)}: {'cured' if result.cured else 'not cured'}: {result.why}")
        failed += [] if result.cured else [_subject(one)]
    if failed:
        raise NotCured(f"not cured: {', '.join(failed)}")
