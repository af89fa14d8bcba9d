"""What keys mean at the input line, beside those of an emacs or vi line editor. The panel's own keys come first while a
question stands."""

from __future__ import annotations

from typing import Protocol

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition, has_completions, has_focus, is_searching, vi_insert_mode
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys

from mcphost.terminal.panel import alone
from mcphost.terminal.suggesting import LineCompleter
from mcphost.terminal.typed import PasteMarks, Typed
from mcphost.text import safe

KEYS = {
    "Enter": "sends; while the model works, the message waits for its turn (Up takes it back)",
    "Ctrl+S": "hands the message to the model at its next step",
    "Alt+Enter, Ctrl+J": "a new line",
    "Esc": "closes the menu; stops a shell command of yours, else the calls that run, else the turn",
    "Ctrl+C": "clears the line; stops the turn; twice leaves",
    "Ctrl+D": "leaves, on the empty line",
    "Ctrl+O": "shows whole what the last turn folded; once more, the turn before",
    "Tab, ↑ ↓": "completions",
    "Ctrl+R, →": "searches what you sent before; takes what is suggested in grey",
    "Ctrl+X Ctrl+E": "the line in your editor",
    "Shift+Tab": "the next mode",
    "Ctrl+L, Ctrl+Z": "draws the screen anew; suspends mcphost",
}


def described() -> str:
    """The keys as aligned lines."""
    width = max(map(len, KEYS))
    return "\n".join(f"{key:{width}}  {what}" for key, what in KEYS.items())


class Chatter(Protocol):
    """Whoever is behind the input line."""

    @property
    def busy(self) -> bool:
        """Whether there is something that Esc would stop."""

    def submit(self, line: Typed) -> None:
        """Enter. An empty line, too."""

    def steer(self, line: Typed) -> None:
        """Ctrl+S. An empty line, too."""

    def take_back(self) -> Typed | None:
        """The last message that waits to be sent; it waits no longer."""

    def stop(self) -> None:
        """Esc while busy."""

    def interrupt(self) -> None:
        """Ctrl+C while busy, or on an empty line."""

    def next_mode(self) -> None:
        """Shift+Tab."""

    def expand(self) -> None:
        """Ctrl+O: what was shown in a line is wanted whole."""

    def leave(self) -> None:
        """Ctrl+D on an empty line."""

    def edit(self, line: Typed) -> None:
        """Ctrl+X Ctrl+E: `line`, which stands in the buffer, is wanted in an editor."""


def bindings(buffer: Buffer, completer: LineCompleter, marks: PasteMarks, chatter: Chatter) -> KeyBindings:
    keys = KeyBindings()
    here = has_focus(buffer)
    busy = Condition(lambda: chatter.busy)
    empty = Condition(lambda: not buffer.text)

    def taken(event: KeyPressEvent) -> Typed:
        line = marks.typed().stripped()
        if line.text:
            buffer.history.append_string(line.text)
        clear(event)
        return line

    def clear(event: KeyPressEvent) -> None:
        buffer.reset()
        event.app.vi_state.reset()  # the next line begins as the first one did, to be typed

    @keys.add(Keys.Enter, filter=here)
    def submit(event: KeyPressEvent) -> None:
        chatter.submit(taken(event))

    @keys.add(Keys.Tab, filter=here & (~has_completions | Condition(lambda: _sole(buffer))))
    def complete(event: KeyPressEvent) -> None:
        if _sole(buffer):
            buffer.complete_state = None  # taken: the next word, or the next part of this one
        event.app.create_background_task(completer.tab(buffer))

    @keys.add(Keys.BackTab, filter=here & ~has_completions)
    def next_mode(event: KeyPressEvent) -> None:
        chatter.next_mode()

    @keys.add(Keys.ControlS, filter=here)
    def steer(event: KeyPressEvent) -> None:
        chatter.steer(taken(event))

    @keys.add(Keys.ControlJ, filter=here)
    @keys.add(Keys.Escape, Keys.Enter, filter=here)
    def newline(event: KeyPressEvent) -> None:
        buffer.newline(copy_margin=False)

    @keys.add(Keys.BracketedPaste, filter=here)
    def paste(event: KeyPressEvent) -> None:
        marks.paste(safe(event.data))

    @keys.add(Keys.Vt100MouseEvent)
    def mouse(event: KeyPressEvent) -> None:
        """What was typed reads like a report of a mouse, as the end of a colour does: nobody asked for one."""

    @keys.add(Keys.Up, filter=here & empty & busy)
    def take_back(event: KeyPressEvent) -> None:
        line = chatter.take_back()
        if line is None:
            buffer.auto_up()
        else:
            marks.put_back(line)

    @keys.add(Keys.ControlX, Keys.ControlE, filter=here)
    def edit(event: KeyPressEvent) -> None:
        chatter.edit(marks.typed())

    @keys.add(Keys.Escape, "/", filter=here)
    def slash(event: KeyPressEvent) -> None:
        """A command, after an Esc that had nothing to stop. It is no Alt+/."""
        buffer.insert_text("/")

    @keys.add(Keys.Escape, filter=here & has_completions & alone, eager=True)
    def close_menu(event: KeyPressEvent) -> None:
        buffer.cancel_completion()

    # In vi's insert mode Esc is for the line, unless there is none.
    @keys.add(Keys.Escape, filter=here & busy & alone & ~has_completions & (~vi_insert_mode | empty), eager=True)
    def stop(event: KeyPressEvent) -> None:
        chatter.stop()

    @keys.add(Keys.ControlC, filter=~is_searching, eager=True)
    def interrupt(event: KeyPressEvent) -> None:
        if chatter.busy or not buffer.text:
            chatter.interrupt()
        else:
            clear(event)

    @keys.add(Keys.ControlO, filter=here)
    def expand(event: KeyPressEvent) -> None:
        chatter.expand()

    @keys.add(Keys.ControlD, filter=here & empty)
    def leave(event: KeyPressEvent) -> None:
        chatter.leave()

    @keys.add(Keys.ControlZ)
    def suspend(event: KeyPressEvent) -> None:
        event.app.suspend_to_background()

    @keys.add(Keys.ControlL)
    def redraw(event: KeyPressEvent) -> None:
        event.app.renderer.clear()

    return keys


def _sole(buffer: Buffer) -> bool:
    """Whether the one completion that there is stands in the line."""
    state = buffer.complete_state
    return state is not None and len(state.completions) == 1 and state.complete_index == 0
