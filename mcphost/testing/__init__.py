"""For tests: a model that says what it is told to, a frontend that answers as it is told to, and recorded runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from mcphost.errors import Divergence
from mcphost.events import Event
from mcphost.host import Host
from mcphost.models.base import Model
from mcphost.models.scripted import ScriptedModel
from mcphost.questions import Frontend, Question
from mcphost.tools import LocalTool

A = TypeVar("A")
E = TypeVar("E", bound=Event)

__all__ = ["ScriptedFrontend", "ScriptedModel", "replay"]


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


@asynccontextmanager
async def replay(
    path: Path | str,
    *,
    model: Model | None = None,
    frontend: Frontend | None = None,
    tools: Sequence[LocalTool | Callable[..., Any]] = (),
) -> AsyncIterator[Host]:
    """A Host, entered, whose model, servers and person answer from the recording in the file `path`.

    `model` is asked instead of the recorded one, while the servers stay as recorded. `frontend` is shown the events.
    `tools` are the Python functions that the recorded Host had.

    Raises:
        UsageError: the file is no recording.
        Divergence: at the end of the block, whatever it raised: something was asked that differs from the recording,
            or less than what was recorded.
    """
    from mcphost.recording import Replay, read

    recorded = Replay(read(Path(path)), model=model)
    host = Host(
        recorded.config,
        model=recorded.recorded,
        frontend=frontend,
        tools=tools,
        system=recorded.system,
        environ={},
        edges=recorded,
    )
    try:
        async with host:
            yield host
    except Exception as error:
        if not isinstance(error, Divergence):
            recorded.check()
        raise
    recorded.finish()
