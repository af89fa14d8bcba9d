"""How a person names tools in a rule (`SERVER__TOOLGLOB`, split at the first `__`, case-sensitive), and the regular
expressions that a rule may hold."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from mcphost.config.schema import Decision, Rule, Source
from mcphost.errors import UsageError
from mcphost.text import one_line

if TYPE_CHECKING:
    from jsonschema_rs import Validator

_REGEX_BYTES = 1024 * 1024  # of a compiled expression


def parse_pattern(text: str, decision: Decision, *, source: Source, bare_star: bool) -> Rule:
    """The rule that `text` stands for. A lone `*` (every tool of every server: a Rule with server "*" and tool "*")
    is read only with `bare_star`, which is for the command line.

    Raises:
        UsageError: `text` names no server or no tool.
    """
    shown = one_line(text)
    if text == "*" and bare_star:
        return Rule("*", "*", decision, source=source)
    if text == "*":
        raise UsageError(
            "'*' would mean every server", hint="Write SERVER__*; a bare * counts on the command line only."
        )
    server, joint, tool = text.partition("__")
    if not joint:
        guess = re.match(r"[A-Za-z0-9-]+", text)
        example = f"{guess[0] if guess else 'SERVER'}__{shown or '*'}"
        raise UsageError(f"'{shown}' has no server: write SERVER__TOOL, e.g. '{example}'")
    if not server.strip() or not tool.strip():
        part = "tool after" if server.strip() else "server before"
        raise UsageError(
            f"'{shown}' has no {part} the '__': write SERVER__TOOL, e.g. '{one_line(server).strip() or 'git'}__*'"
        )
    if re.search(r"[*?]", server):
        raise UsageError(
            f"'{shown}': the server before '__' is a name, not a pattern", hint="Give one rule per server."
        )
    return Rule(server, tool, decision, source=source)


@lru_cache(maxsize=256)
def linear(regex: str) -> Validator:
    """`regex` as what a whole text must match, in an engine whose time is linear in the text; `.` is any character.

    Raises:
        ValueError: it is none, or of a kind that such an engine cannot have.
    """
    import jsonschema_rs  # only who writes such rules pays for it

    options = jsonschema_rs.RegexOptions(size_limit=_REGEX_BYTES)
    try:
        jsonschema_rs.validator_for({"pattern": regex}, offline=True, pattern_options=options)
        return jsonschema_rs.validator_for({"pattern": rf"\A(?s:{regex})\z"}, offline=True, pattern_options=options)
    except jsonschema_rs.ValidationError as error:
        raise ValueError("no linear regular expression") from error
