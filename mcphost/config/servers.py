"""Entries of `mcpServers`, as the configuration files of many programs write them.

The law: a bad entry fails its own server only; an approval is never taken from another program's key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from mcphost.config import checks
from mcphost.config.hygiene import loaders, unpinned
from mcphost.config.jsonc import Node, child, describe, fault
from mcphost.config.schema import ServerConfig
from mcphost.config.variables import Expander, names
from mcphost.errors import ConfigError
from mcphost.text import one_line

Entries: TypeAlias = dict[str, ServerConfig | ConfigError]
Transport: TypeAlias = Literal["stdio", "http", "sse"]

RESERVED = ("mcphost", "local")
MILLISECONDS_FROM = 1000  # nobody lets a call run for 17 minutes, nobody writes 900 ms

_TRANSPORTS: Mapping[str, Transport] = {
    "stdio": "stdio",
    "http": "http",
    "sse": "sse",
    "local": "stdio",
    "remote": "http",
    "streamable-http": "http",
    "streamableHttp": "http",
    "streamable_http": "http",
    "streamable": "http",
}
# our word -> the words that mean it
ALIASES: Mapping[str, tuple[str, ...]] = {
    "command": ("command",),
    "args": ("args",),
    "env": ("env", "environment"),
    "cwd": ("cwd",),
    "url": ("url", "httpUrl", "serverUrl", "baseUrl"),
    "type": ("type", "transport"),
    "headers": ("headers",),
    "disabled": ("disabled",),
    "enabled": ("enabled",),
    "required": ("required",),
    "timeout": ("timeout",),
}
_KNOWN = [key for keys in ALIASES.values() for key in keys]
_APPROVING = ("autoApprove", "alwaysAllow", "trust", "autoApproveTools", "default_tools_approval_mode")
_CHOOSING = ("allowedTools", "includeTools", "enabled_tools", "available_tools", "tools")
_EXCLUDING = ("excludedTools", "excludeTools", "exclude_tools", "disabledTools", "disabled_tools")
_NOT_READ = (
    *("envFile", "envs", "env_keys", "env_vars", "inputs", "oauth", "auth", "headersHelper", "http_headers"),
    *("env_http_headers", "bearer_token_env_var", "oauth_client_id", "startup_timeout_sec", "tool_timeout_sec"),
    *("alwaysLoad", "deferTools", "defer_loading", "load_on_start", "sampling", "elicitation", "roots", "dev"),
    *("sandboxEnabled", "protocol_mode", "serverInstructions", "chatMenu", "read_timeout_seconds"),
)
_DESCRIBING = ("$schema", "name", "title", "description", "version", "icon", "iconPath", "gallery", "metadata")


def read_servers(root: Mapping[str, Node], expander: Expander) -> tuple[Entries, list[str]]:
    """Every server that a file describes, or why it cannot be used; and warnings.

    Raises:
        ConfigError: what should hold the servers is no object.
    """
    entries: Entries = {}
    warnings: list[str] = []
    home, ignored = _home(root)
    for other in ignored:
        because = f'the servers are read from "{home.path}"' if home else "no object of servers"
        warnings.append(describe(other, f"ignored: {because}"))
    for name, node in checks.members(home).items() if home else ():
        warnings += _strange_keys(name, node)
        try:
            entries[name] = server = _read_entry(name, node, expander)
            warnings += _hygiene(node, server)
        except ConfigError as error:
            error.detail = {**error.detail, "server": name, **({"disabled": True} if _is_disabled(node) else {})}
            entries[name] = error
    return entries, warnings


def _hygiene(node: Node, server: ServerConfig) -> list[str]:
    warnings = []
    argv = [server.command or "", *server.args]
    if risk := unpinned(argv):
        warnings.append(describe(node, risk))
    if names := loaders(server.env, argv):
        warnings.append(describe(node, f"sets variables that make programs run other code: {', '.join(names)}"))
    return [] if server.disabled else warnings


def entries_of(root: Mapping[str, Node]) -> Mapping[str, Node]:
    """Every server that a file describes, as it is written.

    Raises:
        ConfigError: what should hold the servers is no object.
    """
    home, _ = _home(root)
    return checks.members(home) if home else {}


def _home(root: Mapping[str, Node]) -> tuple[Node | None, list[Node]]:
    """The object that holds the servers, and the members at the root that might have been it."""
    found = [root[key] for key in ("mcpServers", "servers", "mcp") if key in root]
    if "mcpServers" in root:
        return root["mcpServers"], found[1:]
    for at, node in enumerate(found):
        inner = node.value.get("servers") if isinstance(node.value, dict) else None
        for candidate in (inner, node):
            if candidate and _holds_entries(candidate):
                return candidate, found[:at] + found[at + 1 :]
    return None, found


def _holds_entries(node: Node) -> bool:
    value = node.value
    return isinstance(value, dict) and all(
        isinstance(entry.value, dict) and entry.value.keys() & {"command", "type", *ALIASES["url"]}
        for entry in value.values()
    )


def _read_entry(name: str, node: Node, expander: Expander) -> ServerConfig:
    _check_name(name, node)
    members = {key: member for key, member in checks.members(node).items() if member.value is not None}
    entry = {key: member for key in ALIASES if (member := _one_of(node, members, ALIASES[key]))}
    for switch in entry.keys() & {"disabled", "enabled"}:
        checks.flag(entry[switch])
    timeout, unit = checks.optional(entry, "timeout", _timeout) or (None, None)
    common = ServerConfig(
        name,
        transport=_transport(node, entry),
        disabled=_is_disabled(node),
        required=bool(checks.optional(entry, "required", checks.flag)),
        timeout=timeout,
        timeout_unit=unit,
        source=node.source,
    )
    fill = _stdio if common.transport == "stdio" else _remote
    server = fill(common, entry, expander)
    return replace(server, written=_written(entry), variables=tuple(sorted(set(_variables(node.plain())))))


def _written(entry: Mapping[str, Node]) -> dict[str, str]:
    """The texts that name variables, by where they stand: `env.NAME`, `headers.NAME`, `args.0`, `command`, `url`."""
    command = entry["command"].plain() if "command" in entry else ""
    program, *words = command if isinstance(command, list) else [command]
    words += entry["args"].plain() if "args" in entry else []
    texts = {
        "command": program,
        **{key: entry[key].plain() for key in ("cwd", "url") if key in entry},
        **{f"args.{at}": word for at, word in enumerate(words)},
        **{
            f"{section}.{name}": value
            for section in ("env", "headers")
            for name, value in _pairs(entry[section].plain() if section in entry else {})
        },
    }
    return {place: text for place, text in texts.items() if isinstance(text, str) and names(text)}


def _pairs(section: Any) -> list[tuple[str, Any]]:
    if isinstance(section, dict):
        return list(section.items())
    return [(name.strip(), value.strip()) for name, _, value in (str(item).partition(":") for item in section)]


def _variables(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from names(value)
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _variables(item)


def _is_disabled(node: Node) -> bool:
    """Whether an entry that may be wrong in any way is switched off."""
    entry = node.value if isinstance(node.value, dict) else {}
    return any(key in entry and entry[key].value is off for key, off in (("disabled", True), ("enabled", False)))


def _check_name(name: str, node: Node) -> None:
    if name in RESERVED:
        raise fault(node, f'the name "{name}" is reserved; expected another name')
    if "__" in name or name.endswith("_"):
        raise fault(node, 'a server name may not hold "__" nor end in "_": SERVER__TOOL is split at the first "__"')
    if not name or name != one_line(name) or set(name) & set("*?"):
        raise fault(node, "a server name is one line of text, without * and ? and without spaces at its ends")


def _one_of(node: Node, members: Mapping[str, Node], keys: tuple[str, ...]) -> Node | None:
    given = [key for key in keys if key in members]
    if len(given) > 1:
        raise fault(members[given[1]], f'"{given[0]}" and "{given[1]}" mean the same; keep one')
    return members[given[0]] if given else None


def _transport(node: Node, entry: Mapping[str, Node]) -> Transport:
    if "command" in entry and "url" in entry:
        raise fault(node, 'found both "command" and "url"; expected one of them')
    if "command" not in entry and "url" not in entry:
        strange = [key for key in checks.members(node) if key not in _KNOWN]
        guess = next(filter(None, (checks.did_you_mean(key, ("command", "url")) for key in strange)), "")
        raise fault(node, f'found neither "command" nor "url"; expected one of them{guess}')
    implied: Transport = "stdio" if "command" in entry else "http"
    if "type" not in entry:
        return implied
    named = _TRANSPORTS.get(str(entry["type"].value))
    if named is None:
        raise checks.wrong_choice(entry["type"], ("stdio", "http", "sse"))
    if (named == "stdio") != (implied == "stdio"):
        has, wants = ("command", "stdio") if implied == "stdio" else ("url", "http or sse")
        raise checks.wrong(entry["type"], f'{wants}, because the server has a "{has}"')
    return named


def _stdio(server: ServerConfig, entry: Mapping[str, Node], expander: Expander) -> ServerConfig:
    command = entry["command"]
    words = checks.items(command) if isinstance(command.value, list) else [command]
    if not words:
        raise fault(command, "found an empty list; expected a command and its arguments")
    checks.filled(words[0])
    arguments = words[1:] + (checks.optional(entry, "args", checks.items) or [])
    return replace(
        server,
        command=_program(words[0], expander),
        args=tuple(expander.argument(argument) for argument in arguments),
        env=checks.optional(entry, "env", lambda node: _env(node, expander)) or {},
        cwd=checks.optional(entry, "cwd", expander.path),
    )


def _program(node: Node, expander: Expander) -> str:
    """A bare word is looked up by whoever starts it; `./x` is a file beside the configuration."""
    program = expander.argument(node)
    if not program.strip():
        raise fault(node, "the command is empty once its variables are filled in")
    return str(expander.path(node)) if "/" in program else program


def _env(node: Node, expander: Expander) -> dict[str, str]:
    env = {}
    for name, value in checks.members(node).items():
        if not name or "=" in name or "\0" in name:
            raise fault(value, "found no name of a variable; expected one without = and NUL")
        env[name] = expander.text(value)
    return env


def _remote(server: ServerConfig, entry: Mapping[str, Node], expander: Expander) -> ServerConfig:
    return replace(
        server,
        url=checks.url(entry["url"], expander.text(entry["url"])),
        headers=checks.optional(entry, "headers", lambda node: read_headers(node, expander)) or {},
    )


def read_headers(node: Node, expander: Expander) -> dict[str, str]:
    """HTTP headers: an object, or a list of "Name: value"."""
    if isinstance(node.value, dict):
        return dict(checks.header(value, name, expander.text(value)) for name, value in node.value.items())
    if not isinstance(node.value, list):
        raise checks.wrong(node, "an object of headers")
    headers: dict[str, str] = {}
    for item in node.value:
        name, colon, value = expander.text(item).partition(":")
        if not colon:
            raise fault(item, 'found no colon; expected "Name: value"')
        headers.update([checks.header(item, name, value)])
    return headers


def _timeout(node: Node) -> tuple[float, Literal["s", "ms"]]:
    value = checks.number(node, "seconds (or, from 1000 on, milliseconds)")
    return (value / 1000, "ms") if value >= MILLISECONDS_FROM else (value, "s")


def _strange_keys(name: str, node: Node) -> list[str]:
    """A warning for each key that is not read, with what to write instead."""
    ours = child("mcphost.servers", name)
    advice = {
        **dict.fromkeys(_APPROVING, f"an approval is never taken from a foreign key; use {ours}.allow"),
        **dict.fromkeys(_CHOOSING, f"all tools of the server are offered; use {ours}.deny"),
        **dict.fromkeys(_EXCLUDING, f"the tools it names are offered; use {ours}.deny"),
        **dict.fromkeys(_NOT_READ, "a key of another program"),
    }
    warnings = []
    for key, member in node.value.items() if isinstance(node.value, dict) else ():
        if key in advice:
            warnings.append(describe(member, f"ignored: {advice[key]}"))
        elif key not in _KNOWN and key not in _DESCRIBING:
            warnings.append(describe(member, f"ignored: unknown key{checks.did_you_mean(key, _KNOWN)}"))
    return warnings
