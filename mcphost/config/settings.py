"""The section `mcphost` of one file: our own settings, where an unknown key is an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, cast

from mcphost.config import checks
from mcphost.config.jsonc import Node, fault
from mcphost.config.patterns import linear
from mcphost.config.schema import (
    MAX_HEADERS,
    CallOrigin,
    Decision,
    Editing,
    EndpointConfig,
    Glob,
    JournalConfig,
    Price,
    Regex,
    Rule,
    SamplingBudget,
    Source,
    Sync,
)
from mcphost.config.servers import read_headers
from mcphost.config.variables import Expander
from mcphost.errors import ConfigError

T = TypeVar("T")
Api: TypeAlias = Literal["anthropic", "openai-responses", "openai-chat"]
Reader: TypeAlias = Callable[[Node], Any]

SECTION = (
    *("model", "models", "prices", "approvals", "limits", "roots", "plugins", "include", "editing", "journal"),
    "servers",
)
DECISIONS = ("allow", "ask", "deny")
EDITING = ("emacs", "vi")
SYNCS = ("normal", "intents", "full")
APIS = ("anthropic", "openai-responses", "openai-chat")
ORIGINS = ("chat", "run", "sampling")
HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
RULE = ("server", "tool", "arguments", "annotations", "origin", "decision", "message")


def _seconds(node: Node) -> float:
    return checks.number(node, "seconds")


def _globs(node: Node) -> tuple[Node, ...]:
    return tuple(_texts(node))


def _names(node: Node) -> tuple[str, ...]:
    return tuple(str(item.value) for item in _texts(node))


# key in the file -> (field of Limits, reader); these may also be set for one server
SERVER_LIMITS: Mapping[str, tuple[str, Reader]] = {
    "connectTimeoutSeconds": ("connect", _seconds),
    "probeTimeoutSeconds": ("probe", _seconds),
    "listTimeoutSeconds": ("listing", _seconds),
    "callTimeoutSeconds": ("call_idle", _seconds),
    "callMaxSeconds": ("call_total", _seconds),
    "resultTokens": ("result_tokens", lambda node: checks.whole(node, "tokens")),
    "messageBytes": ("message_bytes", lambda node: checks.whole(node, "bytes")),
    "headerBytes": ("header_bytes", lambda node: checks.whole(node, "bytes", most=MAX_HEADERS)),
    "blockedWriteSeconds": ("blocked_write", _seconds),
    "stopTimeoutSeconds": ("stop", _seconds),
    "killTimeoutSeconds": ("kill", _seconds),
    "listPages": ("list_pages", lambda node: checks.whole(node, "pages")),
    "listItems": ("list_items", lambda node: checks.whole(node, "items", most=10_000)),
    "schemaDepth": ("schema_depth", lambda node: checks.whole(node, "levels", most=64)),
    "notificationsPerSecond": ("notifications", lambda node: checks.whole(node, "notifications")),
    "requestsPerSecond": ("requests", lambda node: checks.whole(node, "requests")),
    "waitingRequests": ("waiting_requests", lambda node: checks.whole(node, "requests")),
    "stderrBytes": ("stderr_bytes", lambda node: checks.whole(node, "bytes")),
}
LIMITS: Mapping[str, tuple[str, Reader]] = {
    "maxSteps": ("max_steps", lambda node: checks.whole(node, "steps")),
    **SERVER_LIMITS,
}
# key in the file -> (field of ServerConfig, reader)
SERVER: Mapping[str, tuple[str, Reader]] = {
    "protocol": ("protocol", lambda node: checks.choice(node, ("auto", "modern", "legacy"))),
    "sampling": ("sampling", lambda node: node),
    "trustAnnotations": ("trust_annotations", checks.flag),
    "readOnly": ("read_only", _names),
    "accepts": ("accepts", _names),
    "allow": ("allow", _globs),
    "deny": ("deny", _globs),
    "instructions": ("instructions", checks.flag),
    "plainHttp": ("plain_http", checks.flag),
    "proxy": ("proxy", lambda node: node),
    "caFile": ("ca_file", lambda node: node),
}


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """`mcphost.servers.NAME`: fields of ServerConfig, and the rules that its allow and deny stand for."""

    node: Node
    fields: Mapping[str, Any]
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """What one file sets; None or empty: it says nothing. `limits` are fields of Limits."""

    model: str | None = None
    endpoints: Mapping[str, EndpointConfig | ConfigError] = field(default_factory=dict)
    default: tuple[Decision, Source] | None = None
    rules: tuple[Rule, ...] = ()
    limits: Mapping[str, float] = field(default_factory=dict)
    roots: tuple[Path, ...] | None = None
    plugins: tuple[str, ...] | None = None
    include: tuple[Path, ...] = ()
    editing: Editing | None = None
    journal: JournalConfig | None = None
    servers: Mapping[str, ServerSettings] = field(default_factory=dict)
    prices: Mapping[str, Price] = field(default_factory=dict)

    def widening(self) -> Iterator[str]:
        """A line for each thing that lets more happen, or sends more elsewhere, than without this file."""
        for rule in (*self.rules, *(rule for server in self.servers.values() for rule in server.rules)):
            if rule.decision == "allow":
                condition = (
                    " with certain arguments" if rule.arguments else " with certain annotations" * rule.conditional
                )
                yield f"{rule.source} allows {rule.server}__{rule.tool}{condition}"
        for endpoint in self.endpoints.values():
            if isinstance(endpoint, ConfigError):
                continue
            at = f'{endpoint.source} model endpoint "{endpoint.name}"'
            if endpoint.base_url:
                yield f"{at} is at {checks.origin(endpoint.base_url)}"
            if endpoint.api_key or endpoint.headers:
                yield f"{at} brings its own key or headers"
            if endpoint.proxy or endpoint.ca_file:
                yield f"{at} is reached through a proxy, or by certificates, of its own"
        for name, server in self.servers.items():
            if server.fields.get("sampling") == "allow":
                yield f"{server.node.source} lets {name} ask the model without a question to you"
            if server.fields.get("trust_annotations"):
                yield f"{server.node.source} trusts what {name} says about its own tools"
            if server.fields.get("proxy") or server.fields.get("ca_file"):
                yield f"{server.node.source} has {name} reached through a proxy, or by certificates, of its own"
            if server.fields.get("plain_http"):
                yield f"{server.node.source} lets {name} be reached without encryption"
            if globs := server.fields.get("read_only"):
                yield f"{server.node.source} says that these tools of {name} only read: {', '.join(globs)}"
            if others := server.fields.get("accepts"):
                yield f"{server.node.source} lets what comes from {', '.join(others)} flow to {name} unasked"


def read_settings(node: Node, expander: Expander, *, own: bool) -> Settings:
    """The section as values. `own`: the file is the user's configuration, which alone may name plugins, the journal and
    other programs' files.

    Raises:
        ConfigError: anything in it is wrong.
    """
    section = checks.members_of(node, SECTION)
    if not own:
        _refuse(section, "include", "other programs' files are for the user configuration alone to name")
        _refuse(section, "plugins", "plugins are code: only the user configuration may name them")
        _refuse(section, "journal", "what is recorded, and where, is for the user configuration alone to say")
    approvals = checks.optional(section, "approvals", _approvals) or {}
    return Settings(
        model=checks.optional(section, "model", checks.filled),
        endpoints=_each(section, "models", lambda name, entry: _endpoint(name, entry, expander)),
        default=checks.optional(approvals, "default", _default),
        rules=checks.optional(approvals, "rules", lambda node: tuple(map(_rule, checks.items(node)))) or (),
        limits=checks.optional(section, "limits", lambda node: _fields(node, LIMITS)) or {},
        roots=checks.optional(section, "roots", lambda node: tuple(map(expander.path, _texts(node)))),
        plugins=checks.optional(section, "plugins", lambda node: tuple(_plugin(one, expander) for one in _texts(node))),
        include=checks.optional(section, "include", lambda node: tuple(map(expander.path, _texts(node)))) or (),
        editing=cast("Editing | None", checks.optional(section, "editing", lambda at: checks.choice(at, EDITING))),
        journal=checks.optional(section, "journal", lambda node: _journal(node, expander)),
        servers=_each(section, "servers", lambda name, entry: _server(name, entry, expander)),
        prices=_each(section, "prices", lambda name, entry: _price(entry)),
    )


def _refuse(section: Mapping[str, Node], key: str, why: str) -> None:
    if key in section:
        raise fault(section[key], why, hint="Move this setting to your user configuration.")


def _approvals(node: Node) -> dict[str, Node]:
    return checks.members_of(node, ("default", "rules"))


def _each(section: Mapping[str, Node], key: str, read: Callable[[str, Node], T]) -> dict[str, T]:
    entries = checks.optional(section, key, checks.members) or {}
    return {name: read(name, entry) for name, entry in entries.items()}


def _texts(node: Node) -> list[Node]:
    """The items of a list of strings that are not empty."""
    for item in checks.items(node):
        checks.filled(item)
    return checks.items(node)


def _fields(node: Node, table: Mapping[str, tuple[str, Reader]]) -> dict[str, Any]:
    entries = checks.members_of(node, table)
    return {table[key][0]: table[key][1](entry) for key, entry in entries.items()}


def _decision(node: Node) -> Decision:
    return cast(Decision, checks.choice(node, DECISIONS))


def _default(node: Node) -> tuple[Decision, Source]:
    return _decision(node), node.source


def _rule(node: Node) -> Rule:
    entries = checks.members_of(node, RULE)
    server = checks.filled(checks.required(node, entries, "server", "a server's name"))
    if set(server) & set("*?"):
        raise checks.wrong(entries["server"], "the name of one server, not a pattern")
    return Rule(
        server,
        checks.filled(checks.required(node, entries, "tool", 'a tool\'s name or a pattern such as "read_*"')),
        _decision(checks.required(node, entries, "decision", f"one of {', '.join(DECISIONS)}")),
        arguments=checks.optional(entries, "arguments", _conditions) or None,
        message=checks.optional(entries, "message", checks.filled),
        source=node.source,
        annotations=checks.optional(entries, "annotations", _hints) or None,
        origin=cast("CallOrigin | None", checks.optional(entries, "origin", lambda at: checks.choice(at, ORIGINS))),
    )


def _conditions(node: Node) -> dict[str, Any]:
    members = checks.members(node)
    for place, value in members.items():
        if place.startswith("/") and re.search("~(?![01])", place):
            raise fault(value, "its name is no JSON pointer; expected ~0 for every ~, and ~1 for a / in a name")
    return {place: _condition(value) for place, value in members.items()}


def _condition(node: Node) -> Any:
    """A JSON value that must be equal, or an object whose one key says otherwise."""
    if not isinstance(node.value, dict) or not node.value:
        return node.plain()
    if len(node.value) > 1:
        if mixed := [kind for kind in ("equals", "glob", "regex") if kind in node.value]:
            hint = f'Write {{ "equals": {{ "{mixed[0]}": … }} }} where exactly this object is meant.'
            raise fault(node.value[mixed[0]], "found it beside other keys; expected it alone", hint=hint)
        return node.plain()
    [(kind, inner)] = node.value.items()
    match kind:
        case "equals":
            return inner.plain()
        case "glob":
            return Glob(checks.filled(inner))
        case "regex":
            return Regex(_regex(inner))
        case _:
            return node.plain()


def _regex(node: Node) -> str:
    try:
        linear(checks.filled(node))
    except ValueError:
        hint = "Lookahead, lookbehind and back references are not in it, because they can take for ever."
        raise fault(node, "found no regular expression of the linear kind", hint=hint) from None
    return str(node.value)


def _hints(node: Node) -> dict[str, bool]:
    return {name: checks.flag(value) for name, value in checks.members_of(node, HINTS).items()}


def _endpoint(name: str, node: Node, expander: Expander) -> EndpointConfig | ConfigError:
    """A base URL, key or headers that cannot be used are the endpoint's own failure, as an unset variable often is:
    who uses another endpoint need not mind."""
    if not name.strip() or "/" in name:
        raise fault(node, "an endpoint's name is not empty and has no slash: models are named ENDPOINT/MODEL")
    entries = checks.members_of(node, ("api", "baseUrl", "apiKey", "headers", "proxy", "caFile"))
    api = cast(Api, checks.choice(checks.required(node, entries, "api", f"one of {', '.join(APIS)}"), APIS))
    try:
        return EndpointConfig(
            name,
            api,
            base_url=checks.optional(entries, "baseUrl", lambda url: checks.url(url, expander.text(url))),
            api_key=checks.optional(entries, "apiKey", lambda key: _key(key, expander)),
            headers=checks.optional(entries, "headers", lambda headers: read_headers(headers, expander)) or {},
            proxy=checks.optional(entries, "proxy", lambda proxy: checks.proxy(proxy, expander.text(proxy))) or None,
            ca_file=checks.optional(entries, "caFile", lambda file: str(expander.path(file))),
            source=node.source,
        )
    except ConfigError as error:
        return error


def _key(node: Node, expander: Expander) -> str | None:
    """A key travels in a header; one that its variable leaves empty is none."""
    return checks.header(node, "Authorization", expander.text(node))[1] or None


def _plugin(node: Node, expander: Expander) -> str:
    """A path from the file's directory if it looks like one, else the name of an installed plugin."""
    plugin = expander.argument(node)
    return str(expander.path(node)) if "/" in plugin or plugin.endswith(".py") else plugin


