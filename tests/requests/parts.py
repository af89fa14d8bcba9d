"""A Requests between a scripted person and a scripted model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any

from mcphost.config.schema import Decision, ServerConfig
from mcphost.events import RequestAnswered
from mcphost.messages import AssistantMessage, Text, Usage
from mcphost.models.base import Model
from mcphost.questions import ElicitationForm, ElicitationUrl, SampleResult, SamplingReview
from mcphost.requests import Requests
from mcphost.testing import ScriptedFrontend, ScriptedModel

HELLO = AssistantMessage((Text("hello"),), usage=Usage(input=10, output=5))


def model_of(*replies: AssistantMessage | Exception, name: str = "test/model") -> ScriptedModel:
    """A model with these replies, and "hello" ever after."""
    return ScriptedModel(chain(replies, repeat(HELLO)), name=name)


class Person(ScriptedFrontend):
    """Answers each question of a server by `answer`; without one, nobody can be asked."""

    questions: list[Any]

    def __init__(self, answer: Callable[[Any], Any] | None = None) -> None:
        kinds = (SamplingReview, SampleResult, ElicitationForm, ElicitationUrl)
        super().__init__(dict.fromkeys(kinds, answer) if answer else None)

    @property
    def answered(self) -> list[RequestAnswered]:
        return self.of(RequestAnswered)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def requests(
    person: Person,
    model: Model | None = None,
    *,
    sampling: Decision = "ask",
    asks: bool = True,
    servers: Sequence[ServerConfig] = (),
    models: Mapping[str, Callable[[], Model]] | None = None,
    clock: Callable[[], float] | None = None,
) -> Requests:
    own: Model = model or model_of()
    configs = servers or (ServerConfig("demo", command="demo", sampling=sampling),)
    return Requests(
        frontend=person,
        show=person.show,
        asks=lambda: asks,
        model=lambda: own,
        servers={config.name: config for config in configs},
        models=models or {},
        clock=clock or Clock(),
    )
