"""The first start: nothing is configured and no key is set, so a person is asked what to use, once.

Law: it asks only at a terminal, every question can be left out, other programs' files are read and never changed, and
where there is a configuration, a key or an earlier answer it costs one look at a file.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcphost.config import private
from mcphost.config.schema import EndpointConfig, ServerConfig
from mcphost.errors import ConfigError
from mcphost.text import one_line

if TYPE_CHECKING:
    from mcphost.cli.setup import Paths
    from mcphost.models.listing import Listing

KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY")  # with these there is a model already
SHOWN = 9  # models of a list

# Where other programs keep their servers, below the home directory.
_FILES = (
    ("Claude Desktop", ".config/Claude/claude_desktop_config.json"),
    ("Claude Desktop", "Library/Application Support/Claude/claude_desktop_config.json"),
    ("Claude Code", ".claude.json"),
    ("Cursor", ".cursor/mcp.json"),
    ("VS Code", ".config/Code/User/mcp.json"),
    ("VS Code", "Library/Application Support/Code/User/mcp.json"),
    ("Windsurf", ".codeium/windsurf/mcp_config.json"),
    ("Codex", ".codex/config.toml"),
    ("Gemini CLI", ".gemini/settings.json"),
    ("Copilot CLI", ".copilot/mcp-config.json"),
    ("opencode", ".config/opencode/opencode.json"),
)
# Keys of APIs that speak Chat Completions: variable -> (a name for the endpoint, its base URL)
_APIS: Mapping[str, tuple[str, str]] = {
    "OPENROUTER_API_KEY": ("openrouter", "https://openrouter.ai/api/v1"),
    "GEMINI_API_KEY": ("gemini", "https://generativelanguage.googleapis.com/v1beta/openai"),
    "MISTRAL_API_KEY": ("mistral", "https://api.mistral.ai/v1"),
    "GROQ_API_KEY": ("groq", "https://api.groq.com/openai/v1"),
    "DEEPSEEK_API_KEY": ("deepseek", "https://api.deepseek.com/v1"),
}


@dataclass(frozen=True, slots=True)
class Found:
    """Another program's file, and the servers in it, or why it cannot be read."""

    program: str
    path: Path
    servers: tuple[str, ...]
    problem: str = ""


def is_first(paths: Paths, environ: Mapping[str, str]) -> bool:
    """Whether there is neither a configuration nor a key, and nobody was asked before."""
    if any(environ.get(key) for key in KEYS) or paths.config.exists():
        return False
    return not _asked(paths).exists()


def welcome(paths: Paths, environ: Mapping[str, str]) -> None:
    """Ask what to use, and write it to the user's configuration; remembered, whatever the answer."""
    home = Path(environ.get("HOME") or Path.home())
    _say("Welcome to mcphost. Nothing is configured yet; a few questions, and Ctrl+C skips the rest.\n")
    chosen: dict[str, Any] = {}
    try:
        chosen |= _servers(found(home, environ), home)
        chosen |= model(environ)
    except (click.Abort, KeyboardInterrupt):
        click.echo("\nSkipped.")
    _remember(paths)
    if chosen:
        _write(paths.config, chosen)
        click.echo(f"Written: {paths.config}, to change as you like.")
    _say("In the chat, /help says what can be typed, and /model changes the model.\n")


def found(home: Path, environ: Mapping[str, str]) -> list[Found]:
    """The files of other programs in which there is a server that can be used, and those that cannot be read."""
    from mcphost.config.layers import included_servers

    files = []
    for program, name in _FILES:
        path = home / name
        try:
            servers = included_servers(path, environ)
        except FileNotFoundError:
            continue
        except ConfigError as error:
            files.append(Found(program, path, (), error.message))
            continue
        usable = tuple(name for name, server in servers.items() if isinstance(server, ServerConfig))
        if usable:
            files.append(Found(program, path, usable))
    return files


# -- questions ---------------------------------------------------------------------------------------------------------


def _servers(every: Sequence[Found], home: Path) -> dict[str, Any]:
    for one in every:
        if one.problem:
            _say(f"{one.program} is left out: {one_line(one.problem, 300)}")
    files = [one for one in every if one.servers]
    if not files:
        if _yes("No MCP servers of other programs were found. Use the bundled demo server, to try things?"):
            return {"mcpServers": {"demo": {"command": _program(), "args": ["demo-server"]}}}
        return {}
    _say("These programs have MCP servers. Their files are read where they are, and never changed:")
    for number, one in enumerate(files, 1):
        names = one_line(", ".join(one.servers), 60)
        click.echo(f"{number:3}  {one.program}: {names}  ({_short(one.path, home)})")
    chosen = _numbers("Use them here? Numbers, n for none, Enter for all", len(files))
    return {"include": [_short(files[at].path, home) for at in chosen]} if chosen else {}


