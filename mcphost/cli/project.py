"""Project files on the command line: who trusts them, and what of them joins the configuration."""

from __future__ import annotations

import difflib
import json
import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeAlias

import click

from mcphost.config import project
from mcphost.config.keyring import Keyring
from mcphost.config.project import Entry, Project, ProjectFile
from mcphost.config.schema import Config, Rule, ServerConfig
from mcphost.config.trust import Trusted
from mcphost.errors import ConfigError, NotTrusted, ServerUnavailable
from mcphost.questions import Trust, TrustDecision
from mcphost.servers.environment import resolve
from mcphost.text import one_line

# What happens to something that is not trusted: a person is asked, the command ends, or it is left out.
Untrusted: TypeAlias = Literal["ask", "refuse", "leave"]
Ask: TypeAlias = Callable[[Trust], TrustDecision]


@dataclass
class _Found:
    """What the project files of the working directory come to."""

    servers: dict[str, ServerConfig] = field(default_factory=dict)
    failures: dict[str, ConfigError] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    untrusted: list[tuple[str, str]] = field(default_factory=list)  # what, hash
    keyring: Keyring = field(default_factory=Keyring)


def joined(
    config: Config,
    *,
    state: Path,
    named: Collection[Path],
    accepted: Collection[str],
    untrusted: Untrusted,
    environ: Mapping[str, str],
    ask: Ask | None = None,
) -> Config:
    """`config` with what is trusted of the project files here. `named`: files that were named on the command line, and
    so are none of these; `accepted`: hashes that the command line accepts.

    Raises:
        NotTrusted: something is not, and `untrusted` is "refuse".
    """
    files, warnings = project.find(Path.cwd())
    given = {os.path.realpath(path) for path in named}
    files = [file for file in files if os.path.realpath(file.path) not in given]
    if not files:
        return replace(config, warnings=(*config.warnings, *warnings))
    trust = _Judge(Trusted(state / "trust.json"), frozenset(accepted), ask if untrusted == "ask" else None)
    found = _Found(warnings=warnings)
    for file in files:
        _take(file, trust, found, environ)
    if found.untrusted and untrusted == "refuse":
        raise _refusal(found.untrusted)
    return _merged(config, found)


class _Judge:
    """Whether a directory or an entry is trusted: from before, by the command line, or because a person says so now."""

    def __init__(self, known: Trusted, accepted: frozenset[str], ask: Ask | None) -> None:
        self._known = known
        self._accepted = accepted
        self._ask = ask

    def directory(self, file: ProjectFile) -> bool:
        place = file.path.parent
        if self._known.directory(place) or file.sha256 in self._accepted:
            return True
        if self._ask is None or not self._ask(_about_directory(file)).trusted:
            return False
        self._known.trust_directory(place)
        return True

    def entry(self, entry: Entry) -> bool:
        if self._known.entry(entry) or entry.sha256 in self._accepted:
            return True
        if entry.file.sha256 in self._accepted and not entry.files and not entry.loaders:
            return True
        if self._ask is None or not self._ask(_about_entry(entry, self._known.before(entry))).trusted:
            return False
        if entry.loaders and not self._ask(_about_loaders(entry)).trusted:
            return False
        self._known.trust_entry(entry)
        return True


def _take(file: ProjectFile, trust: _Judge, found: _Found, environ: Mapping[str, str]) -> None:
    if not trust.directory(file):
        found.untrusted.append((f"{file.path} ({len(file.data)} bytes)", file.sha256))
        found.warnings.append(f"{file.path} is not read: its directory is not trusted; `mcphost trust` asks you")
        return
    content: Project = project.parsed(file, lambda program, base: _lookup(program, base, environ))
    found.rules += content.rules
    found.warnings += content.refused
    for entry in content.entries:
        found.warnings += [f"{entry.name} of {file.path}: {line}" for line in entry.warnings]
        if not trust.entry(entry):
            found.untrusted.append((f"server {entry.name} of {file.path}", entry.sha256))
            hint = "`mcphost trust` shows it and asks you."
            found.failures[entry.name] = ConfigError(
                f"server {entry.name} of {file.path} is not trusted", hint=hint, server=entry.name, untrusted=True
            )
            continue
        try:
            found.servers[entry.name] = project.server(entry, environ, found.keyring)
        except ConfigError as error:
            found.failures[entry.name] = error


