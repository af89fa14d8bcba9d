"""Slash commands, and what else a typed line may mean.

`@`, `/` and `!` are read only in what a person typed on the line: never in a paste, a prompt's body, stdin or a result.
Commands take a Chat and text and return text, or what they want of the frontend, so that they run in any.
"""

from mcphost.commands.builtin import register
from mcphost.commands.complete import best, command_offers, file_offers
from mcphost.commands.typed import command_of, interpret

__all__ = ["best", "command_of", "command_offers", "file_offers", "interpret", "register"]
