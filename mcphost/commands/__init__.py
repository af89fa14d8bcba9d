"""Slash commands, and what else a typed line may mean.

`@` and `/` are read only in what a person typed on the line: never in a paste, a prompt's body, stdin or a result.
Commands take a Chat and text and return text, so they run in any frontend.
"""

from mcphost.commands.builtin import Leave, register
from mcphost.commands.typed import interpret

__all__ = ["Leave", "interpret", "register"]
