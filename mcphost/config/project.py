"""Configuration files that a directory brings along: `.mcp.json` and `.mcphost.json`.

Law 2: until a person has trusted the directory no byte of them is parsed, and until they have trusted an entry nothing
of it is expanded or started. Whatever else such a file says, it can only forbid: it never allows, trusts or redirects.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from mcphost.config import checks
from mcphost.config.files import OTHERS_WRITE, SIZE, content_hash, decode, opened, others_write
from mcphost.config.hygiene import loaders, unpinned
from mcphost.config.jsonc import Node, describe, parse
from mcphost.config.keyring import Keyring
from mcphost.config.schema import Rule, ServerConfig
from mcphost.config.servers import ALIASES, entries_of, read_servers
from mcphost.config.settings import denying, restricting
from mcphost.config.variables import Expander, names, without
from mcphost.errors import ConfigError

NAMES = (".mcp.json", ".mcphost.json")

# The absolute path of a program that an entry names, given the directory it is relative to.
Lookup = Callable[[str, Path], str | None]


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """A file as it was read, not parsed. `path` is the real path of its directory and its own name."""

    path: Path
    data: bytes = field(repr=False)
    others_write: bool = False

    @property
    def sha256(self) -> str:
        return sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class Entry:
    """A server that a project file describes, word for word.

    `definition` is what trust in it is bound to: the entry as written, the program that its command names now, the
    variables it would expand, and the content of each file of the project that it runs (`files`, path -> SHA-256).
    """

    name: str
    file: ProjectFile
    node: Node = field(repr=False)
    definition: Mapping[str, Any]
    files: Mapping[str, str]
    loaders: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        place = [str(self.file.path), self.name, self.definition]
        return sha256(json.dumps(place, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Project:
    """What a parsed file holds: its entries, the rules it adds (which ask or deny), and what was refused, in lines."""

    entries: tuple[Entry, ...]
    rules: tuple[Rule, ...]
    refused: tuple[str, ...]


def find(directory: Path) -> tuple[list[ProjectFile], list[str]]:
    """The files of `directory` and of the root of its repository, and warnings about ones that are not read."""
    here = Path(os.path.realpath(directory))
    root = next((place for place in (here, *here.parents) if os.path.lexists(place / ".git")), here)
    files, warnings = [], []
    for place in dict.fromkeys((root, here)):
        for name in NAMES:
            try:
                files.append(_read(place / name))
            except FileNotFoundError:
                continue
            except OSError as error:
                warnings.append(f"{place / name} is not read: {error.strerror or error}")
    return files, warnings


def parsed(file: ProjectFile, lookup: Lookup) -> Project:
    """What a file of a trusted directory says, nothing expanded.

    Raises:
        ConfigError: it is no JSON, or says something that makes no sense.
    """
    root = checks.members(parse(decode(file.path, file.data), file.path))
    entries = tuple(_entry(name, node, file, lookup) for name, node in entries_of(root).items())
    section = checks.members(root["mcphost"]) if "mcphost" in root else {}
    rules, refused = _restrictions(section)
    return Project(entries, tuple(rules), tuple(refused))


def server(entry: Entry, environ: Mapping[str, str], keyring: Keyring) -> ServerConfig:
    """The server of an entry that is trusted, its variables expanded. It starts the very program that was looked up.

    Raises:
        ConfigError: it is wrong, a variable is not set, a secret not stored, or a file that it runs has changed since.
    """
    program = entry.definition.get("executable")
    if _files_of(entry.node.plain(), program, entry.file.path.parent) != entry.files:
        raise ConfigError(
            f"a file that server {entry.name} runs has changed meanwhile", hint="`mcphost trust` shows it and asks you."
        )
    root = {"mcpServers": Node({entry.name: entry.node}, "mcpServers")}
    found, _ = read_servers(root, Expander(environ, entry.file.path.parent, keyring))
    config = found[entry.name]
    if isinstance(config, ConfigError):
        raise config
    if program and config.command != "mcphost":
        config = replace(config, command=program)
    return config.pinned_to(entry.files)


# -- reading -----------------------------------------------------------------------------------------------------------


def _read(path: Path) -> ProjectFile:
    """Raises OSError: there is none, it is a link or no regular file, or it is too large."""
    if path.is_symlink():
        raise OSError(0, "it is a symbolic link")
    file, status = opened(path, os.O_NOFOLLOW)
    with file:
        data = file.read(SIZE + 1)
    if len(data) > SIZE:
        raise OSError(0, "it is larger than 1 MiB")
    return ProjectFile(path, data, bool(status.st_mode & OTHERS_WRITE))


def _entry(name: str, node: Node, file: ProjectFile, lookup: Lookup) -> Entry:
    written = node.plain()
    entry = written if isinstance(written, dict) else {}
    argv = _argv(entry)
    directory = file.path.parent
    program = lookup(argv[0], directory) if argv and not names(argv[0]) else None
    files = _files_of(written, program, directory)
    variables = sorted(set(_variables(written)))
    definition = {"entry": written, "executable": program, "variables": variables, "files": files}
    env: Mapping[str, Any] = next((entry[key] for key in ALIASES["env"] if isinstance(entry.get(key), dict)), {})
    warnings = [f"other users may change {path}" for path in {*files, program} if path and others_write(path)]
    if risk := unpinned(argv):
        warnings.append(risk)
    return Entry(
        name,
        file,
        node,
        {key: value for key, value in definition.items() if value},
        files,
        loaders(env, argv),
        tuple(warnings),
    )


def _argv(entry: Mapping[str, Any]) -> list[str]:
    command, args = entry.get("command"), entry.get("args")
    words = [*(command if isinstance(command, list) else [command]), *(args if isinstance(args, list) else [])]
    return [word for word in words if isinstance(word, str)]


def _variables(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from names(value)
        if value.startswith("~"):
            yield "HOME"
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _variables(item)


def _files_of(written: Any, program: str | None, project: Path) -> dict[str, str]:
    """The files within the project that the words of a command name, each with its SHA-256. One that a link of the
    project leads out to is known by the link."""
    entry = written if isinstance(written, dict) else {}
    cwd = entry["cwd"] if isinstance(entry.get("cwd"), str) else ""
    words = list(dict.fromkeys(word for part in (cwd, *_argv(entry)[1:]) for word in _paths(part)))
    places = [str(project), os.path.join(project, cwd)]
    # `uv --directory PLACE run FILE`
    within = [path for word in words for place in places if os.path.isdir(path := os.path.join(place, word))]
    places = list(dict.fromkeys(map(os.path.normpath, (*places, *within))))
    named = [program, *(os.path.join(place, word) for word in words for place in places)]
    files = {}
    for path in (path for path in named if path and checks.holdable(path)):
        inside = [one for one in (os.path.realpath(path), os.path.normpath(path)) if Path(one).is_relative_to(project)]
        if inside and (digest := content_hash(inside[0])):
            files[inside[0]] = digest
    return files


def _paths(word: str) -> Iterator[str]:
    """What may be a path in a word of a command, or in one that is a line for a shell. Nothing is expanded: behind a
    variable every ending may be one."""
    bare = without(word)
    if len(words := re.split(r"[\s;&|<>()'\"`]+", bare)) > 1:
        yield from filter(None, words)
    for text in (bare, bare.partition("=")[2], bare.removeprefix("file://"), bare[2:] if bare.startswith("-") else ""):
        if text:
            yield text
    if bare != word or bare.startswith("~"):
        parts = re.split("[/=]", bare)
        yield from filter(None, ("/".join(parts[at:]) for at in range(1, len(parts))))


# -- what a project may say --------------------------------------------------------------------------------------------


def _restrictions(section: Mapping[str, Node]) -> tuple[list[Rule], list[str]]:
    """Rules that ask or deny; everything else is refused."""
    rules: list[Rule] = []
    refused: list[Node] = []
    for key, node in section.items():
        if key == "approvals":
            for name, setting in checks.members(node).items():
                if name != "rules":
                    refused.append(setting)
                    continue
                kept, allowing = restricting(setting)
                rules += kept
                refused += allowing
        elif key == "servers":
            for name, settings in checks.members(node).items():
                for what, setting in checks.members(settings).items():
                    if what == "deny":
                        rules += denying(name, setting)
                    else:
                        refused.append(setting)
        else:
            refused.append(node)
    return rules, [describe(node, "refused: a project file can only add rules that ask or deny") for node in refused]
