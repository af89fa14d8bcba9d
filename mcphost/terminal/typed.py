"""The input line as it was typed: which parts of it came from a paste. A long paste stands in it as one piece.

Law 5: a pasted `/`, `@` or `!` is text like any other.
"""

from __future__ import annotations

from dataclasses import dataclass

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.layout.utils import explode_text_fragments

FOLD_LINES = 8  # a paste of more lines, or of more characters, is shown folded
FOLD_CHARACTERS = 1000

_PIECE = 0x10F000  # of the private use plane; the character that stands for a folded paste in the buffer


@dataclass(frozen=True, slots=True)
class Typed:
    """A line, and where in it pasted text stands."""

    text: str
    pasted: tuple[range, ...] = ()

    def stripped(self) -> Typed:
        """Without empty lines and spaces at its end."""
        return Typed(self.text.rstrip(), self.pasted)

    @property
    def shown(self) -> str:
        """The line with its long pastes folded."""
        text = self.text
        for span in reversed(self.pasted):
            piece = text[span.start : span.stop]
            if _is_long(piece):
                text = text[: span.start] + fold(piece) + text[span.stop :]
        return text

    def edited(self, text: str) -> Typed:
        """What an editor made of it: what was pasted is so still, where it stands unchanged."""
        spans, end = [], 0
        for span in self.pasted:
            piece = self.text[span.start : span.stop]
            start = text.find(piece, end)
            if start >= 0:
                end = start + len(piece)
                spans.append(range(start, end))
        return Typed(text, tuple(spans))


def fold(text: str) -> str:
    lines = text.count("\n") + 1
    return f"[pasted {lines} lines]" if lines > 1 else f"[pasted {len(text):,} characters]"


class PasteMarks:
    """Follows every change of `buffer`. What comes back from the history counts as typed."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer
        self._text = buffer.text
        self._marks = bytes(len(self._text))
        self._pasting = False
        self._pieces: dict[str, str] = {}
        buffer.on_text_changed += self._changed

    def paste(self, text: str) -> None:
        """Insert `text` at the cursor as pasted; a long one folded, as one piece."""
        self._pasting = True
        try:
            self._buffer.insert_text(self._piece(text) if _is_long(text) else text)
        finally:
            self._pasting = False

    def typed(self) -> Typed:
        """The line with every piece unfolded."""
        parts: list[str] = []
        spans: list[range] = []
        length = 0
        for character, mark in zip(self._text, self._marks, strict=True):
            part = self._pieces.get(character, character)
            if mark and spans and spans[-1].stop == length:
                spans[-1] = range(spans[-1].start, length + len(part))
            elif mark:
                spans.append(range(length, length + len(part)))
            parts.append(part)
            length += len(part)
        return Typed("".join(parts), tuple(spans))

    def put_back(self, line: Typed) -> None:
        """Let `line` stand in the buffer again."""
        text, marks, end = "", b"", 0
        for span in line.pasted:
            before, piece = line.text[end : span.start], line.text[span.start : span.stop]
            piece = self._piece(piece) if _is_long(piece) else piece
            text, marks, end = text + before + piece, marks + bytes(len(before)) + b"\x01" * len(piece), span.stop
        text += line.text[end:]
        self._buffer.text = text
        self._buffer.cursor_position = len(text)
        self._marks = marks + bytes(len(text) - len(marks))

    @property
    def folds(self) -> bool:
        """Whether a folded paste stands in the buffer."""
        return any(character in self._text for character in self._pieces)

    def label(self, character: str) -> str | None:
        """What is shown for a character of the buffer; None: itself."""
        return fold(self._pieces[character]) if character in self._pieces else None

    def _piece(self, text: str) -> str:
        character = chr(_PIECE + len(self._pieces) % 0xF00)
        self._pieces[character] = text
        return character

    def _changed(self, buffer: Buffer) -> None:
        old, new = self._text, buffer.text
        most = min(len(old), len(new))
        head = _common(old, new, most)
        tail = _common(old[::-1], new[::-1], most - head)
        inserted = (b"\x01" if self._pasting else b"\x00") * (len(new) - head - tail)
        self._marks = self._marks[:head] + inserted + self._marks[len(old) - tail :]
        self._text = new


class Folded(Processor):
    """Shows each folded paste by its label; the cursor passes it in one step."""

    def __init__(self, marks: PasteMarks) -> None:
        self._marks = marks

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        if not self._marks.folds:
            return Transformation(transformation_input.fragments)
        shown: StyleAndTextTuples = []
        starts = [0]
        for style, character, *_ in explode_text_fragments(transformation_input.fragments):
            label = self._marks.label(character)
            shown.append(("class:pasted", label) if label else (style, character))
            starts.append(starts[-1] + len(label or character))

        def to_display(index: int) -> int:
            return starts[index] if index < len(starts) else starts[-1] + index - len(starts) + 1

        def to_source(index: int) -> int:
            return max((at for at, start in enumerate(starts) if start <= index), default=0)

        return Transformation(shown, source_to_display=to_display, display_to_source=to_source)


def _is_long(text: str) -> bool:
    return text.count("\n") >= FOLD_LINES or len(text) > FOLD_CHARACTERS


def _common(left: str, right: str, most: int) -> int:
    """How many characters both begin with, at most `most`."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