def _journal(node: Node, expander: Expander) -> JournalConfig:
    entries = checks.members_of(node, ("enabled", "path", "sync", "keepDays", "keepMegabytes"))
    return JournalConfig(
        enabled=checks.optional(entries, "enabled", checks.flag) is not False,
        path=checks.optional(entries, "path", expander.path),
        sync=cast(Sync, checks.optional(entries, "sync", lambda sync: checks.choice(sync, SYNCS)) or "normal"),
        keep_days=checks.optional(entries, "keepDays", lambda days: checks.whole(days, "days")),
        keep_megabytes=checks.optional(entries, "keepMegabytes", lambda size: checks.whole(size, "megabytes")),
    )


def restricting(node: Node) -> tuple[list[Rule], list[Node]]:
    """The rules of a list that ask or deny, and the places of those that allow."""
    rules = [(_rule(item), item) for item in checks.items(node)]
    kept = [rule for rule, _ in rules if rule.decision != "allow"]
    return kept, [item for rule, item in rules if rule.decision == "allow"]


def denying(server: str, node: Node) -> list[Rule]:
    """The rules that a server's `deny` stands for."""
    return [Rule(server, _glob(server, glob), "deny", source=glob.source) for glob in _texts(node)]


def _server(name: str, node: Node, expander: Expander) -> ServerSettings:
    fields = _fields(node, {**SERVER, **SERVER_LIMITS})
    fields |= _network(fields, expander)
    fields |= _sampling(fields["sampling"]) if "sampling" in fields else {}
    names = [name for name, _ in SERVER_LIMITS.values() if name in fields]
    if names:
        fields["limits"] = {name: fields.pop(name) for name in names}
    rules: list[Rule] = []
    decision: Decision
    for decision in ("allow", "deny"):
        if decision in fields:
            rules += [Rule(name, _glob(name, glob), decision, source=glob.source) for glob in fields[decision]]
            fields[decision] = tuple(glob.value for glob in fields[decision])
    return ServerSettings(node, fields, tuple(rules))


