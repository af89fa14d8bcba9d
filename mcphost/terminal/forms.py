"""A server's form on the panel: all of it in sight, each field checked while it is typed.

Law 2: nothing is sent but what stands on the card, and only by a key that says so. Law 5: a server's words are marked
as its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mcphost.frontends import form
from mcphost.frontends.consent import REFUSALS
from mcphost.questions import ElicitationAnswer, ElicitationForm
from mcphost.terminal.cards import WARNING, said, warnings
from mcphost.terminal.panel import Card, Panel
from mcphost.text import one_line, visible

_REFUSE = {key: label for key, (label, _) in REFUSALS.items()}
_LEAVE = {"Ctrl+S": "accept, send it", "Ctrl+N": "decline", "Ctrl+G": "cancel", "Esc": "back"}


class Draft:
    """The lines of a form as far as they are typed. One that nobody changed means the server's default, exactly."""

    def __init__(self, fields: Sequence[form.Field]) -> None:
        self.fields = fields
        self._lines = {field.name: typed(field) for field in fields}

    def line(self, field: form.Field) -> str:
        return self._lines[field.name]

    def type(self, field: form.Field, line: str) -> None:
        self._lines[field.name] = line

    def value(self, field: form.Field) -> Any:
        """What the line means; None: it is left out.

        Raises:
            ValueError: nothing that the form takes; the message says what is expected.
        """
        line = self.line(field)
        if line == typed(field) and field.default is not None:
            return field.default
        return field.read(line) if line.strip() or field.required else None

    def problem(self, field: form.Field) -> str | None:
        try:
            self.value(field)
        except ValueError as error:
            return str(error)
        return None

    def wrong(self) -> int | None:
        """Which field is the first that has a problem."""
        return next((index for index, field in enumerate(self.fields) if self.problem(field)), None)

    def content(self) -> Mapping[str, Any]:
        """What would be sent. Raises ValueError while something is wrong."""
        values = {field.name: self.value(field) for field in self.fields}
        return {name: value for name, value in values.items() if value is not None}


async def fill_in(panel: Panel, question: ElicitationForm) -> ElicitationAnswer:
    """Have a person answer: they decide whether to, type, look it over, and send. Where a field looks like a secret,
    Enter declines."""
    draft = Draft(form.fields(question.schema))
    secret = any(field.secret for field in draft.fields)
    filled = not draft.fields
    while True:
        card = _card(question, draft)
        key = await panel.choose(card, _choices(draft, filled=filled), default="n" if secret else None)
        if key in REFUSALS:
            return REFUSALS[key][1]
        if key == "s" or (key == "y" and filled):
            return ElicitationAnswer("accept", draft.content())
        answer = await _read(panel, question, draft)
        if answer is not None:
            return answer
        filled = True


def _choices(draft: Draft, *, filled: bool) -> Mapping[str, str]:
    complete = draft.wrong() is None
    if filled:
        edit = {"e": "edit"} if draft.fields else {}
        return ({"y": "accept, send it"} if complete else {}) | edit | _REFUSE
    return {"y": "fill in and accept"} | ({"s": "accept, send it as it stands"} if complete else {}) | _REFUSE


async def _read(panel: Panel, question: ElicitationForm, draft: Draft) -> ElicitationAnswer | None:
    """Have the fields typed, in any order; None: the person wants to look it over."""
    at, last = 0, len(draft.fields) - 1
    while at <= last:
        key = await _type(panel, question, draft, draft.fields[at])
        match key:
            case "Ctrl+N" | "Ctrl+G":
                return ElicitationAnswer("decline" if key == "Ctrl+N" else "cancel")
            case "Esc":
                return None
            case "Ctrl+S" if (wrong := draft.wrong()) is not None:
                at = wrong
            case "Ctrl+S":
                return ElicitationAnswer("accept", draft.content())
            case "Enter" if not draft.problem(draft.fields[at]):
                at += 1
            case "↑" | "↓":
                at = min(max(at + (1 if key == "↓" else -1), 0), last)
    return None


