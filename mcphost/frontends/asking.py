"""Questions as lines on a terminal, for Frontends without a screen.

Law 2: what is shown is what is sent, so arguments are shown whole and exact; Enter alone and what was typed before the
question answer nothing. Law 5: a server's words are indented below a line of ours that names it.
"""

from __future__ import annotations

import asyncio
import json
import os
import termios
from collections.abc import Callable, Mapping
from dataclasses import replace
from textwrap import indent
from typing import Any, Literal, cast

from mcphost.frontends import browser, consent, form, further, preview, samples
from mcphost.frontends.paint import Paint
from mcphost.messages import to_json
from mcphost.questions import (
    A,
    Approval,
    ArgumentValue,
    ElicitationAnswer,
    ElicitationForm,
    ElicitationUrl,
    Further,
    PromptArgument,
    PromptDecision,
    PromptPreview,
    Question,
    SampleResult,
    SamplingDecision,
    SamplingReview,
    StepLimit,
    ToolApproval,
    Trust,
    TrustDecision,
    UnknownOutcome,
)
from mcphost.text import encodable, one_line, safe, visible

UNKNOWN = "{name} was under way when the run was interrupted: it may or may not have taken effect"


class Asker:
    """Asks by `write`, reads lines from the terminal with file descriptor `terminal`. One question at a time.

    End of input (Ctrl+D, a terminal that hung up) refuses. What is typed before a question has stood for
    `grace` seconds answers nothing. `environ` names the browser.
    """

    def __init__(
        self,
        terminal: int,
        write: Callable[[str], None],
        paint: Paint,
        *,
        environ: Mapping[str, str] | None = None,
        grace: float = consent.GRACE,
    ) -> None:
        self._terminal = terminal
        self._write = write
        self._paint = paint
        self._environ = environ or {}
        self._grace = grace

    async def ask(self, question: Question[A]) -> A:
        asked: object = question  # its A is of no use to a type checker here
        answer: object
        match asked:
            case ToolApproval():
                answer = await self._approve(asked)
            case Trust():
                answer = await self._trust(asked)
            case SamplingReview() | SampleResult():
                answer = await self._review(asked)
            case ElicitationForm():
                answer = await self._fill_in(asked)
            case ElicitationUrl():
                answer = await self._visit(asked)
            case UnknownOutcome():
                answer = await self._repeat(asked)
            case StepLimit():
                answer = await self._go_on(asked)
            case PromptArgument():
                answer = await self._argument(asked)
            case PromptPreview():
                answer = await self._preview(asked)
            case _:
                answer = question.refusal
        return cast("A", answer)

    async def _approve(self, asked: ToolApproval) -> Approval:
        question = asked
        while True:
            self._show_call(question)
            edited = question is not asked
            keys = consent.choices(question, edited=edited)
            self._say("\n".join(f"    [{key}] {label}" for key, label in keys.items()))
            key, words = await self._choose("Run it? A key, then Enter; after n a reason: ", "".join(keys))
            if key != "e":
                return consent.approval(key, reason=words, arguments=question.arguments if edited else None)
            question = await self._edit(question)

    def _show_call(self, question: ToolApproval) -> None:
        self._say(
            self._paint.bold(f"? {one_line(f'{question.server}__{question.tool}')} wants to run") + _why(question)
        )
        if words := consent.own_words(replace(question, description=one_line(question.description, 500))):
            self._quote(one_line(question.server), safe(words))
        for line in question.changes:
            self._say(self._paint.yellow(f"  {visible(line)}"))
        self._say(indent(exact(question.arguments), "  "))
        for arguments in question.alike:
            self._say("  and with:\n" + indent(exact(arguments), "  "))

    async def _edit(self, question: ToolApproval) -> ToolApproval:
        """The question with other arguments; as it was where the person thought better of it."""
        while line := await self._line("NAME=VALUE, or all arguments as JSON (Enter alone: as they were): "):
            try:
                return consent.edit(question, line)
            except ValueError as error:
                self._say(f"  {error}")
        return question

    async def _repeat(self, question: UnknownOutcome) -> Literal["retry", "fail"]:
        self._say(self._paint.bold(f"? {UNKNOWN.format(name=one_line(question.name))}"))
        self._say(indent(exact(question.arguments), "  "))
        key, _ = await self._choose("Run it again? [y] yes  [n] no, the model is told: ", "yn")
        return "retry" if key == "y" else "fail"

    async def _go_on(self, question: StepLimit) -> Further:
        self._say(self._paint.bold(f"? {further.title(question)}"))
        self._say("\n".join(f"    [{key}] {label}" for key, label in further.KEYS.items()))
        while True:
            key, words = await self._choose("Go on? A key, then Enter; after m how many: ", "".join(further.KEYS))
            try:
                return further.further(key, words)
            except ValueError as error:
                self._say(f"  expected {error}, as in: m 10")

    async def _argument(self, question: PromptArgument) -> ArgumentValue:
        self._say(self._paint.bold(f"? {preview.wanted(question)}"))
        for line in preview.about(question):
            self._say(f"  {line}")
        typed = await self._line(f"  {one_line(question.argument)} (Enter alone: leave the prompt): ")
        return ArgumentValue(typed.strip() or None if typed else None)

    async def _preview(self, question: PromptPreview) -> PromptDecision:
        self._say(self._paint.bold(f"? {preview.title(question)}"))
        for role, text in preview.parts(question):
            self._quote(role, text)
        key, _ = await self._choose("Send it? [y] yes  [n] no: ", "yn")
        return PromptDecision(send=key == "y")

    async def _trust(self, question: Trust) -> TrustDecision:
        self._say(self._paint.bold(f"? {one_line(question.title, 1000)}"))
        for line in question.lines:
            self._say(f"  {_as_line(line)}")
        if question.changes:
            self._say("  It has changed since you trusted it:")
        for line in (*question.changes, *question.warnings):
            self._say(self._paint.yellow(f"  ! {_as_line(line)}"))
        key, _ = await self._choose("Trust it? [y] yes  [n] no: ", "yn")
        return TrustDecision(trusted=key == "y")

    async def _review(self, asked: samples.Asked) -> SamplingDecision:
        question = asked
        while True:
            if isinstance(question, SampleResult):
                self._show_sample(question)
            else:
                self._show_request(question)
            key, _ = await self._choose("Let it? [y] yes  [n] no  [e] edit it first: ", "yne")
            if key != "e":
                return samples.decision(asked, question) if key == "y" else SamplingDecision(allowed=False)
            question = await self._edit_sample(question)

    def _show_request(self, question: SamplingReview) -> None:
        server, model = one_line(question.server), one_line(question.model)
        self._say(
            self._paint.bold(
                f"? Server {server} wants {model} to answer this, in at most {question.max_tokens} tokens:"
            )
        )
        if question.system:
            self._quote("system", safe(question.system))
        for message in question.messages:
            self._quote(one_line(str(message.get("role"))), wording(message.get("content")))
        if question.tools:
            self._say("  with tools that run on the server:")
        for name, words in samples.tools(question):
            self._quote(one_line(name), safe(words))

    def _show_sample(self, question: SampleResult) -> None:
        self._say(self._paint.bold(f"? Server {one_line(question.server)} would get this answer:"))
        self._quote(one_line(question.model), wording(samples.blocks(question)))

    async def _edit_sample(self, question: samples.Asked) -> samples.Asked:
        """The question with what was typed; as it was where the person thought better of it."""
        self._say(f"  {samples.editable(question)}")
        while line := await self._line("All of it as JSON, or an answer's text (Enter alone: as it was): "):
            try:
                return samples.edit(question, line)
            except ValueError as error:
                self._say(f"  {error}")
        return question

    async def _visit(self, question: ElicitationUrl) -> ElicitationAnswer:
        self._banner(question.server, "asks you to visit an address", question.message, question.warnings)
        self._say(f"  {safe(question.url)}")
        self._say(f"  It leads to: {self._paint.bold(one_line(question.host))}{consent.spelled(question)}")
        key = await self._unless_refused("Nothing was opened.", {"y": "yes, open it"})
        if key in consent.REFUSALS:
            return consent.REFUSALS[key][1]
        self._say(await browser.visit(question.url, self._environ))
        return ElicitationAnswer("accept")

    async def _fill_in(self, question: ElicitationForm) -> ElicitationAnswer:
        self._banner(question.server, "asks you to fill in a form", question.message, question.warnings)
        for name, problem in question.problems.items():
            self._say(f"  {one_line(name)}: {one_line(problem)}")
        fields = form.fields(question.schema)
        default = "n" if any(field.secret for field in fields) else ""
        key = await self._unless_refused("Answer it?", {"y": "yes"}, default)
        while key not in consent.REFUSALS:
            try:
                content = await self._values(fields)
            except EOFError:
                return consent.REFUSALS["c"][1]
            self._say(indent(exact(content), "  "))
            key = await self._unless_refused("Send this?", {"y": "yes", "e": "no, edit"}, default)
            if key == "y":
                return ElicitationAnswer("accept", content)
        return consent.REFUSALS[key][1]

    async def _unless_refused(self, prompt: str, keys: Mapping[str, str], default: str = "") -> str:
        """The key that was typed, one of `keys` or of those that refuse; the end of the input cancels."""
        every = {**keys, **{key: label for key, (label, _) in consent.REFUSALS.items()}}
        labels = [f"[{key}] {label}" + " (Enter)" * (key == default) for key, label in every.items()]
        key, _ = await self._choose(f"{prompt} {'  '.join(labels)}: ", "".join(every), default)
        return key or "c"

    async def _values(self, fields: tuple[form.Field, ...]) -> dict[str, Any]:
        content = {}
        for field in fields:
            self._describe(field)
            value = await self._value(field)
            if value is not None:
                content[field.name] = value
        return content

    async def _value(self, field: form.Field) -> Any:
        """What the person gave; None: left empty. Raises EOFError at the end of the input."""
        while True:
            line = await self._line(f"  {one_line(field.name)}{_default(field)}: ")
            if line is None:
                raise EOFError
            if not line.strip() and (field.default is not None or not field.required):
                return field.default
            try:
                return field.read(line)
            except ValueError as error:
                self._say(f"  {error}")

    def _describe(self, field: form.Field) -> None:
        needed = "needed" if field.required else "may stay empty"
        expected = one_line(field.explained, 500)
        self._say(f"  {one_line(field.title)} ({needed}, {expected}) {one_line(field.description, 500)}".rstrip())
        for number, choice in enumerate(field.choices, 1):
            self._say(f"    {number}) {one_line(choice.title)}")

    # -- lines ---------------------------------------------------------------------------------------------------------

    def _banner(self, server: str, what: str, message: str, warnings: tuple[str, ...]) -> None:
        self._say(self._paint.bold(f"? Server {one_line(server)} (not mcphost, not the model) {what}:"))
        self._quote("", safe(message))
        for warning in warnings:
            self._say(self._paint.yellow(f"  ! {one_line(warning, 500)}"))

    def _quote(self, label: str, text: str) -> None:
        self._say((f"  {label}:\n" if label else "") + indent(text, "  | ", lambda line: True))

    def _say(self, line: str) -> None:
        self._write(line + "\n")

    async def _choose(self, prompt: str, keys: str, default: str = "") -> tuple[str | None, str]:
        """The key that was typed, and the words after it; None at the end of the input. Enter alone stands for
        `default`, a key that refuses."""
        await asyncio.sleep(self._grace)
        while True:
            line = await self._line(prompt)
            if line is None:
                return None, ""
            word, _, rest = (line.strip() or default).partition(" ")
            if word[:1].lower() in keys and word.lower() in (*keys, "yes", "no"):
                return word[:1].lower(), rest.strip()
            self._say(f"Type {', '.join(keys[:-1])} or {keys[-1]}, then Enter.")

    async def _line(self, prompt: str) -> str | None:
        """One line from the terminal without what was typed before the prompt; None at the end of the input."""
        data = b""
        try:
            termios.tcflush(self._terminal, termios.TCIFLUSH)
            self._write(prompt)
            await _readable(self._terminal)
            data = os.read(self._terminal, 65536)
        except (OSError, termios.error):
            pass
        finally:
            if not data:
                self._write("\n")  # the terminal echoed none
        return encodable(data.decode(errors="replace")).rstrip("\r\n") if data else None


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)


def exact(value: Any) -> str:
    """JSON that hides nothing: what a terminal would act on or not show stands there as its escape."""
    return visible(json.dumps(to_json(value), indent=2, ensure_ascii=False))


def _as_line(text: str) -> str:
    """`visible(text)` where no line break in it, as names of files may have, begins a line of its own."""
    return visible(text).replace("\n", "\\n")


def _why(question: ToolApproval) -> str:
    return f" ({one_line(question.why, 500)})" if question.why else ""


def _default(field: form.Field) -> str:
    return "" if field.default is None else f" [{one_line(exact(field.default))}]"


def wording(content: Any) -> str:
    """The content of a sampling message as text: media as what they are, anything unknown exactly."""
    blocks = content if isinstance(content, (list, tuple)) else [content]
    return "\n".join(_block(block) for block in blocks)


def _block(block: Mapping[str, Any]) -> str:
    match block.get("type"):
        case "text":
            return safe(str(block.get("text", "")))
        case "image" | "audio":
            return preview.described(block)
        case _:
            return exact(block)
