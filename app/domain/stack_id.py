"""The id of a stack: its name in its namespace.

The text form is `name` in the default namespace and `namespace/name` in another one. Databases, messages,
audit chains and metrics hold the text form, so the default namespace looks as it does without namespaces.
"""

from __future__ import annotations

from typing import NewType

StackId = NewType("StackId", str)
"""The text form of a stack's id; plain `str` is a name as a caller writes it."""
