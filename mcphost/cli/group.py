"""The command group: it knows every command's name and help, and loads a command's module only to run it."""

from __future__ import annotations

import difflib
import importlib

import click

from mcphost import __version__
from mcphost.cli import COMMANDS


class LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS:
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            raise click.UsageError(
                f"There is no command {args[0]!r}."
                + (f" Did you mean {near[0]!r}?" if near else f' For a task: mcphost run "{args[0]} …"'),
                ctx,
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`mcphost COMMAND --help` says more. Without a command, mcphost starts the chat.",
)
@click.version_option(__version__, message="mcphost %(version)s")
def group() -> None:
    """A host for the Model Context Protocol: your servers' tools, any model, your consent."""
