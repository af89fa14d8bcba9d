"""Fakes that ship: a model that says what it is told to, and a frontend that answers as it is told to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from mcphost.events import Event
from mcphost.models.scripted import ScriptedModel
from mcphost.questions import Question

A = TypeVar("A")
E = TypeVar("E", bound=Event)

__all__ = ["ScriptedFrontend", "ScriptedModel"]


class ScriptedFrontend:
    """Remembers every event and question. `answers` maps a question's class to its answer, or to a function of the
    question; a question of any other class gets its refusal."""

    def __init__(self, answers: Mapping[type[Any], Any] | None = None) -> None:
        self.answers = dict(answers or {})
        self.events: list[Event] = []
        self.questions: list[Question[Any]] = []

    async def show(self, event: Event) -> None:
        self.events.append(event)

    async def ask(self, question: Question[A]) -> A:
        self.questions.append(question)
        answer = self.answers.get(type(question), question.refusal)
        return cast(A, answer(question) if callable(answer) else answer)

    def of(self, kind: type[E]) -> list[E]:
        """The events of this class, in order."""
        return [event for event in self.events if isinstance(event, kind)]
