"""Code in colour, a line at a time: what one line leaves open (a string, a comment) colours the next.

Law: what is printed is the code as it was written, no padding and no wrapping, so that what is copied is the code. The
colours are those of the terminal's own palette that can be read on light and on dark ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from pygments.lexer import ExtendedRegexLexer, Lexer, LexerContext, RegexLexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Error, Keyword, Literal, Name, Number, Operator, String, Token
from pygments.util import ClassNotFound

_CODES: dict[Any, str] = {
    Comment: "2",
    Keyword: "35",
    Keyword.Constant: "36",
    Literal: "36",
    Name.Builtin: "36",
    Name.Class: "1",
    Name.Decorator: "36",
    Name.Function: "1",
    Name.Tag: "35",
    Number: "36",
    Operator.Word: "35",
    String: "32",
    Token.Generic.Deleted: "31",
    Token.Generic.Heading: "1",
    Token.Generic.Inserted: "32",
    Error: "",
    Token: "",
}


class Highlighter:
    """For one piece of code in `language`; one that is not known stays without colour."""

    def __init__(self, language: str, *, color: bool) -> None:
        self._lexer = _lexer(language) if color else None
        self._stack = ["root"]

    def lines(self, code: str) -> str:
        """`code`, whole lines that go on with those before, as ANSI text."""
        if self._lexer is None:
            return code
        try:
            return "".join(_painted(kind, text) for kind, text in self._tokens(self._lexer, code))
        except Exception:  # a lexer that fails on what it reads costs the colour, not the code
            self._lexer = None
            return code

    def _tokens(self, lexer: Lexer, code: str) -> Iterable[tuple[Any, str]]:
        if not isinstance(lexer, RegexLexer) or isinstance(lexer, ExtendedRegexLexer):
            return [(kind, text) for _, kind, text in lexer.get_tokens_unprocessed(code)]
        context = LexerContext(code, 0, self._stack)
        # Any lexer of rules runs with a context, which keeps what is open at the end; its own method forgets it.
        found = ExtendedRegexLexer.get_tokens_unprocessed(cast(ExtendedRegexLexer, lexer), context=context)
        tokens = [(kind, text) for _, kind, text in found]
        self._stack = context.stack
        return tokens


def _lexer(language: str) -> Lexer | None:
    try:
        return get_lexer_by_name(language)
    except ClassNotFound:
        return None


def _painted(kind: Any, text: str) -> str:
    while kind not in _CODES:
        kind = kind.parent
    code = _CODES[kind]
    if not code or text.isspace():
        return text
    return "\n".join(f"\x1b[{code}m{line}\x1b[0m" if line else "" for line in text.split("\n"))
