"""The reference pages, made from the code while the site is built: nothing in them is written twice."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

import power_windows as client
from app.domain import enums
from app.web.route_table import EVERY_FEATURE, specification

_WORDS = (
    enums.State,
    enums.Status,
    enums.Power,
    enums.Role,
    enums.Mode,
    enums.Action,
    enums.CallStatus,
    enums.Event,
)


_RECORDS = Path(__file__).parent / "decisions"


def on_files(files: Files, config: Any) -> Files:
    if page := files.get_file_from_path("decisions/README.md"):
        files.remove(page)  # `_decisions` makes it a part of the index page
    for name, made in _MADE.items():
        files.append(File.generated(config, name, content="\n".join(made())))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """What a reader of the repository can follow and a reader of the site cannot, is named and no link."""
    inside = re.sub(r"\]\(decisions/\)", "](decisions/index.md)", markdown)
    return re.sub(r"\[([^\]]+)\]\((?:\.\./)+(?:examples|README|CHANGELOG)[^)]*\)", r"\1", inside)


def _decisions() -> Iterator[str]:
    """README.md of the folder, and a list of the records by their titles."""
    yield (_RECORDS / "README.md").read_text()
    yield "## Records\n"
    for path in sorted(_RECORDS.glob("0*.md")):
        title = path.read_text().partition("\n")[0].lstrip("# ")
        yield f"- [{title}]({path.name})"


def _rest() -> Iterator[str]:
    spec = specification(EVERY_FEATURE)
    yield "# REST routes\n"
    yield f"{spec['info']['description']}\n"
    yield "The running service has it all, with schemas, at `/docs` and `/openapi.json`.\n"
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            yield from _operation(f"{method.upper()} {path}", operation)


def _operation(title: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"## `{title}`\n\n{operation.get('summary', '')}\n\n{operation.get('description', '')}\n"
    parameters = operation.get("parameters", [])
    if parameters:
        yield "| parameter | in | |\n|---|---|---|"
        yield from (f"| `{one['name']}` | {one['in']} | {one.get('description', '')} |" for one in parameters)
        yield ""
    yield "| answer | |\n|---|---|"
    yield from (f"| {code} | {one.get('description', '')} |" for code, one in operation["responses"].items())
    yield ""


def _client() -> Iterator[str]:
    yield "# Python client\n\nFrom `power_windows`; how to use it: [from Python](../client.md).\n"
    for name in client.__all__:
        public = getattr(client, name)
        yield f"## `{name}`\n\n{inspect.getdoc(public) or ''}\n"
        for method, value in vars(public).items():
            if inspect.isfunction(value) and not method.startswith("_"):
                yield f"### `{name}.{method}{_signature(value)}`\n\n{inspect.getdoc(value) or ''}\n"


def _signature(function: Any) -> str:
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return str(inspect.Signature(parameters)).replace("'", "")


def _words() -> Iterator[str]:
    yield "# Words\n\nThe closed lists of words that the API, the command and the audit trail use.\n"
    for one in _WORDS:
        yield f"## {one.__name__}\n\n{inspect.getdoc(one)}\n\n{', '.join(f'`{word}`' for word in one)}\n"


_MADE = {
    "reference/rest.md": _rest,
    "reference/client.md": _client,
    "reference/words.md": _words,
    "decisions/index.md": _decisions,
}
