"""Markdown as lines for a terminal, by rich; imported when the first block is printed, as rich takes its time.

Law 5: what it is given has passed `text.safe`, and so does what Markdown makes of it (entities, decoded addresses).
Links and images show their targets as text; nothing is fetched, nothing becomes an invisible link.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from io import StringIO
from itertools import zip_longest
from typing import ClassVar, cast

from markdown_it.token import Token
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.markdown import CodeBlock, Heading, HorizontalRule, ListItem, Markdown, MarkdownElement, TableElement
from rich.rule import Rule
from rich.segment import ControlType, Segment
from rich.text import Text
from rich.theme import Theme

from mcphost.terminal.blocks import BlockStream, Commit, parser
from mcphost.terminal.cells import CLUSTER, SAVE_CURSOR, go_on
from mcphost.terminal.highlight import Highlighter
from mcphost.text import safe

MIN_WIDTH = 10
_TASK = re.compile(r"^\[([ xX])\] ")
_BOXES = {" ": "☐ ", "x": "☑ ", "X": "☑ "}
_PADDING = re.compile(r"(?:\x1b\[[\d;]*m| )+$")
_NUMBER = "markdown.item.number"
_THEME = Theme(
    {
        "markdown.code": "cyan",
        "markdown.code_block": "none",
        "markdown.block_quote": "dim",
        "markdown.item.bullet": "bold",
        _NUMBER: "bold",
        "markdown.h1": "bold underline",
        "markdown.h2": "bold underline",
        "markdown.h3": "bold",
        "markdown.h4": "bold",
        "markdown.h5": "bold dim",
        "markdown.h6": "dim",
        "markdown.table.header": "bold",
        "markdown.table.border": "dim",
        "markdown.hr": "dim",
    }
)


class Renderer:
    """Makes lines of ANSI text; without colour, plain ones. Widths are in columns."""

    def __init__(self, color: bool) -> None:
        self._color = color
        self._parser = parser()
        self._code = Highlighter("", color=False)
        self._console = Console(
            file=StringIO(),
            force_terminal=True,
            color_system="standard" if color else None,
            no_color=not color,
            legacy_windows=False,
            highlight=False,
            markup=False,
            emoji=False,
            theme=_THEME,
            _environ={},
        )

    def commit(self, commit: Commit, width: int) -> str:
        """The lines of one committed piece, without a line end at its end; "" where there is nothing to see."""
        match commit.kind:
            case "markdown":
                return self.markdown(commit.text, width, number=commit.number)
            case "code":
                return self._code.lines(commit.text).removesuffix("\n")
            case "open":
                self._code = Highlighter(_language(commit.info), color=self._color)
                return self._dim(f"```{commit.info}")
            case "close":
                return self._dim("```")

    def document(self, source: str, width: int) -> str:
        """A whole text, as the scrollback would show it."""
        stream = BlockStream()
        out: list[str] = []
        for commit in [*stream.feed(source), *stream.finish()]:
            text = self.commit(commit, width)
            if text or commit.kind == "code":
                out.append(text if commit.joined or not out else f"\n{text}")
        return "\n".join(out)

    def markdown(self, source: str, width: int, *, number: int | None = None) -> str:
        """`source` as lines; `number` is that of the first item, where it goes on with a numbered list."""
        tokens = self._parser.parse(source)
        _tick(tokens)
        for token in tokens:
            if number is not None and token.type == "ordered_list_open" and token.level == 0:
                token.attrs["start"] = number
                number = None
            _prepare(token)
        return self._lines(_Document(tokens), width, source)

    def _lines(self, renderable: RenderableType, width: int, source: str) -> str:
        self._console.width = max(width, MIN_WIDTH)
        try:
            with self._console.capture() as captured:
                self._console.print(renderable)
        except Exception:  # a document that rich cannot lay out is shown as it was written
            return source.strip("\n")
        lines = [_rstrip(line) for line in captured.get().split("\n")]
        return "\n".join(_trimmed(lines))

    def _dim(self, text: str) -> str:
        return f"\x1b[2m{text}\x1b[0m" if self._color else text


class _Heading(Heading):
    """Headings stand where text stands: at the left."""

    LEVEL_ALIGN = dict.fromkeys(Heading.LEVEL_ALIGN, "left")


class _Item(ListItem):
    """Items are set alike, whether they are printed one by one or as a list."""

    def render_number(self, console: Console, options: ConsoleOptions, number: int, last_number: int) -> RenderResult:
        numeral = f" {number}. "
        lines = console.render_lines(self.elements, options.update(width=options.max_width - len(numeral)))
        for index, line in enumerate(lines):
            yield Segment(" " * len(numeral) if index else numeral, None if index else console.get_style(_NUMBER))
            yield from line
            yield Segment("\n")


class _Rule(HorizontalRule):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Rule(style="markdown.hr", characters="─")


class _Table(TableElement):
    """A table whose words fit beside one another; else each row as a list of its cells. No cell is cut."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        header = [cell.content for cell in self.header.row.cells] if self.header and self.header.row else []
        rows = [[cell.content for cell in row.cells] for row in (self.body.rows if self.body else ())]
        columns = zip_longest(header, *rows, fillvalue=Text())
        words = sum(max(map(_longest_word, column)) + 2 for column in columns)
        if words <= options.max_width:
            for table in super().__rich_console__(console, options):
                for segment in console.render(cast(RenderableType, table), options):
                    yield from _pinned(segment)
            return
        for row in rows or [header]:
            for name, value in zip(header, row, strict=False):
                if value.plain.strip():
                    yield Text.assemble((name.plain, "markdown.table.header"), ": ", value)
            yield Text()


