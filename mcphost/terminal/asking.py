"""Questions on the panel, one at a time.

Law 2: what is shown is what is sent, so arguments are shown whole and exact. Law 5: a server's words are marked as its
own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, TypeVar, cast

from mcphost.frontends import consent, form, further, samples
from mcphost.frontends.asking import UNKNOWN, exact, wording
from mcphost.questions import (
    A,
    Approval,
    ElicitationAnswer,
    ElicitationForm,
    ElicitationUrl,
    Further,
    Question,
    SampleResult,
    SamplingDecision,
    SamplingReview,
    StepLimit,
    ToolApproval,
    UnknownOutcome,
)
from mcphost.terminal.panel import SAID, Card, Panel
from mcphost.text import one_line, safe, visible

WARNING = "class:panel.warning"

Edited = TypeVar("Edited", bound=ToolApproval | SamplingReview | SampleResult)

_DECLINED = ElicitationAnswer("decline")
_FIELD_KEYS = "[Enter] next field  [Esc] back, to send, decline or cancel"
_CANCELLED = ElicitationAnswer("cancel")


class PanelAsker:
    def __init__(self, panel: Panel) -> None:
        self._panel = panel
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
                return await self._fill_in(question)
            case ElicitationUrl():
                return await self._visit(question)
            case UnknownOutcome():
                return await self._repeat(question)
            case StepLimit():
                return await self._go_on(question)
            case _:
                return question.refusal

    async def _approve(self, asked: ToolApproval) -> Approval:
        question = asked
        while True:
            card, edited = _approval(question), question is not asked
            key = await self._panel.choose(card, consent.choices(question, edited=edited))
            if key == "e":
                label = "Arguments (JSON, or NAME=VALUE)"
                question = await self._edited(card, question, label, consent.editable(question), consent.edit)
                continue
            reason: str | None = ""
            if key in ("n", "d"):
                reason = await self._panel.read(card, "Why not (the model reads it)", keys="[Enter] say no  [Esc] back")
            if reason is not None:
                return consent.approval(key, reason=reason.strip(), arguments=question.arguments if edited else None)

    async def _edited(
        self, card: Card, question: Edited, label: str, typed: str, edit: Callable[[Edited, str], Edited]
    ) -> Edited:
        """The question with what was typed; as it was where the person thought better of it."""
        while True:
            line = await self._panel.read(card, label, typed, keys="[Enter] take  [Esc] back")
            if line is None or line == typed:
                return question
            try:
                return edit(question, line)
            except ValueError as error:
                typed = line
                card = replace(card, lines=(*card.lines, (WARNING, str(error))))

    async def _repeat(self, question: UnknownOutcome) -> Literal["retry", "fail"]:
        card = Card(UNKNOWN.format(name=one_line(question.name)), (("", exact(question.arguments)),))
        keys = {"y": "run it again", "n": "do not, and tell the model"}
        return "retry" if await self._panel.choose(card, keys) == "y" else "fail"

    async def _go_on(self, question: StepLimit) -> Further:
        problem = ""
        while True:
            card = Card(further.title(question), ((WARNING, problem),) if problem else ())
            key = await self._panel.choose(card, further.KEYS)
            typed: str | None = ""
            if key == "m":
                typed = await self._panel.read(card, further.HOW_MANY, keys="[Enter] go on  [Esc] back")
            if typed is None:
                continue
            try:
                return further.further(key, typed)
            except ValueError as error:
                problem = f"expected {error}"

    async def _review(self, asked: samples.Asked) -> SamplingDecision:
        question = asked
        while True:
            card = _sampled(question) if isinstance(question, SampleResult) else _sampling(question)
            key = await self._panel.choose(card, {"y": "yes", "n": "no", "e": "edit it first"})
            if key != "e":
                return samples.decision(asked, question) if key == "y" else SamplingDecision(allowed=False)
            question = await self._edited(card, question, "All of it (JSON)", samples.editable(question), samples.edit)

    async def _visit(self, question: ElicitationUrl) -> ElicitationAnswer:
        lines = [*_said(question.server, question.message), *_warnings(question.warnings)]
        lines += [
            ("", safe(question.url)),
            ("bold", f"It leads to: {one_line(question.host)}{consent.spelled(question)}"),
        ]
        lines.append(("", "Nothing was opened. With yes you open it yourself, by its address above."))
        card = Card(f"Server {one_line(question.server)} asks you to visit an address", tuple(lines))
        key = await self._panel.choose(card, {"y": "yes, I open it", "n": "no, decline", "c": "cancel"})
        return {"y": ElicitationAnswer("accept"), "n": _DECLINED}.get(key, _CANCELLED)

    async def _fill_in(self, question: ElicitationForm) -> ElicitationAnswer:
        fields = form.fields(question.schema)
        values: dict[str, Any] = {field.name: field.default for field in fields if field.default is not None}
        filled = False
        while True:
            keys = {"e": "edit", "n": "decline", "c": "cancel"}
            if filled and not form.problems(fields, values):
                keys = {"y": "send", **keys}
            elif not filled:
                keys = {"y": "fill in", "n": "decline", "c": "cancel"}
            key = await self._panel.choose(_form(question, fields, values), keys)
            if key in ("n", "c"):
                return _DECLINED if key == "n" else _CANCELLED
            if key == "y" and filled:
                return ElicitationAnswer("accept", dict(values))
            filled = await self._read_fields(question, fields, values) or filled

    async def _read_fields(
        self, question: ElicitationForm, fields: tuple[form.Field, ...], values: dict[str, Any]
    ) -> bool:
        """Ask for each field in turn; False: the person went back to the question."""
        for field in fields:
            problem = ""
            typed = _prefill(field, values.get(field.name))
            while True:
                card = _form(question, fields, values, now=field, problem=problem)
                line = await self._panel.read(card, one_line(field.title, 40), typed, keys=_FIELD_KEYS)
                if line is None:
                    return False
                if not line.strip() and not field.required:
                    values.pop(field.name, None)
                    break
                try:
                    values[field.name] = field.read(line)
                    break
                except ValueError as error:
                    problem, typed = str(error), line
        return True


def _approval(question: ToolApproval) -> Card:
    lines = [("", exact(question.arguments))]
    for arguments in question.alike:
        lines += [("class:panel.who", "and with:"), ("", exact(arguments))]
    lines += [(WARNING, visible(line)) for line in question.changes]
    if question.why:
        lines.append(("class:panel.why", f"asked because {one_line(question.why, 500)}"))
    hints = ", ".join(f"{key}: {value}" for key, value in question.annotations.items())
    said = "\n".join(filter(None, [question.title, question.description, hints]))
    lines += _said(question.server, said) if said else []
    return Card(f"{one_line(question.server)} wants to run {one_line(question.tool)}", tuple(lines))


def _sampling(question: SamplingReview) -> Card:
    lines: list[tuple[str, str]] = []
    if question.system:
        lines += _said("system", question.system)
    for message in question.messages:
        lines += _said(str(message.get("role")), wording(message.get("content")))
    if question.tools:
        lines.append(("", f"with tools that run on the server: {one_line(', '.join(question.tools), 1000)}"))
    server, model = one_line(question.server), one_line(question.model)
    return Card(f"Server {server} wants {model} to answer this, in at most {question.max_tokens} tokens", tuple(lines))


def _sampled(question: SampleResult) -> Card:
    lines = _said(question.model, wording(samples.blocks(question)))
    return Card(f"Server {one_line(question.server)} would get this answer", tuple(lines))


def _form(
    question: ElicitationForm,
    fields: tuple[form.Field, ...],
    values: Mapping[str, Any],
    *,
    now: form.Field | None = None,
    problem: str = "",
) -> Card:
    """The form: with `now`, that field's explanation; else all fields and what stands in them."""
    lines = [] if now else _said(question.server, question.message)
    lines += _warnings(question.warnings)
    if now is None:
        lines += [(WARNING, f"{one_line(name)}: {one_line(text)}") for name, text in question.problems.items()]
        lines += [("", f"{one_line(field.name)}: {_shown(field, values)}") for field in fields]
    else:
        number = fields.index(now) + 1
        needed = "needed" if now.required else "may stay empty"
        lines.append(("", f"field {number} of {len(fields)}, {one_line(now.name)}: {now.expected}, {needed}"))
        lines += _said(question.server, now.description) if now.description else []
        lines += [("", f"  {index}) {one_line(choice.title)}") for index, choice in enumerate(now.choices, 1)]
    if problem:
        lines.append((WARNING, problem))
    return Card(f"Server {one_line(question.server)} (not mcphost, not the model) asks you", tuple(lines))


def _shown(field: form.Field, values: Mapping[str, Any]) -> str:
    if field.name in values:
        return exact(values[field.name])
    return f"({field.expected}, {'needed' if field.required else 'may stay empty'})"


def _prefill(field: form.Field, value: Any) -> str:
    """What could have been typed to mean `value`."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(item for item in value if "," not in item)
        case _:
            return one_line(str(value), 10_000)


def _said(who: str, text: str) -> list[tuple[str, str]]:
    return [("class:panel.who", f"{one_line(who)} says:"), (SAID, safe(text).strip("\n"))]


def _warnings(warnings: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(WARNING, f"! {one_line(warning, 500)}") for warning in warnings]
