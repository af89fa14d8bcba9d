"""Several files -> one Config. Later files win; rules add up.

The law: a bad server entry costs that server, anything else that is wrong is an error with its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mcphost.config import checks
from mcphost.config.files import SIZE, read_text
from mcphost.config.jsonc import Node, describe, fault, from_plain, parse
from mcphost.config.keyring import Keyring
from mcphost.config.schema import Config, Decision, EndpointConfig, JournalConfig, Limits, Rule, ServerConfig
from mcphost.config.servers import Entries, read_servers
from mcphost.config.settings import Settings, read_settings
from mcphost.config.variables import Expander
from mcphost.errors import ConfigError

OTHERS_SIZE = 16 * 1024 * 1024  # bytes; some programs keep their history beside their servers

_SERVERS = ("mcpServers", "servers", "mcp")
_ROOT = (*_SERVERS, "mcphost", "$schema")
_LOOSENESS: Mapping[Decision, int] = {"deny": 0, "ask": 1, "allow": 2}


@dataclass(frozen=True, slots=True)
class _Layer:
    """What one file says. `own`: the user's configuration, or a mapping that the library's caller gave."""

    own: bool
    servers: Entries = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    warnings: tuple[str, ...] = ()
    file: Path | None = None


def load(paths: Sequence[Path], *, user: Path | None, environ: Mapping[str, str]) -> Config:
    """The user configuration, which may be missing, under the files `paths` in their order. Under it are the files of
    other programs that it includes: what is wrong in them costs their servers, and a warning.

    Raises:
        ConfigError: a file of `paths` is missing, a file cannot be read, or something other than a server is wrong.
    """
    layers = []
    keyring = Keyring()
    if user is not None:
        try:
            layer = _read(user, environ, keyring, own=True)
            layers += [*(_included(path, environ, keyring) for path in layer.settings.include), layer]
        except FileNotFoundError:
            pass
    for path in paths:
        try:
            own = user is not None and path.absolute() == user.absolute()
            layers.append(_read(path, environ, keyring, own=own))
        except FileNotFoundError as error:
            raise ConfigError(
                f"{path}: no such file", hint="Give the path of a configuration file to -C.", file=str(path)
            ) from error
    return replace(_join(layers), secrets=keyring.given)


def from_mapping(data: Mapping[str, Any], *, environ: Mapping[str, str], directory: Path | None) -> Config:
    """The configuration in `data`, shaped like a file and trusted like the user's own.

    Relative paths begin at `directory`; None leaves them relative.

    Raises:
        ConfigError: something other than a server is wrong.
    """
    keyring = Keyring()
    config = _join([_layer(from_plain(data), Expander(environ, directory, keyring), own=True)])
    return replace(config, secrets=keyring.given)


def document(path: Path) -> Node:
    """What a file says, as JSON or TOML, nothing expanded. Raises as `included_servers`."""
    content, _ = read_text(path, limit=OTHERS_SIZE)
    if path.suffix == ".toml":
        return _toml(content, path)
    return parse(content, path) if len(content) <= SIZE else _large(content, path)


def _read(path: Path, environ: Mapping[str, str], keyring: Keyring, *, own: bool) -> _Layer:
    content, warnings = read_text(path)
    layer = _layer(parse(content, path), Expander(environ, path.absolute().parent, keyring), own=own)
    return replace(layer, warnings=warnings + layer.warnings, file=path)


def _included(path: Path, environ: Mapping[str, str], keyring: Keyring) -> _Layer:
    """The servers in another program's file, with a warning where it cannot be read."""
    try:
        return _Layer(False, included_servers(path, environ, keyring), file=path)
    except FileNotFoundError:
        return _Layer(False, warnings=(f"{path}, which mcphost.include names, is no longer there",))
    except ConfigError as error:
        return _Layer(False, warnings=(f"mcphost.include: {error}",))


def included_servers(path: Path, environ: Mapping[str, str], keyring: Keyring | None = None) -> Entries:
    """The servers in another program's file, as JSON or TOML; what else is in it is that program's business.

    Raises:
        FileNotFoundError: there is none.
        ConfigError: it cannot be read.
    """
    expander = Expander(environ, path.absolute().parent, keyring or Keyring())
    servers, _ = read_servers(checks.members(document(path)), expander)
    return servers


def _large(content: str, path: Path) -> Node:
    """The servers of a file that holds more than a configuration: strict JSON, so that it is read in no time."""
    try:
        root = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}", file=str(path)) from error
    members = root if isinstance(root, dict) else {}
    return from_plain({key: members[key] for key in _SERVERS if key in members}, str(path))