def _pinned(segment: Segment) -> Iterator[Segment]:
    """It, on every terminal in as many columns as were counted."""
    text, style, control = segment
    start = 0
    for match in CLUSTER.finditer("" if control else text):
        columns = cell_len(match.group())
        yield Segment(text[start : match.start()], style)
        yield Segment(SAVE_CURSOR, control=[(ControlType.CURSOR_FORWARD, 0)])
        yield Segment(match.group(), style)
        yield Segment(go_on(columns), control=[(ControlType.CURSOR_FORWARD, columns)])
        start = match.end()
    yield Segment(text[start:], style, control)


def _longest_word(text: Text) -> int:
    return max(map(cell_len, text.plain.split()), default=0)


class _Code(CodeBlock):
    """Code without frame and background, so that it can be copied."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = Highlighter(self.lexer_name, color=not console.no_color).lines(str(self.text).rstrip())
        yield Text.from_ansi(code)


class _Document(Markdown):
    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _Heading,
        "hr": _Rule,
        "list_item_open": _Item,
        "table_open": _Table,
        "fence": _Code,
        "code_block": _Code,
    }

    def __init__(self, tokens: list[Token]) -> None:
        # Not the base's own: it would make a parser, for each of a thousand pieces.
        self.parsed = tokens
        self.markup = ""
        self.style = "none"
        self.justify = None
        self.hyperlinks = False
        self.code_theme = self.inline_code_theme = ""
        self.inline_code_lexer = None


def _language(info: str) -> str:
    return (info.split() or ["text"])[0]


def _tick(tokens: list[Token]) -> None:
    """Show the tasks of lists as boxes."""
    for item, paragraph, inline in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if item.type == "list_item_open" and paragraph.type == "paragraph_open" and inline.children:
            first = inline.children[0]
            first.content = _TASK.sub(lambda match: _BOXES[match[1]], first.content, count=1)


def _prepare(token: Token) -> None:
    """Make what Markdown decoded safe, and write out where links and images lead."""
    token.content = safe(token.content)
    if token.children:
        for child in token.children:
            _prepare(child)
        token.children = list(_with_targets(token.children))


def _with_targets(tokens: Iterable[Token]) -> Iterable[Token]:
    links: list[tuple[str, list[str]]] = []
    for token in tokens:
        match token.type:
            case "link_open":
                links.append((safe(str(token.attrs.get("href", ""))), []))
            case "link_close" if links:
                target, said = links.pop()
                if target.removeprefix("mailto:") != "".join(said):
                    yield _text(f" ({target})")
            case "softbreak":  # models break lines on purpose
                token.type = "hardbreak"
                yield token
            case "image":
                said_of_it = f"image: {token.content}" if token.content else "image"
                yield _text(f"[{said_of_it}] ({safe(str(token.attrs.get('src', '')))})")
            case _:
                if links:
                    links[-1][1].append(token.content)
                yield token


def _text(content: str) -> Token:
    token = Token("text", "", 0)
    token.content = content
    return token


def _rstrip(line: str) -> str:
    """Without the spaces that rich pads lines with, styled or not."""
    match = _PADDING.search(line)
    if match is None or not match.start():
        return line[: match.start()] if match else line
    return line[: match.start()] + ("\x1b[0m" if "\x1b" in match.group() else "")


def _trimmed(lines: list[str]) -> list[str]:
    """Without empty lines around them: the scrollback decides what stands between two pieces."""
    while lines and not lines[0]:
        del lines[0]
    while lines and not lines[-1]:
        del lines[-1]
    return lines
