"""The viewer, by the namespace of its token: what it means by a name, and which rows it may see.

A viewer of the default namespace is an operator: it sees every namespace and writes `namespace/name`.
A viewer of another namespace sees that one alone, and names what is in it without the namespace.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.stack_id import DEFAULT_NAMESPACE, StackId, namespace_of, prefix_of, qualify

_SHORTENED = ("stack", "name", "sink", "chain")
"""Members of an answer with a name in text form. An actor keeps its namespace: an operator acts there too."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """The namespace of a caller."""

    namespace: str = DEFAULT_NAMESPACE

    @property
    def is_operator(self) -> bool:
        """Does it see every namespace?"""
        return self.namespace == DEFAULT_NAMESPACE

    def stack_id(self, name: str) -> StackId:
        """The id of the stack that the viewer means by this name."""
        return StackId(self.qualify_name(name))

    def qualify_name(self, name: str) -> str:
        """The text form of a name that the viewer wrote."""
        return qualify(self.namespace, name)

    def sees(self, text: str) -> bool:
        """Is what has this name, in text form, in a namespace that the viewer sees?"""
        return self.is_operator or namespace_of(text) == self.namespace

    def short(self, text: str) -> str:
        """A name in text form, as the viewer writes it."""
        return text.removeprefix(prefix_of(self.namespace))

    def shorten_sentence(self, text: str) -> str:
        """A sentence with the names in it as the viewer writes them; parts of paths stay as they are."""
        if self.is_operator:
            return text
        return re.sub(rf"(?<![\w./-]){re.escape(prefix_of(self.namespace))}(?=\w)", "", text)

    def shorten_facts(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """The facts of a refusal with names as the viewer writes them."""
        return {name: self._shorten_fact(value) for name, value in facts.items()}

    def _shorten_fact(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.shorten_sentence(value)
        if isinstance(value, list | tuple | set | frozenset):
            return [self._shorten_fact(one) for one in value]
        if isinstance(value, Mapping):
            return {self._shorten_fact(name): self._shorten_fact(one) for name, one in value.items()}
        return value

    def shorten_answer(self, value: Any) -> Any:
        """An answer as JSON with stacks, tokens and sinks as the viewer writes them; other text stays."""
        if self.is_operator:
            return value
        if isinstance(value, dict):
            return {name: self._shorten_member(name, one) for name, one in value.items()}
        return [self.shorten_answer(one) for one in value] if isinstance(value, list) else value

    def _shorten_member(self, name: str, value: Any) -> Any:
        if name in _SHORTENED and isinstance(value, str):
            return self.short(value)
        return self.shorten_answer(value)


OPERATOR = Viewer()
"""The viewer of the default namespace."""
