"""Questions on the panel, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Literal, TypeVar, cast

from mcphost.errors import McpHostError
from mcphost.frontends import consent, further, samples
from mcphost.frontends.asking import UNKNOWN, exact
from mcphost.questions import (
    A,
    Approval,
    ElicitationAnswer,
    ElicitationForm,
    ElicitationUrl,
    Further,
    PromptArgument,
    PromptPreview,
    Question,
    SampleResult,
    SamplingDecision,
    SamplingReview,
    StepLimit,
    ToolApproval,
    UnknownOutcome,
)
from mcphost.terminal import cards, prompting
from mcphost.terminal.cards import WARNING
from mcphost.terminal.forms import fill_in
from mcphost.terminal.panel import Card, Panel
from mcphost.terminal.suggesting import LineCompleter
from mcphost.text import one_line

Edited = TypeVar("Edited", bound=ToolApproval | SamplingReview | SampleResult)

_EDIT_KEYS = {"Enter": "take it", "Ctrl+X Ctrl+E": "in your editor", "Esc": "back"}


class PanelAsker:
    """`open_url` opens an address in the person's browser, and says so; `edit` has a text edited in their editor, or
    raises McpHostError; `completer` offers values of an argument."""

    def __init__(
        self,
        panel: Panel,
        *,
        open_url: Callable[[str], Awaitable[None]],
        edit: Callable[[str], Awaitable[str]],
        completer: Callable[[PromptArgument], LineCompleter | None],
    ) -> None:
        self._panel = panel
        self._open = open_url
        self._edit = edit
        self._completer = completer
        self._turn = asyncio.Lock()
        self.waiting = 0  # questions that wait for their turn here

    async def ask(self, question: Question[A]) -> A:
        self.waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self.waiting -= 1
        try:
            return cast("A", await self._answer(question))
        finally:
            self._turn.release()

    async def _answer(self, question: Question[Any]) -> object:
        match question:
            case ToolApproval():
                return await self._approve(question)
            case SamplingReview() | SampleResult():
                return await self._review(question)
            case ElicitationForm():
                return await fill_in(self._panel, question)
            case ElicitationUrl():
                return await self._visit(question)
            case UnknownOutcome():
                return await self._repeat(question)
            case StepLimit():
                return await self._go_on(question)
            case PromptArgument():
                return await prompting.read_argument(self._panel, question, self._completer(question))
            case PromptPreview():
                return await prompting.decide(self._panel, question)
            case _:
                return question.refusal

    async def _approve(self, asked: ToolApproval) -> Approval:
        question = asked
        while True:
            card, edited = cards.approval(question), question is not asked
            key = await self._panel.choose(card, consent.choices(question, edited=edited))
            if key == "e":
                label = "Arguments (JSON, or NAME=VALUE)"
                question = await self._edited(card, question, label, consent.editable, consent.edit, consent.page)
                continue
            reason = ""
            if key in ("n", "d"):
                keys = {"Enter": "say no", "Esc": "back"}
                end, reason = await self._panel.read(card, "Why not (the model reads it)", keys=keys)
                if end == "Esc":
                    continue
            return consent.approval(key, reason=reason.strip(), arguments=question.arguments if edited else None)

    async def _edited(
        self,
        card: Card,
        question: Edited,
        label: str,
        editable: Callable[[Edited], str],
        edit: Callable[[Edited, str], Edited],
        page: Callable[[str], str],
    ) -> Edited:
        """The question with what was typed; as it was where the person thought better of it."""
        typed, shown = editable(question), card
        while True:
            end, line = await self._panel.read(shown, label, typed, keys=_EDIT_KEYS)
            if end == "Esc" or (end == "Enter" and line == editable(question)):
                return question
            typed = line
            try:
                if end != "Enter":
                    typed = await self._edit(page(line))
                return edit(question, typed)
            except (ValueError, McpHostError) as error:
                shown = replace(card, lines=(*card.lines, (WARNING, str(error))))

    async def _repeat(self, question: UnknownOutcome) -> Literal["retry", "fail"]:
        card = Card(UNKNOWN.format(name=one_line(question.name)), (("", exact(question.arguments)),))
        keys = {"y": "run it again", "n": "do not, and tell the model"}
        return "retry" if await self._panel.choose(card, keys) == "y" else "fail"

    async def _go_on(self, question: StepLimit) -> Further:
        problem = ""
        while True:
            card = Card(further.title(question), ((WARNING, problem),) if problem else ())
            key = await self._panel.choose(card, further.KEYS)
            typed = ""
            if key == "m":
                keys = {"Enter": "go on", "Esc": "back"}
                end, typed = await self._panel.read(card, further.HOW_MANY, keys=keys)
                if end == "Esc":
                    continue
            try:
                return further.further(key, typed)
            except ValueError as error:
                problem = f"expected {error}"

    async def _review(self, asked: samples.Asked) -> SamplingDecision:
        question = asked
        while True:
            card = cards.sampling(question)
            key = await self._panel.choose(card, {"y": "yes", "n": "no", "e": "edit it first"})
            if key != "e":
                return samples.decision(asked, question) if key == "y" else SamplingDecision(allowed=False)
            question = await self._edited(
                card, question, "All of it (JSON)", samples.editable, samples.edit, samples.page
            )

    async def _visit(self, question: ElicitationUrl) -> ElicitationAnswer:
        keys = {"y": "yes, open it"} | {key: label for key, (label, _) in consent.REFUSALS.items()}
        key = await self._panel.choose(cards.address(question), keys)
        if key in consent.REFUSALS:
            return consent.REFUSALS[key][1]
        await self._open(question.url)
        return ElicitationAnswer("accept")
