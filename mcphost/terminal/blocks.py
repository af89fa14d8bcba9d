"""Splits a Markdown stream into blocks that are final, so that each is printed once and only the open one stays live.

Law: CommonMark decides block structure line by line, and a sibling that a complete line has opened never changes the
ones before it. So only the uncommitted lines are parsed, by block rules alone, and every top-level block but the last
is final; of a list, every item but the last; of fenced code, every line. Link references stay as they are written: what
is printed cannot learn where they lead, and their definitions say it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from mcphost.text import safe

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

ALWAYS = 32  # an open block of at most this many lines is parsed again at every line that may end it

_FENCE = re.compile(r"^( {0,3})(`{3,}|~{3,})(.*)$")
_CONTINUES = re.compile(r"^(?:\s|>|[-*+](?:\s|$)|\d{1,9}[.)](?:\s|$))")  # may go on with a list, quote or indented code
_STARTS = re.compile(
    r"^(?: {0,3})(?:#{1,6}(?:\s|$)|>|[-*+]\s|\d{1,9}[.)]\s|`{3,}|~{3,}|(?:[-*_] *){3,}$)|^\|"
)  # fmt: skip
_LISTS = ("bullet_list_open", "ordered_list_open")


def parser() -> MarkdownIt:
    """CommonMark with tables and strikethrough; HTML is text like any other, and so are link references."""
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    return markdown.disable(["html_block", "html_inline", "reference"])


@dataclass(frozen=True, slots=True)
class Commit:
    """A piece that never changes again: whole blocks ("markdown"), or what belongs to a fenced block ("open", "code",
    "close"; `info` is what stands behind its fence).

    `continues`: it goes on with the list of the piece before; `number` is then its first item's, of a numbered one.
    """

    kind: Literal["markdown", "open", "code", "close"]
    text: str = ""
    info: str = ""
    continues: bool = False
    number: int | None = None

    @property
    def joined(self) -> bool:
        """Whether no empty line parts it from the piece before."""
        return self.continues or self.kind in ("code", "close")


@dataclass(frozen=True, slots=True)
class _Fence:
    mark: str
    indent: int
    info: str

    def closes(self, line: str) -> bool:
        text = line.strip()
        indent = len(line) - len(line.lstrip(" "))
        return len(text) >= len(self.mark) and text == self.mark[0] * len(text) and indent <= 3

    def content(self, line: str) -> str:
        indent = len(line) - len(line.lstrip(" "))
        return line[min(indent, self.indent) :]


class BlockStream:
    """Feed it text as it comes; it is made safe here (law 5)."""

    def __init__(self) -> None:
        self._tail: list[str] = []  # complete lines that are not committed
        self._partial = ""
        self._return = False  # the last character was a carriage return, which may be half of a line end
        self._fence: _Fence | None = None
        self._continues = False
        self._number: int | None = None
        self._next = 0  # no parse before the tail has this many lines
        self._trusted = True  # the last line that looked sure to end the open block did so

    @cached_property
    def _parser(self) -> MarkdownIt:
        return parser()

    @property
    def open_text(self) -> str:
        """The source of what is not committed."""
        return "".join(self._tail) + self._partial

    @property
    def in_code(self) -> bool:
        return self._fence is not None

    def feed(self, text: str) -> list[Commit]:
        if self._return and text:
            text = text.removeprefix("\n")
            self._return = False
        self._return = text.endswith("\r") or (self._return and not text)
        lines = (self._partial + safe(text)).split("\n")
        begun = not self._partial or len(lines) > 1
        self._partial = lines.pop()
        out: list[Commit] = []
        for line in lines:
            self._line(line + "\n", out)
        if begun and self._partial[:1].isalpha():
            self._paragraph_began(out)
        return out

    def finish(self) -> list[Commit]:
        """The rest. The stream can be fed a new text afterwards."""
        out: list[Commit] = []
        if self._partial:
            line, self._partial = self._partial, ""
            self._line(line + "\n", out)
        if self._fence:
            out.append(Commit("close"))
        elif self.open_text.strip():
            self._commit(len(self._tail), out)
        self._tail, self._fence, self._continues, self._number, self._return = [], None, False, None, False
        return out

    def _line(self, line: str, out: list[Commit]) -> None:
        if self._fence is not None:
            self._code(self._fence, line, out)
            return
        after_blank = not self._tail or not self._tail[-1].strip()
        self._tail.append(line)
        if after_blank or _STARTS.match(line):
            self._try_boundary(certain=after_blank and not _CONTINUES.match(line), out=out)

    def _paragraph_began(self, out: list[Commit]) -> None:
        """Commit what stands before a line whose first letter shows already that it continues nothing."""
        if self._fence or not self._tail or self._tail[-1].strip() or (len(self._tail) > ALWAYS and not self._trusted):
            return
        last = _last(self._blocks("".join(self._tail) + self._partial))
        if last and last.map and last.map[0] == len(self._tail):
            self._commit(len(self._tail), out)
            self._next, self._trusted = 0, True
        elif len(self._tail) > ALWAYS:
            self._trusted = False

    def _code(self, fence: _Fence, line: str, out: list[Commit]) -> None:
        if fence.closes(line):
            self._fence = None
            out.append(Commit("close"))
        elif out and out[-1].kind == "code":
            out[-1] = Commit("code", out[-1].text + fence.content(line), fence.info)
        else:
            out.append(Commit("code", fence.content(line), fence.info))

    def _try_boundary(self, certain: bool, out: list[Commit]) -> None:
        """Commit what became final. A long open block is parsed again only when it has grown by a quarter, or where a
        line after a blank one looks sure to end it: else one long table or quote would cost quadratic time."""
        lines = len(self._tail)
        if lines > ALWAYS and lines < self._next and not (certain and self._trusted):
            return
        before = len(out)
        self._boundary(out)
        if len(out) > before or not self._tail:
            self._next, self._trusted = 0, True
        else:
            self._next = lines + lines // 4
            self._trusted = self._trusted and not certain
        self._enter_fence(out)

    def _boundary(self, out: list[Commit]) -> None:
        source = "".join(self._tail)
        if not source.strip():
            self._tail.clear()
            return
        tokens = self._blocks(source)
        last = _last(tokens)
        if last is None or last.map is None:
            return
        if last.map[0] > 0:
            self._commit(last.map[0], out)
        if last.type in _LISTS:
            self._items(last, [token for token in tokens if token.level == 1 and token.type == "list_item_open"], out)

    def _blocks(self, source: str) -> list[Token]:
        tokens: list[Token] = []
        self._parser.block.parse(source, self._parser, {}, tokens)
        return tokens

    def _items(self, opened: Token, items: list[Token], out: list[Commit]) -> None:
        """Commit all items but the last of the list that is open; its items are the last tokens of their kind."""
        assert opened.map is not None
        own = [item.map[0] for item in items if item.map and item.map[0] >= opened.map[0]]
        if len(own) < 2:
            return
        first = self._number if self._continues else _start(opened)
        self._commit(own[-1] - opened.map[0], out)
        self._continues = True
        self._number = None if first is None else first + len(own) - 1

    def _commit(self, lines: int, out: list[Commit]) -> None:
        out.append(Commit("markdown", "".join(self._tail[:lines]), continues=self._continues, number=self._number))
        del self._tail[:lines]
        self._continues, self._number = False, None

    def _enter_fence(self, out: list[Commit]) -> None:
        match = _FENCE.match(self._tail[0].rstrip("\n")) if self._tail else None
        if match is None or (match[2][0] == "`" and "`" in match[3]):
            return
        waiting, self._tail = self._tail[1:], []
        self._fence = _Fence(match[2], len(match[1]), match[3].strip())
        out.append(Commit("open", info=self._fence.info))
        for line in waiting:  # those of a back-off
            self._line(line, out)


def _last(tokens: list[Token]) -> Token | None:
    """What opens the last of the outermost blocks."""
    return next((token for token in reversed(tokens) if token.level == 0 and token.map and token.nesting >= 0), None)


def _start(opened: Token) -> int | None:
    return int(opened.attrs.get("start", 1)) if opened.type == "ordered_list_open" else None