def _network(fields: Mapping[str, Node], expander: Expander) -> dict[str, str | None]:
    """`proxy` and `ca_file`, as far as there are any. A proxy that its variable leaves empty is none."""
    found: dict[str, str | None] = {}
    if "proxy" in fields:
        found["proxy"] = checks.proxy(fields["proxy"], expander.text(fields["proxy"])) or None
    if "ca_file" in fields:
        found["ca_file"] = str(expander.path(fields["ca_file"]))
    return found


def _price(node: Node) -> Price:
    keys = ("inputDollarsPerMillionTokens", "outputDollarsPerMillionTokens")
    entries = checks.members_of(node, keys)
    given = [checks.required(node, entries, key, "dollars per million tokens") for key in keys]
    return Price(*(checks.amount(price, "dollars per million tokens") for price in given))


def _sampling(node: Node) -> dict[str, Any]:
    """Fields of ServerConfig: a decision alone, or an object with the budget too."""
    if not isinstance(node.value, dict):
        return {"sampling": _decision(node)}
    entries = checks.members_of(node, ("decision", "requests", "tokens", "dollars"))
    fields: dict[str, Any] = {
        "requests": checks.optional(entries, "requests", lambda at: checks.whole(at, "requests")),
        "tokens": checks.optional(entries, "tokens", lambda at: checks.whole(at, "tokens")),
        "dollars": checks.optional(entries, "dollars", lambda at: checks.amount(at, "dollars")),
    }
    budget = SamplingBudget(**{key: value for key, value in fields.items() if value is not None})
    return {"sampling": checks.optional(entries, "decision", _decision) or "ask", "budget": budget}


def _glob(server: str, node: Node) -> str:
    glob = checks.filled(node)
    if glob.startswith(f"{server}__"):
        raise checks.wrong(node, f'the server\'s own name of the tool, without "{server}__"')
    return glob