def _merged(config: Config, found: _Found) -> Config:
    """A server of the user's own keeps its name, and rules that allow by name are not about a project's server."""
    own = config.servers.keys() | config.failures.keys()
    taken = [name for name in (*found.servers, *found.failures) if name in own]
    servers = {name: server for name, server in found.servers.items() if name not in own}
    failures = {name: error for name, error in found.failures.items() if name not in own}
    about = [
        rule for rule in config.rules if rule.decision == "allow" and rule.source.file and rule.server in found.servers
    ]
    about = [rule for rule in about if rule.server not in own]
    warnings = [f"the project's server {name} is left out: you have one of this name" for name in taken]
    warnings += [f"{rule.source}: does not count for the project's server {rule.server}" for rule in about]
    return replace(
        config,
        servers={**config.servers, **servers},
        failures={**config.failures, **failures},
        rules=(*(rule for rule in config.rules if rule not in about), *found.rules),
        secrets={**config.secrets, **found.keyring.given},
        warnings=(*config.warnings, *found.warnings, *warnings),
    )


def _lookup(program: str, base: Path, environ: Mapping[str, str]) -> str | None:
    try:
        return resolve(program, environ, base)[0]
    except ServerUnavailable:
        return None


def _refusal(untrusted: Sequence[tuple[str, str]]) -> NotTrusted:
    lines = [f"  {one_line(what, 300)}: --trust-project {digest}" for what, digest in untrusted]
    return NotTrusted(
        "\n".join(["this project is not trusted, so nothing was started:", *lines]),
        hint="Look at it first: `mcphost trust` shows it and asks. --no-project leaves project files out.",
        untrusted=[{"what": what, "sha256": digest} for what, digest in untrusted],
    )


# -- questions ---------------------------------------------------------------------------------------------------------


def _about_directory(file: ProjectFile) -> Trust:
    warnings = ("Other users of this machine may change this file.",) if file.others_write else ()
    lines = (f"file    {file.path}", f"size    {len(file.data)} bytes", f"sha256  {file.sha256}")
    return Trust(
        f"May mcphost read the configuration that {file.path.parent} brings along?",
        (*lines, "Nothing of it was read yet; no server starts before you have seen its entry."),
        warnings,
    )


def _about_entry(entry: Entry, before: Mapping[str, object] | None) -> Trust:
    definition = entry.definition
    lines = [f"file        {entry.file.path}", *json.dumps(definition["entry"], indent=2).splitlines()]
    if "executable" in definition:
        lines.append(f"runs        {definition['executable']}")
    given = definition.get("variables", ())
    if variables := [name for name in given if not name.startswith("secret:")]:
        lines.append(f"is given    your variables {', '.join(variables)}")
    if secrets := [name.removeprefix("secret:") for name in given if name.startswith("secret:")]:
        lines.append(f"is given    your secrets {', '.join(secrets)}, from the keyring")
    lines += [f"runs file   {path} (sha256 {digest})" for path, digest in entry.files.items()]
    changes = () if before is None else _difference(before, definition)
    return Trust(f"May the project's server {entry.name} be started?", tuple(lines), entry.warnings, changes)


def _about_loaders(entry: Entry) -> Trust:
    text = f"{entry.name} sets variables that make programs run other code: {', '.join(entry.loaders)}"
    return Trust("Really start it?", (text,))


def _difference(before: object, after: object) -> tuple[str, ...]:
    old, new = (json.dumps(value, indent=2, sort_keys=True).splitlines() for value in (before, after))
    lines = difflib.unified_diff(old, new, lineterm="", n=0)
    return tuple(line for line in lines if not line.startswith(("---", "+++", "@@")))


def on_terminal(question: Trust) -> TrustDecision:
    """Ask on the terminal; nobody there means no."""
    import asyncio

    from mcphost.cli.setup import terminal, wants_color
    from mcphost.frontends.asking import Asker
    from mcphost.frontends.paint import Paint

    place = terminal()
    if place is None:
        return question.refusal
    asker = Asker(place, lambda text: click.echo(text, nl=False, err=True), Paint(wants_color(False)))
    return asyncio.run(asker.ask(question))


@click.command()
def trust() -> int:
    """Look at the project files here, and say whether mcphost may use them.

    These are .mcp.json and .mcphost.json, in this directory and in the root of its repository.
    """
    from mcphost.cli.exits import DONE, REFUSED
    from mcphost.cli.setup import Paths

    environ = dict(os.environ)
    config = joined(
        Config(),
        state=Paths.of_user().state,
        named=(),
        accepted=(),
        untrusted="ask",
        environ=environ,
        ask=on_terminal,
    )
    for line in config.warnings:
        print(f"! {one_line(line, 500)}", file=sys.stderr)
    for name in config.servers:
        click.echo(f"trusted      {one_line(name)}")
    for name, error in config.failures.items():
        click.echo(f"not started  {one_line(name)}: {one_line(error.message, 300)}")
    if not config.servers and not config.failures and not config.warnings:
        click.echo("There are no project files here.")
    untrusted = any(error.detail.get("untrusted") for error in config.failures.values())
    return REFUSED if untrusted or any("not trusted" in line for line in config.warnings) else DONE