def _toml(content: str, path: Path) -> Node:
    import tomllib

    try:
        return from_plain({"mcpServers": tomllib.loads(content).get("mcp_servers", {})}, str(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}", file=str(path)) from error


def _layer(root: Node, expander: Expander, *, own: bool) -> _Layer:
    members = checks.members(root)
    servers, warnings = read_servers(members, expander)
    settings = read_settings(members["mcphost"], expander, own=own) if "mcphost" in members else Settings()
    return _Layer(own, servers, settings, (*_strange_keys(members), *warnings))


def _strange_keys(members: Mapping[str, Node]) -> list[str]:
    """One warning for each key that was perhaps meant to be ours, one for all the others."""
    warnings, foreign = [], []
    for key, node in members.items():
        if key in _ROOT:
            continue
        if guess := checks.did_you_mean(key, ("mcpServers", "mcphost")):
            warnings.append(describe(node, f"ignored: unknown key{guess}"))
        else:
            foreign.append(node)
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        warnings.append(describe(foreign[0], f"ignored{more}: keys of another program"))
    return warnings


def _join(layers: Sequence[_Layer]) -> Config:
    settings = [layer.settings for layer in layers]
    entries = {name: entry for layer in layers for name, entry in layer.servers.items()}
    endpoints = {name: entry for one in settings for name, entry in one.endpoints.items()}
    rules = tuple(rule for one in settings for rule in _rules(one))
    default, widening = _default(layers)
    return Config(
        servers=_servers(entries, settings),
        failures={name: entry for name, entry in entries.items() if isinstance(entry, ConfigError)},
        model=next((one.model for one in reversed(settings) if one.model), None),
        endpoints={name: entry for name, entry in endpoints.items() if isinstance(entry, EndpointConfig)},
        endpoint_failures={name: entry for name, entry in endpoints.items() if isinstance(entry, ConfigError)},
        default=default,
        rules=rules,
        limits=_limits(settings),
        roots=next((one.roots for one in reversed(settings) if one.roots is not None), ()),
        plugins=next((one.plugins for one in reversed(settings) if one.plugins is not None), ()),
        editing=next((one.editing for one in reversed(settings) if one.editing), "emacs"),
        journal=next((one.journal for one in reversed(settings) if one.journal), JournalConfig()),
        files=tuple(layer.file for layer in layers if layer.file),
        warnings=(*(line for layer in layers for line in layer.warnings), *_misspelt(rules, entries)),
        widening=(*widening, *(line for layer in layers if not layer.own for line in layer.settings.widening())),
    )


def _rules(settings: Settings) -> tuple[Rule, ...]:
    return (*settings.rules, *(rule for server in settings.servers.values() for rule in server.rules))


def _servers(entries: Entries, settings: Sequence[Settings]) -> dict[str, ServerConfig]:
    servers = {name: entry for name, entry in entries.items() if isinstance(entry, ServerConfig)}
    for one in settings:
        for name, server in one.servers.items():
            if name not in entries:
                guess = checks.did_you_mean(name, entries)
                raise fault(server.node, f"no server of this name in mcpServers{guess}")
            if name in servers:
                limits = {**servers[name].limits, **server.fields.get("limits", {})}
                servers[name] = replace(servers[name], **{**server.fields, "limits": limits})
    prices = {model: price for one in settings for model, price in one.prices.items()}
    return {
        name: replace(server, budget=replace(server.budget, prices=prices)) if server.budget.dollars else server
        for name, server in servers.items()
    }


def _default(layers: Sequence[_Layer]) -> tuple[Decision, list[str]]:
    default: Decision = "ask"
    widening = []
    for layer in layers:
        if layer.settings.default is None:
            continue
        decision, source = layer.settings.default
        if not layer.own and _LOOSENESS[decision] > _LOOSENESS[default]:
            widening.append(f'{source} changes approvals.default from "{default}" to "{decision}"')
        default = decision
    return default, widening


def _limits(settings: Sequence[Settings]) -> Limits:
    limits: dict[str, Any] = {}
    for one in settings:
        limits |= one.limits
    return Limits(**limits)


def _misspelt(rules: Sequence[Rule], entries: Entries) -> list[str]:
    """Rules may name servers of files that are not read now, so only what looks like a slip is worth a word."""
    return [
        f'{rule.source}: a rule names the server "{rule.server}", which is not configured{guess}'
        for rule in rules
        if rule.server not in entries and (guess := checks.did_you_mean(rule.server, entries))
    ]
