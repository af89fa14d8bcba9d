"""`mcphost config …`: what is configured, in which file, and the secrets that the keyring keeps for it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcphost.cli import options
from mcphost.cli.exits import DONE, ERROR
from mcphost.cli.setup import Paths, configured
from mcphost.config.secrets import SHORTEST, Secrets
from mcphost.errors import UsageError
from mcphost.text import one_line, safe

if TYPE_CHECKING:
    from mcphost.config.schema import Config
    from mcphost.config.shown import Parts


@click.group()
def config() -> None:
    """Look at the configuration, and keep secrets for it in the system's keyring."""


@config.command()
@options.CONFIG
@options.JSON
def show(configs: tuple[Path, ...], as_json: bool) -> int:
    """Print the configuration that all files come to, as it was written: variables by name, secrets never.

    A comment says where each part comes from. Project files are not in it: `mcphost trust` shows them.
    """
    from mcphost.config import shown

    found = configured(configs)
    parts = _parts(found, configs)
    secrets = Secrets.of(found, os.environ)
    for line in (*found.warnings, *(error.message for error in found.failures.values())):
        print(f"! {one_line(line, 1000)}", file=sys.stderr)
    if as_json:
        click.echo(json.dumps({"config": shown.plain(parts, secrets), "sources": shown.sources(parts)}, indent=2))
    else:
        click.echo(shown.text(parts, secrets), nl=False)
    return DONE


@config.command()
def path() -> int:
    """Print where your configuration is, and where mcphost keeps what it remembers."""
    paths = Paths.of_user()
    click.echo(f"config  {safe(str(paths.config))}{'' if paths.config.exists() else '  (not there)'}")
    click.echo(f"state   {safe(str(paths.state))}")
    return DONE


@config.command("set-secret")
@click.argument("name")
def set_secret(name: str) -> int:
    """Keep a secret in the system's keyring; a configuration names it as ${secret:NAME}.

    It is asked for, and not shown. Piped in, it is what stdin holds, without the line's end.
    """
    from mcphost.config.keyring import Keyring

    value = click.prompt(f"Secret {name}", hide_input=True, err=True) if sys.stdin.isatty() else _piped()
    if not value or "\0" in value:
        raise UsageError("a secret is not empty, and has no NUL character")
    Keyring().store(name, value)
    click.echo(f"Stored. Write ${{secret:{name}}} where the configuration needs it.")
    if len(value) < SHORTEST:
        short = f"it is shorter than {SHORTEST} characters, and is not taken out of what servers answer"
        print(f"! {short}", file=sys.stderr)
    return DONE


@config.command("unset-secret")
@click.argument("name")
def unset_secret(name: str) -> int:
    """Remove a secret from the system's keyring."""
    from mcphost.config.keyring import Keyring

    if not Keyring().remove(name):
        raise UsageError(f"there is no secret {one_line(name)!r}", hint="`mcphost config secrets` lists them.")
    click.echo("Removed.")
    return DONE


@config.command()
@options.CONFIG
def secrets(configs: tuple[Path, ...]) -> int:
    """List the names of your secrets, and those that the configuration wants and that are not there (exit code 1)."""
    from mcphost.config.keyring import Keyring
    from mcphost.config.variables import names

    stored = Keyring().names()
    parts = _parts(configured(configs), configs)
    written = json.dumps([node.plain() for nodes in parts.values() for node in nodes], ensure_ascii=False)
    wanted = {name.removeprefix("secret:") for name in names(written) if name.startswith("secret:")}
    for name in stored:
        click.echo(f"{name}{'' if name in wanted else '  (not used here)'}")
    missing = sorted(wanted - set(stored))
    for name in missing:
        click.echo(f"{name}  missing: mcphost config set-secret {name}")
    return ERROR if missing else DONE


def _piped() -> str:
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")


def _parts(found: Config, configs: tuple[Path, ...]) -> Parts:
    from mcphost.config import shown
    from mcphost.config.layers import document

    whole = {Paths.of_user().config, *configs}
    included = [document(file) for file in found.files if file not in whole]
    return shown.merged([document(file) for file in found.files if file in whole], included)
