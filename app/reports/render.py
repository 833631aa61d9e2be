"""One report in each of its forms."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from app.domain.untrusted_text import as_json
from app.reports import pictures, tables
from app.reports.junit import render_junit
from app.reports.markdown import markdown_table, plain_text
from app.reports.pictures import text
from app.reports.spans import Report
from app.reports.tables import ReportTable


def render_json(report: Report) -> str:
    """The report itself, indented."""
    return as_json(dict(report), indent=1) + "\n"


def render_markdown(report: Report) -> str:
    """The report as Markdown, without pictures."""
    run = report["run"]
    facts = [f"- **{name}**: {plain_text(value)}" for name, value in tables.summary_facts(report)]
    parts = [f"# Run of {plain_text(run['name'])}: {run['outcome']}", "\n".join(facts)]
    if report["notes"]:
        parts += ["\n".join(f"- {plain_text(note)}" for note in report["notes"])]
    parts += [_markdown_table(one) for one in tables.report_tables(report)]
    return "\n\n".join(parts) + "\n"


def _markdown_table(table: ReportTable) -> str:
    if not table.rows:
        return f"## {table.title}\n\n{table.empty}"
    return f"## {table.title}\n\n{markdown_table(table.heads, table.rows)}"


_STYLE = (Path(__file__).parent / "report.css").read_text()
"""Of the page and of the pictures in it; a light and a dark form."""


_LEGEND = '<ul class="legend">{}</ul>'.format(
    "".join(
        f'<li><span class="sample {kind}"></span>{meaning}</li>'
        for kind, meaning in (
            ("off", "off"),
            ("warn", "starting or stopping"),
            ("good", "ready, or a step that passed"),
            ("bad", "failing, or a step that failed"),
            ("phase", "phases of the run"),
        )
    )
)
"""What the colours of the time line mean."""


def render_html(report: Report) -> str:
    """The report as one page that needs nothing else, with its pictures, for a light and a dark screen."""
    run = report["run"]
    title = f"Run of {text(run['name'])}"
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{title}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<h1>{title}: <span class="outcome {text(run["outcome"])}">{text(run["outcome"])}</span></h1>\n'
        f"{render_body(report)}\n</main>\n</body>\n</html>\n"
    )


def render_body(report: Report) -> str:
    """What follows the heading of a page: facts, pictures and tables. Needs the classes of report.css."""
    facts = "".join(
        f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in tables.summary_facts(report)
    )
    notes = "".join(f"<li>{text(note)}</li>" for note in report["notes"])
    *causes, steps, services, calls, changes = (_html_table(one) for one in tables.report_tables(report))
    parts = [f"<dl>{facts}</dl>", f"<ul>{notes}</ul>" if notes else "", *causes]
    parts += [_section("Time line", _scroll(pictures.draw_timeline(report), "Time line") + _LEGEND)]
    parts += [steps, services]
    if curves := pictures.draw_curves(report):
        drawn = "".join(f"<figure>{_scroll(one, f'Curve of {name}')}</figure>"
                        for name, cpu, memory in curves for one in (cpu, memory))  # fmt: skip
        parts.append(_section("CPU and memory", f'<div class="curves">{drawn}</div>'))
    if starts := pictures.draw_starts(report):
        parts.append(_section("Start times against history", _scroll(starts, "Start times")))
    return "\n".join([*filter(None, parts), calls, changes])


def _section(title: str, inside: str) -> str:
    return f"<section>\n<h2>{text(title)}</h2>\n{inside}\n</section>"


def _scroll(inside: str, label: str) -> str:
    """Something wide, which can be scrolled with the keyboard too."""
    return f'<div class="scroll" tabindex="0" role="group" aria-label="{text(label)}">{inside}</div>'


def _html_table(table: ReportTable) -> str:
    if not table.rows:
        return _section(table.title, f"<p>{text(table.empty)}</p>")
    heads = "".join(f'<th scope="col">{text(head)}</th>' for head in table.heads)
    rows = "".join(f"<tr>{_cells(row)}</tr>\n" for row in table.rows)
    drawn = f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>"
    return _section(table.title, _scroll(drawn, f"Table: {table.title}"))


def _cells(row: Sequence[str]) -> str:
    return "".join(
        f'<td class="{text(cell)}">{text(cell)}</td>'
        if cell in {"passed", "failed"}
        else f'<td class="number">{text(cell)}</td>'
        if _MEASURED.fullmatch(cell)
        else f"<td>{text(cell)}</td>"
        for cell in row
    )


_MEASURED = re.compile(r"[\d.]+ (s|%|MiB)")
"""A cell that stays on one line."""


RENDERERS: Mapping[str, tuple[str, Callable[[Report], str]]] = {
    "json": ("application/json", render_json),
    "md": ("text/markdown; charset=utf-8", render_markdown),
    "html": ("text/html; charset=utf-8", render_html),
    "junit": ("application/xml", render_junit),
}
"""Each form of a report: its media type, and the function that renders it."""
