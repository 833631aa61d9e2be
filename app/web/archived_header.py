"""The response header that names the last archived entry of each audit chain."""

from __future__ import annotations

from app.store import audit
from app.web.context import WebContext

ARCHIVED_HEADER = "Power-Archived"
"""The header's name; its value has the last archived `seq` of each chain."""


def archived_header(context: WebContext) -> dict[str, str]:
    """The header of the archived entries, such as `house:12,vx11:4711`; empty where no entry is archived."""
    with context.database.read() as session:
        archived = audit.kept_from(session)
    return (
        {ARCHIVED_HEADER: ",".join(f"{chain}:{seq}" for chain, seq in sorted(archived.items()))}
        if archived
        else {}
    )
