"""What a server's prompt needs of the person, on the panel: the arguments that are missing, and a look at what is sent.

Law 4: the line can be typed whatever the server does about suggestions, and what is typed meanwhile for somebody else
does not go to the server.
"""

from __future__ import annotations

from prompt_toolkit.application import get_app

from mcphost.frontends import preview
from mcphost.questions import ArgumentValue, PromptArgument, PromptDecision, PromptPreview
from mcphost.terminal.cards import WARNING, said
from mcphost.terminal.panel import Card, Panel
from mcphost.terminal.suggesting import LineCompleter
from mcphost.text import one_line

_BUSY_KEYS = {"y": "fill it in", "n": "leave the prompt", "Esc": "leave the prompt"}
_READ_KEYS = {"Enter": "take it", "Esc": "leave the prompt"}
_SEND_KEYS = {"y": "send", "n": "send nothing", "Esc": "send nothing"}


async def read_argument(panel: Panel, question: PromptArgument, completer: LineCompleter | None) -> ArgumentValue:
    lines = [("", f"{one_line(name)}={one_line(value)}") for name, value in question.given.items()]
    lines += said(question.server, question.description) if question.description else []
    card = Card(preview.wanted(question), tuple(lines))
    if get_app().current_buffer.text and await panel.choose(card, _BUSY_KEYS) != "y":
        return ArgumentValue(None)
    while True:
        label = one_line(question.argument, 40)
        key, line = await panel.read(card, label, keys=_READ_KEYS, completer=completer)
        if key == "Esc" or line.strip():
            return ArgumentValue(None if key == "Esc" else line.strip())
        card = Card(card.title, (*lines, (WARNING, "must be filled in")))


async def decide(panel: Panel, question: PromptPreview) -> PromptDecision:
    lines = [line for role, text in preview.parts(question) for line in said(role, text)]
    key = await panel.choose(Card(preview.title(question), tuple(lines)), _SEND_KEYS, default="y")
    return PromptDecision(send=key == "y")
