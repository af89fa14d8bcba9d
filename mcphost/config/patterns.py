"""How a person names tools in a rule: `SERVER__TOOLGLOB`, split at the first `__`, case-sensitive."""

from __future__ import annotations

import re

from mcphost.config.schema import Decision, Rule, Source
from mcphost.errors import UsageError
from mcphost.text import one_line


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
