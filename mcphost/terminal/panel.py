"""The one place where a question stands, above the input line: a card, and a choice by one key or a line to type.

Law 2: no key that came before a person could read the card answers it. Keys are left to the input line until none came
for `arm` seconds; Enter never chooses; keys that came together (a paste without brackets) choose nothing; nothing on
the card is cut, it scrolls.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    Dimension,
    FormattedTextControl,
    HSplit,
    Window,
)
from prompt_toolkit.utils import get_cwidth

from mcphost.terminal.cells import fit, wrap

ARM = 0.35  # seconds
SAID = "class:panel.said"  # words that are not ours: each line of them stands behind a bar

SPACIOUS = 12  # rows of a screen that has room for an empty one

# Whether no other key came together with this one: an Esc that is one, not the first half of an Alt key.
alone = Condition(lambda: not get_app().key_processor.input_queue)


@dataclass(frozen=True, slots=True)
class Card:
    """What is asked: `title` in our words, `lines` as (style, text). All of it is safe for a terminal already."""

    title: str
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _View:
    width: int
    lines: list[tuple[str, str]]
    keys: list[str]
    room: int  # rows for lines
    scrolls: bool


class Panel:
    """Shows one card at a time. `waiting` says how many more questions stand behind it."""

    def __init__(
        self,
        *,
        waiting: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        arm: float = ARM,
    ) -> None:
        self._waiting = waiting
        self._clock = clock
        self._arm = arm
        self._card: Card | None = None
        self._keys: Mapping[str, str] = {}
        self._label: str | None = None
        self._hint = ""
        self._answer: asyncio.Future[str | None]
        self._armed_at = 0.0
        self._scroll = 0
        self._buffer = Buffer(multiline=False)
        self._wrapped: tuple[object, list[tuple[str, str]]] = (None, [])
        self.open = Condition(lambda: self._card is not None)
        self.reading = Condition(lambda: self._card is not None and self._label is not None)
        self.armed = Condition(lambda: self._choosing and self._clock() >= self._armed_at)
        self._line = Window(
            BufferControl(self._buffer), get_line_prefix=self._line_prefix, height=1, dont_extend_height=True
        )
        self.container = ConditionalContainer(
            HSplit(
                [
                    Window(FormattedTextControl(self._text), height=self._height, dont_extend_height=True),
                    ConditionalContainer(self._line, self.reading),
                ]
            ),
            self.open,
        )
        self.bindings = self._bindings()

    async def choose(self, card: Card, keys: Mapping[str, str]) -> str:
        """The key that was pressed, one of `keys` (key -> what it means)."""
        self._keys = keys
        self._armed_at = self._clock() + self._arm
        answer = await self._ask(card, None)
        assert answer is not None
        return answer

    async def read(self, card: Card, label: str, prefill: str = "", *, keys: str) -> str | None:
        """A line that was typed; None: Esc, back to the question. `keys` says what Enter and Esc do."""
        self._hint = keys
        self._buffer.text = prefill
        self._buffer.cursor_position = len(prefill)
        layout = get_app().layout
        before = layout.current_window
        # Within _ask the card is open, which is what makes the line focusable.
        return await self._ask(card, label, lambda: layout.focus(self._line), lambda: layout.focus(before))

    def touched(self) -> None:
        """A key was pressed: one that comes before the question is armed is meant for the input line."""
        if self._choosing and self._clock() < self._armed_at:
            self._armed_at = self._clock() + self._arm
            self._refresh_when_armed()

    @property
    def _choosing(self) -> bool:
        return self._card is not None and self._label is None

    async def _ask(
        self,
        card: Card,
        label: str | None,
        enter: Callable[[], None] = lambda: None,
        leave: Callable[[], None] = lambda: None,
    ) -> str | None:
        self._card, self._label, self._scroll = card, label, 0
        self._answer = asyncio.get_running_loop().create_future()
        enter()
        self._refresh_when_armed()
        get_app().invalidate()
        try:
            return await self._answer
        finally:
            leave()
            self._card = self._label = None
            get_app().invalidate()

    def _refresh_when_armed(self) -> None:
        if self._label is None:
            asyncio.get_running_loop().call_later(self._arm + 0.01, get_app().invalidate)

    # -- what is seen ----------------------------------------------------------------------------------------------

    def _lines(self, width: int) -> list[tuple[str, str]]:
        key = (self._card, width)
        if key != self._wrapped[0]:
            lines = self._card.lines if self._card else ()
            self._wrapped = key, [(style, line) for style, text in lines for line in _marked(style, text, width)]
        return self._wrapped[1]

    def _view(self) -> _View:
        """What is on the panel now. A screen too low for the keys' meanings has them below the card's own lines."""
        size = get_app().output.get_size()
        taken = 3 + (size.rows >= SPACIOUS) + (self._label is not None)  # title, input line, status
        free = max(size.rows - taken, 2)
        lines, keys = self._lines(size.columns), self._key_lines(size.columns)
        if len(keys) > max(free // 2, 1):
            meanings = [f"[{key}] {meaning}" for key, meaning in self._keys.items()]
            lines = [*lines, *(("class:panel.keys", line) for text in meanings for line in wrap(text, size.columns))]
            keys = [fit(" ".join(self._keys), size.columns)]
        room = free - len(keys)
        scrolls = len(lines) > room
        return _View(size.columns, lines, keys, max(room - scrolls, 1), scrolls)

    def _height(self) -> Dimension:
        view = self._view()
        return Dimension.exact(1 + min(len(view.lines), view.room) + view.scrolls + len(view.keys))

    def _text(self) -> StyleAndTextTuples:
        if self._card is None:
            return []
        view = self._view()
        self._scroll = max(min(self._scroll, len(view.lines) - view.room), 0)
        shown = view.lines[self._scroll : self._scroll + view.room]
        text: StyleAndTextTuples = [("class:panel.title", fit(self._title(), view.width) + "\n")]
        text += [(style, line + "\n") for style, line in shown]
        if view.scrolls:
            first, last = self._scroll + 1, self._scroll + len(shown)
            more = f"lines {first}-{last} of {len(view.lines)}  ↑↓ PgUp PgDn"
            text.append(("class:panel.more", fit(more, view.width) + "\n"))
        armed = self._label is not None or self.armed()
        keys = view.keys if armed else ["…", *[""] * (len(view.keys) - 1)]
        text.append(("class:panel.keys", "\n".join(keys)))
        return text

    def _title(self) -> str:
        assert self._card is not None
        more = self._waiting()
        return f"? {self._card.title}" + (f"  ({more} more waiting)" if more > 0 else "")

    def _key_lines(self, width: int) -> list[str]:
        if self._label is not None:
            return wrap(self._hint, width)
        lines: list[str] = []
        for item in [*(f"[{key}] {meaning}" for key, meaning in self._keys.items()), "[Esc] stop"]:
            if lines and get_cwidth(f"{lines[-1]}  {item}") <= width:
                lines[-1] += f"  {item}"
            else:
                lines += wrap(item, width)
        return lines

    def _line_prefix(self, number: int, wrapped: int) -> StyleAndTextTuples:
        return [("class:panel.label", f"{self._label}: ")] if number == 0 and not wrapped else []

    # -- keys ------------------------------------------------------------------------------------------------------

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()
        steps = {Keys.Up: -1, Keys.Down: 1, Keys.PageUp: -10, Keys.PageDown: 10}

        @bindings.add(Keys.Any, filter=self.armed, eager=True)
        def choose(event: KeyPressEvent) -> None:
            queue = event.app.key_processor.input_queue
            if queue:
                queue.clear()
                return
            key = event.key_sequence[0].key
            if key in steps:
                self._scroll += steps[Keys(key)]
            elif str(key).lower() in self._keys:
                self._settle(str(key).lower())

        @bindings.add(Keys.BracketedPaste, filter=self.armed, eager=True)
        def paste(event: KeyPressEvent) -> None:
            """A paste answers nothing."""

        @bindings.add(Keys.Enter, filter=self.reading, eager=True)
        def take(event: KeyPressEvent) -> None:
            self._settle(self._buffer.text)

        @bindings.add(Keys.Escape, filter=self.reading & alone, eager=True)
        @bindings.add(Keys.ControlD, filter=self.reading, eager=True)
        def back(event: KeyPressEvent) -> None:
            self._settle(None)

        return bindings

    def _settle(self, answer: str | None) -> None:
        if not self._answer.done():
            self._answer.set_result(answer)


def _marked(style: str, text: str, width: int) -> list[str]:
    if style != SAID:
        return wrap(text, width)
    return [f"│ {line}" for line in wrap(text, width - 2)]
