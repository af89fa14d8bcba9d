"""Markdown as lines for a terminal, by rich; imported when the first block is printed, as rich takes its time.

Law 5: what it is given has passed `text.safe`, and so does what Markdown makes of it (entities, decoded addresses).
Links and images show their targets as text; nothing is fetched, nothing becomes an invisible link.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from io import StringIO
from typing import ClassVar

from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.markdown import CodeBlock, Heading, Markdown, MarkdownElement
from rich.syntax import Syntax
from rich.theme import Theme

from mcphost.terminal.blocks import Commit, parser
from mcphost.text import safe

MIN_WIDTH = 10
CODE_THEME = "ansi_dark"
_PADDING = re.compile(r"(?:\x1b\[[\d;]*m| )+$")
_THEME = Theme(
    {
        "markdown.code": "cyan",
        "markdown.code_block": "none",
        "markdown.block_quote": "dim",
        "markdown.item.bullet": "bold",
        "markdown.item.number": "bold",
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
                return self._lines(_syntax(commit.text.rstrip("\n"), _language(commit.info)), width, commit.text)
            case "open":
                return self._dim(f"```{commit.info}")
            case "close":
                return self._dim("```")

    def markdown(self, source: str, width: int, *, number: int | None = None) -> str:
        """`source` as lines; `number` is that of the first item, where it goes on with a numbered list."""
        tokens = self._parser.parse(source)
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


class _Code(CodeBlock):
    """Code without frame and background, so that it can be copied."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield _syntax(str(self.text).rstrip(), self.lexer_name)


class _Document(Markdown):
    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _Heading,
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
        self.code_theme = self.inline_code_theme = CODE_THEME
        self.inline_code_lexer = None


def _syntax(code: str, language: str) -> Syntax:
    return Syntax(code, language, theme=CODE_THEME, word_wrap=True, background_color="default")


def _language(info: str) -> str:
    return (info.split() or ["text"])[0]


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