def model(environ: Mapping[str, str]) -> dict[str, Any]:
    """Ask which of the models that answer shall; what the configuration then says of it."""
    from mcphost.models.listing import list_models

    endpoints = {name: _endpoint(name, url, environ[key]) for key, (name, url) in _APIS.items() if environ.get(key)}
    listings = [one for one in asyncio.run(list_models(endpoints, environ)) if one.models]
    if not listings:
        _say(
            "\nNo language model was found: set ANTHROPIC_API_KEY or OPENAI_API_KEY, or start Ollama. Until then the "
            "offline model answers; it matches words to tools, enough to try servers."
        )
        return {}
    name = _one_of(listings)
    if name is None:
        return {}
    provider = name.partition("/")[0]
    written = {
        endpoint: {"api": "openai-chat", "baseUrl": url, "apiKey": f"${{{key}}}"}
        for key, (endpoint, url) in _APIS.items()
        if endpoint == provider
    }
    return {"model": name, **({"models": written} if written else {})}


def _one_of(listings: Sequence[Listing]) -> str | None:
    """The model that the person chooses; None: the offline one."""
    names = [f"{listing.provider}/{model}" for listing in listings for model in listing.models]
    fits = names
    while True:
        click.echo(f"\nWhich model answers? {len(names)} were found:")
        for number, name in enumerate(fits[:SHOWN], 1):
            click.echo(f"{number:3}  {one_line(name, 100)}")
        if len(fits) > SHOWN:
            click.echo(f"     and {len(fits) - SHOWN} more")
        typed = _ask("A number, a part of a name, or Enter for the offline model, to try")
        if not typed:
            return None
        if typed.isdecimal() and 1 <= int(typed) <= min(len(fits), SHOWN):
            return fits[int(typed) - 1]
        narrowed = [name for name in names if typed.lower() in name.lower()]
        if len(narrowed) == 1 or typed in names:
            return typed if typed in names else narrowed[0]
        fits = narrowed or names


def _yes(question: str) -> bool:
    return _ask(f"{question} [Y/n]").lower() not in ("n", "no")


def _numbers(question: str, count: int) -> list[int]:
    """The chosen ones of `count` things, counted from 0."""
    while True:
        typed = _ask(question).lower()
        if not typed:
            return list(range(count))
        if typed in ("n", "no", "none", "0"):
            return []
        words = typed.replace(",", " ").split()
        if all(word.isdecimal() and 1 <= int(word) <= count for word in words):
            return sorted({int(word) - 1 for word in words})
        click.echo(f"Numbers from 1 to {count}, such as: 1 2")


def _ask(question: str) -> str:
    return str(click.prompt(_wrapped(question), default="", show_default=False, prompt_suffix=": ")).strip()


def _say(text: str) -> None:
    click.echo(_wrapped(text))


def _wrapped(text: str) -> str:
    """`text` broken between words, for the terminal as wide as it is."""
    columns = shutil.get_terminal_size().columns
    return "\n".join(click.wrap_text(line, columns) for line in text.split("\n"))


# -- what is written ---------------------------------------------------------------------------------------------------


def _write(path: Path, chosen: Mapping[str, Any]) -> None:
    ours = dict(chosen)
    document = {"mcpServers": ours.pop("mcpServers", {}), "mcphost": ours}
    private.make(path.parent)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2, ensure_ascii=False)
        file.write("\n")


def _remember(paths: Paths) -> None:
    """A directory that cannot be written costs the same questions next time."""
    try:
        private.make(paths.state)
        _asked(paths).touch(mode=0o600)
    except OSError:
        pass


def _asked(paths: Paths) -> Path:
    return paths.state / "welcomed"


def _endpoint(name: str, url: str, key: str) -> EndpointConfig:
    return EndpointConfig(name, "openai-chat", base_url=url, api_key=key)


def _short(path: Path, home: Path) -> str:
    return f"~/{path.relative_to(home)}"


def _program() -> str:
    return shutil.which("mcphost") or str(Path(sys.argv[0]).absolute())
