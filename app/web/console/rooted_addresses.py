"""Put the path under which people reach the console before each address in a template.

A template is rewritten when it is compiled, so no template can forget the prefix. What a page shows is not
searched: only the text of the template itself is.
"""

from __future__ import annotations

import re

from flask import request
from jinja2.ext import Extension

_ADDRESS = re.compile(r'(\s(?:href|src|action|formaction|hx-get|hx-post|data-live|data-address)=")(?=/(?!/))')


class RootedAddresses(Extension):
    """Puts `{{ root() }}` before each address of a template that begins with `/`."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002
        """The template with the prefix before its addresses."""
        return _ADDRESS.sub(r"\1{{ root() }}", source)


def root() -> str:
    """The prefix of every address: `/power`, or empty at the root of a host."""
    return request.script_root