async def _type(panel: Panel, question: ElicitationForm, draft: Draft, field: form.Field) -> str:
    """Have one field's line typed; the key that ended it."""

    def card(line: str) -> Card:
        draft.type(field, line)
        return _card(question, draft, now=field)

    options = _options(field)
    keys = {"Enter": "next field", "↑": "", "↓": "other field"} | ({"Tab": "next choice"} if options else {}) | _LEAVE
    while True:
        key, line = await panel.read(card, one_line(field.title, 40), draft.line(field), keys=keys)
        draft.type(field, line)
        if key != "Tab":
            return key
        draft.type(field, _after(line, options))


def _options(field: form.Field) -> Sequence[str]:
    """The lines that Tab steps through."""
    if field.kind == "boolean":
        return "yes", "no"
    return [_named(field, choice.value) for choice in field.choices] if field.kind == "choice" else ()


def _after(line: str, options: Sequence[str]) -> str:
    """The option after the one that stands in the line; the first where none does."""
    return options[(options.index(line) + 1) % len(options)] if line in options else options[0]


def typed(field: form.Field) -> str:
    """What could have been typed to mean the field's default."""
    match field.default:
        case None:
            return ""
        case bool() as yes:
            return "yes" if yes else "no"
        case list() as values:
            return ", ".join(_named(field, value) for value in values)
        case value if field.kind == "choice":
            return _named(field, value)
        case value:
            return one_line(str(value), 10_000)


def _named(field: form.Field, value: str) -> str:
    """A choice by its title, or by its number where the title would not be read as it."""
    index = next(index for index, choice in enumerate(field.choices) if choice.value == value)
    title = one_line(field.choices[index].title, 1000)
    return title if field.chosen(title) == [value] else str(index + 1)


# -- the card ----------------------------------------------------------------------------------------------------------


def _card(question: ElicitationForm, draft: Draft, *, now: form.Field | None = None) -> Card:
    """The whole form, with the field `now` opened."""
    lines = [*said(question.server, question.message), *warnings(question.warnings)]
    lines += [(WARNING, f"{one_line(name)}: {one_line(text)}") for name, text in question.problems.items()]
    start = stop = 0
    for number, field in enumerate(draft.fields, 1):
        if field is now:
            start = len(lines)
            lines.append(
                ("bold", f"› {one_line(field.title)}: field {number} of {len(draft.fields)}, {_needed(field)}")
            )
            lines += _opened(question.server, field, draft)
            stop = len(lines)
        else:
            lines.append(_closed(field, draft))
    title = f"Server {one_line(question.server)} (not mcphost, not the model) asks you"
    return Card(title, tuple(lines), range(start, stop))


def _closed(field: form.Field, draft: Draft) -> tuple[str, str]:
    line, problem = draft.line(field), draft.problem(field)
    if not line.strip():
        return "", f"  {one_line(field.title)}: ({field.expected}, {_needed(field)})"
    if problem:
        return WARNING, f"✗ {one_line(field.title)}: {one_line(line)} ({one_line(problem)})"
    return "", f"  {one_line(field.title)}: {_meant(field, draft.value(field))}"


def _opened(server: str, field: form.Field, draft: Draft) -> list[tuple[str, str]]:
    """What is known of the field: whether the line fits, the server's words, the choices."""
    chosen = field.chosen(draft.line(field))
    mark = {True: "[x]", False: "[ ]"} if field.kind == "choices" else {True: "(•)", False: "( )"}
    return [
        _checked(field, draft),
        *(said(server, field.description) if field.description else ()),
        *(
            ("", f"    {mark[choice.value in chosen]} {number}) {one_line(choice.title)}")
            for number, choice in enumerate(field.choices, 1)
        ),
    ]


def _checked(field: form.Field, draft: Draft) -> tuple[str, str]:
    if problem := draft.problem(field):
        return WARNING, f"  ✗ {one_line(problem, 500)}"
    value = draft.value(field)
    meant = "left out" if value is None else _meant(field, value)
    return "", f"  ✓ {meant} ({one_line(field.explained, 500)})"


def _needed(field: form.Field) -> str:
    return "needed" if field.required else "may stay empty"


def _meant(field: form.Field, value: Any) -> str:
    """The value as it would be sent, with the titles of choices that have others."""
    chosen = value if field.kind == "choices" else [value]
    titles = [
        one_line(choice.title) for choice in field.choices if choice.value in chosen and choice.value != choice.title
    ]
    return visible(json.dumps(value, ensure_ascii=False)) + (f" ({', '.join(titles)})" if titles else "")
