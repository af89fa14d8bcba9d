"""The one place where a question stands, above the input line: a card, and a choice by one key or a line to type.

Law 2: no key that came before a person could read the card answers it. Keys are left to the input line until none came
for `arm` seconds, and where the screen is too low for the card; Enter chooses nothing, or what refuses; keys that came
together (a paste without brackets) choose nothing; nothing on the card is cut, it scrolls.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import accumulate

from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, DynamicCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, has_completions
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPress, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    Dimension,
    FormattedTextControl,
    HSplit,
    Window,
)
from prompt_toolkit.layout.menus import CompletionsMenu
from prompt_toolkit.utils import get_cwidth

from mcphost.terminal.cells import fit, wrap
from mcphost.terminal.suggesting import LineCompleter

ARM = 0.35  # seconds
SAID = "class:panel.said"  # words that are not ours: each line of them stands behind a bar

SPACIOUS = 12  # rows of a screen that has room for an empty one
MENU = 8  # rows of completions

# The keys that may end a line, as they are told to a person.
_ENDS: Mapping[str, tuple[Keys, ...]] = {
    "Enter": (Keys.Enter,),
    "Tab": (Keys.Tab,),
    "↑": (Keys.Up,),
    "↓": (Keys.Down,),
    "Ctrl+S": (Keys.ControlS,),
    "Ctrl+N": (Keys.ControlN,),
    "Ctrl+G": (Keys.ControlG,),
    "Ctrl+X Ctrl+E": (Keys.ControlX, Keys.ControlE),
}

# Whether no other key came together with this one: an Esc that is one, not the first half of an Alt key.
alone = Condition(lambda: not get_app().key_processor.input_queue)


@dataclass(frozen=True, slots=True)
class Card:
    """What is asked: `title` in our words, `lines` as (style, text). All of it is safe for a terminal already.

    `now` are the indices of the lines that shall be in sight."""

    title: str
    lines: tuple[tuple[str, str], ...]
    now: range = range(0)


@dataclass(frozen=True, slots=True)
class _View:
    width: int
    lines: list[tuple[str, str]]
    now: range
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
        self._card_of: Callable[[str], Card]
        self._keys: dict[str, str] = {}
        self._default: str | None = None
        self._label: str | None = None
        self._answer: asyncio.Future[str]
        self._armed_at = 0.0
        self._scroll = 0
        self._follow = True
        self._ahead: list[KeyPress] = []  # keys that came after the one that ended a line
        self._completer: LineCompleter | None = None
        self._buffer = Buffer(
            multiline=False,
            on_text_changed=self._typed,
            completer=DynamicCompleter(lambda: self._completer),
            complete_while_typing=True,
        )
        self._wrapped: tuple[object, list[tuple[str, str]], range] = (None, [], range(0))
        self.open = Condition(lambda: self._card is not None)
        self.reading = Condition(lambda: self._label is not None and not self._answer.done())
        self.armed = Condition(lambda: self._choosing and self._clock() >= self._armed_at and self._fits())
        self._line = Window(
            BufferControl(self._buffer), get_line_prefix=self._line_prefix, height=1, dont_extend_height=True
        )
        self.container = ConditionalContainer(
            HSplit(
                [
                    Window(FormattedTextControl(self._text), height=self._height, dont_extend_height=True),
                    ConditionalContainer(self._line, Condition(lambda: self._label is not None)),
                    CompletionsMenu(max_height=MENU, scroll_offset=1, extra_filter=self.reading),
                ]
            ),
            self.open,
        )
        self.bindings = self._bindings()

    async def choose(self, card: Card, keys: Mapping[str, str], *, default: str | None = None) -> str:
        """The key that was pressed, one of `keys` (key -> what it means; without "Esc", Esc stops what asks). Enter
        stands for `default`, a key after which nothing runs."""
        self._keys, self._default = dict(keys), default
        if default is not None:
            self._keys[default] += " (Enter)"
        self._armed_at = self._clock() + self._arm
        return await self._ask(card, None)

    async def read(
        self,
        card: Card | Callable[[str], Card],
        label: str,
        prefill: str = "",
        *,
        keys: Mapping[str, str],
        completer: LineCompleter | None = None,
    ) -> tuple[str, str]:
        """How a line ended, and what was typed. `card` is what stands above it, which may depend on what is typed so
        far; `keys` is what each of the keys that end the line means (names of `_ENDS`, and always `Esc`); `completer`
        says from the first moment on what the line could become."""
        self._keys, self._completer = dict(keys), completer
        layout = get_app().layout
        before = layout.current_window
        # Within _ask the card is open, which is what makes the line focusable.
        key = await self._ask(card, label, prefill, self._focus, lambda: layout.focus(before))
        line = self._buffer.text
        self._buffer.reset()
        return key, line

    def _focus(self) -> None:
        get_app().layout.focus(self._line)
        self._buffer.start_completion(complete_event=CompleteEvent(text_inserted=True))

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
        card: Card | Callable[[str], Card],
        label: str | None,
        prefill: str = "",
        enter: Callable[[], None] = lambda: None,
        leave: Callable[[], None] = lambda: None,
    ) -> str:
        self._card_of = card if callable(card) else lambda _: card
        self._card, self._label, self._scroll, self._follow = self._card_of(prefill), label, 0, True
        self._buffer.reset(Document(prefill))
        self._answer = asyncio.get_running_loop().create_future()
        enter()
        ahead, self._ahead = self._ahead, []
        if label is not None:
            get_app().key_processor.feed_multiple(ahead)
            get_app().key_processor.process_keys()
        self._refresh_when_armed()
        get_app().invalidate()
        try:
            return await self._answer
        finally:
            leave()
            self._card = self._label = None
            get_app().invalidate()

    def _typed(self, buffer: Buffer) -> None:
        if self._label is not None:
            self._card, self._follow = self._card_of(buffer.text), True

    def _refresh_when_armed(self) -> None:
        if self._label is None:
            asyncio.get_running_loop().call_later(self._arm + 0.01, get_app().invalidate)

    # -- what is seen ----------------------------------------------------------------------------------------------

    def _lines(self, width: int) -> tuple[list[tuple[str, str]], range]:
        """The card's lines as they are wrapped, and which of them shall be in sight."""
        key = (self._card, width)
        if key != self._wrapped[0]:
            card = self._card or Card("", ())
            wrapped = [[(style, line) for line in _marked(style, text, width)] for style, text in card.lines]
            ends = list(accumulate(map(len, wrapped), initial=0))
            now = range(ends[card.now.start], ends[card.now.stop])
            self._wrapped = key, [line for lines in wrapped for line in lines], now
        return self._wrapped[1:]

    def _view(self) -> _View:
        """What is on the panel now. A screen too low for the keys' meanings has them below the card's own lines."""
        size = get_app().output.get_size()
        taken = 3 + (size.rows >= SPACIOUS) + (self._label is not None)  # title, input line, status
        if self._buffer.complete_state is not None:
            taken += min(len(self._buffer.complete_state.completions), MENU, size.rows // 3)
        free = max(size.rows - taken, 2)
        lines, now = self._lines(size.columns)
        keys = self._key_lines(size.columns)
        if len(keys) > max(free // 2, 1):
            meanings = [f"[{key}] {meaning}" for key, meaning in self._keys.items()]
            lines = [*lines, *(("class:panel.keys", line) for text in meanings for line in wrap(text, size.columns))]
            keys = [fit(" ".join(self._keys), size.columns)]
        room = free - len(keys)
        scrolls = len(lines) > room
        return _View(size.columns, lines, now, keys, max(room - scrolls, 1), scrolls)

    def _height(self) -> Dimension:
        view = self._view()
        return Dimension.exact(1 + min(len(view.lines), view.room) + view.scrolls + len(view.keys))

    def _fits(self) -> bool:
        """Whether the screen has the rows for it, the input line and the status: else nothing of it is seen."""
        return self._height().preferred + 2 <= get_app().output.get_size().rows

    def _text(self) -> StyleAndTextTuples:
        if self._card is None:
            return []
        view = self._view()
        if self._follow and view.now:
            self._scroll = min(max(self._scroll, view.now.stop - view.room), view.now.start)
        self._scroll = max(min(self._scroll, len(view.lines) - view.room), 0)
        shown = view.lines[self._scroll : self._scroll + view.room]
        text: StyleAndTextTuples = [("class:panel.title", fit(self._title(), view.width) + "\n")]
        text += [(style, line + "\n") for style, line in shown]
        if view.scrolls:
            first, last = self._scroll + 1, self._scroll + len(shown)
            keys = "PgUp PgDn" if self._label is not None else "↑↓ PgUp PgDn"
            more = f"lines {first}-{last} of {len(view.lines)}  {keys}"
            text.append(("class:panel.more", fit(more, view.width) + "\n"))
        armed = self._label is not None or self.armed()
        shown_keys = view.keys if armed else ["…", *[""] * (len(view.keys) - 1)]
        text.append(("class:panel.keys", "\n".join(shown_keys)))
        return text

    def _title(self) -> str:
        assert self._card is not None
        more = self._waiting()
        return f"? {self._card.title}" + (f"  ({more} more waiting)" if more > 0 else "")

    def _key_lines(self, width: int) -> list[str]:
        lines: list[str] = []
        items = [f"[{key}] {meaning}".strip() for key, meaning in self._keys.items()]
        for item in [*items, *([] if "Esc" in self._keys else ["[Esc] stop"])]:
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
            elif key == Keys.Enter and self._default is not None:
                self._settle(self._default)
            elif str(key).lower() in self._keys:
                self._settle(str(key).lower())

        escapes = self.armed & Condition(partial(self._ends, "Esc"))
        bindings.add(Keys.Escape, filter=escapes & alone, eager=True)(partial(self._end, "Esc"))

        @bindings.add(Keys.BracketedPaste, filter=self.armed, eager=True)
        def paste(event: KeyPressEvent) -> None:
            """A paste answers nothing."""

        for name, sequence in _ENDS.items():
            here = self.reading & Condition(partial(self._ends, name))
            bindings.add(*sequence, filter=here, eager=True)(partial(self._end, name))

        @bindings.add(Keys.Any, filter=Condition(lambda: self._label is not None) & ~self.reading, eager=True)
        def keep(event: KeyPressEvent) -> None:
            self._ahead.append(event.key_sequence[0])

        @bindings.add(Keys.Tab, filter=self.reading & ~has_completions & Condition(lambda: self._completer is not None))
        def complete(event: KeyPressEvent) -> None:
            assert self._completer is not None
            event.app.create_background_task(self._completer.tab(self._buffer))

        bindings.add(Keys.Escape, filter=self.reading & alone, eager=True)(partial(self._end, "Esc"))
        bindings.add(Keys.ControlD, filter=self.reading, eager=True)(partial(self._end, "Esc"))

        @bindings.add(Keys.PageUp, filter=self.reading, eager=True)
        @bindings.add(Keys.PageDown, filter=self.reading, eager=True)
        def scroll(event: KeyPressEvent) -> None:
            self._follow = False
            self._scroll += steps[Keys(event.key_sequence[0].key)]

        return bindings

    def _ends(self, name: str) -> bool:
        return name in self._keys

    def _end(self, name: str, event: KeyPressEvent) -> None:
        self._settle(name)

    def _settle(self, answer: str) -> None:
        if not self._answer.done():
            self._answer.set_result(answer)


def _marked(style: str, text: str, width: int) -> list[str]:
    if style != SAID:
        return wrap(text, width)
    return [f"│ {line}" for line in wrap(text, width - 2, between_words=True)]
