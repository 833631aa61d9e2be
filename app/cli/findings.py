"""The results of checks, as `power doctor` and `power check` print them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from app.cli import output


@dataclass(frozen=True)
class Finding:
    """The result of one check. `mend` is what to do; one that is ok and has it is a warning."""

    check: str
    ok: bool
    detail: str
    mend: str = ""


def report(findings: Sequence[Finding], *, as_json: bool, more: Mapping[str, Any] | None = None) -> None:
    """Print all findings, one line each or as one JSON object; exits with 1 where one is not ok.

    `more` is added to the JSON object.
    """
    is_ok = all(finding.ok for finding in findings)
    if as_json:
        output.dump({"ok": is_ok, "checks": [finding.__dict__ for finding in findings], **(more or {})})
    else:
        for finding in findings:
            _show(finding)
    if not is_ok:
        raise SystemExit(1)


def _show(finding: Finding) -> None:
    click.echo(f"{_mark(finding)}{finding.check:<9} {output.harmless(finding.detail)}")
    if finding.mend:
        click.echo(f"{'':<17}mend: {output.harmless(finding.mend)}")


def _mark(finding: Finding) -> str:
    if not finding.ok:
        return click.style("broken ", fg="red", bold=True)
    return click.style("warn   ", fg="yellow") if finding.mend else click.style("ok     ", fg="green")
