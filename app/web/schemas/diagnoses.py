"""Why services fail, as it is answered."""

from __future__ import annotations

from pydantic import Field

from app.web.schemas.base import AnswerModel, Timestamp


class SuggestedPatch(AnswerModel):
    """A change that would mend the cause, as a unified diff. Only a person applies it."""

    file: str = Field(description="The changed file, relative to `directory`.")
    diff: str
    directory: str = Field(description="The folder on the stack's node in which the diff applies.")


class Cause(AnswerModel):
    """One possible cause."""

    cause: str = Field(description="One word, such as `missing-module`; `unknown` where no rule speaks.")
    title: str
    confidence: float = Field(description="From 0 to 1.")
    evidence: list[str] = Field(description="The lines that speak for it.")
    suggestion: str
    rule: str = Field(description="The rule that spoke; empty for `unknown`.")
    source: str = Field(description="The file of that rule.")
    patch: SuggestedPatch | None


class Diagnosis(AnswerModel):
    """Why a service failed, the most certain cause first; without causes it does not fail."""

    stack: str
    service: str = Field(description="Empty where the stack's files were refused.")
    window: str | None = Field(description="The newest window that held it then.")
    at: Timestamp | None
    causes: list[Cause]


class Diagnoses(AnswerModel):
    """The diagnoses of a window's services, by name."""

    items: list[Diagnosis]
