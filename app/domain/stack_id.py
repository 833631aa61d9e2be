"""The id of a stack: its name in its namespace.

The text form is `name` in the default namespace and `namespace/name` in another one. Databases, messages,
audit chains and metrics hold the text form, so the default namespace looks as it does without namespaces.
Names of tokens and of notification sinks have the same form.
"""

from __future__ import annotations

from typing import NewType

StackId = NewType("StackId", str)
"""The text form of a stack's id; plain `str` is a name as a caller writes it."""
DEFAULT_NAMESPACE = ""
"""The namespace of `[stacks]` and of the token that a server makes by itself. Its tokens see all of them."""
NAMESPACE_PATTERN = r"^[a-z][a-z0-9_-]{0,38}$"
"""What a namespace may be called."""
_BETWEEN = "/"


def qualify(namespace: str, name: str) -> str:
    """The text form of a name in a namespace."""
    return f"{namespace}{_BETWEEN}{name}" if namespace else name


def stack_id(namespace: str, name: str) -> StackId:
    """The id of the stack of this name in a namespace."""
    return StackId(qualify(namespace, name))


def namespace_of(text: str) -> str:
    """The namespace of a stack's id or another name in text form; empty for the default one."""
    return text.rpartition(_BETWEEN)[0]


def section_of(stack: StackId) -> str:
    """The section of power.toml that defines the stack."""
    namespace, _, name = stack.rpartition(_BETWEEN)
    return f"namespaces.{namespace}.stacks.{name}" if namespace else f"stacks.{name}"


def named_for(stack: StackId, other: str) -> str:
    """Another stack in a sentence about this one; of another namespace it is not named."""
    if namespace_of(stack) in {DEFAULT_NAMESPACE, namespace_of(other)}:
        return f"stack {other!r}"
    return "a stack of another namespace"


def file_part(text: str) -> str:
    """A name in text form as a part of a file's name; no two names have the same."""
    return text.replace(_BETWEEN, "~")


def prefix_of(namespace: str) -> str:
    """What the text form of every name in this namespace begins with; empty for the default one."""
    return qualify(namespace, "")
