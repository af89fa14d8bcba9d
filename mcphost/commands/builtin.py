"""The built-in slash commands."""

from __future__ import annotations

import json
from collections.abc import Iterable

from mcphost.approvals import Answer, Policy, Remembered
from mcphost.commands.servers import USAGE, servers
from mcphost.commands.tables import table
from mcphost.config.schema import Glob, Regex, Rule
from mcphost.errors import UsageError
from mcphost.host import Chat
from mcphost.plugins import Command, Registry
from mcphost.servers import Server
from mcphost.text import one_line


class Leave(Exception):
    """The person wants to leave the chat."""


def register(registry: Registry) -> None:
    async def help_(chat: Chat, line: str) -> str:
        rows = [(f"/{command.name} {command.usage}".rstrip(), command.help) for command in registry.commands.values()]
        rows += [
            ("/SERVER:PROMPT key=value …", "send a server's prompt"),
            ("@SERVER:URI", "attach a server's resource to the message it stands in"),
        ]
        return table(rows)

    for command in (
        Command("help", "what can be typed here", help_),
        Command("tools", "the tools that the model may call", tools, "[SERVER]"),
        Command("servers", "the servers and how they are; start or stop one, or see what it said", servers, USAGE),
        Command("model", "show the model, or switch to another", model, "[PROVIDER/NAME]"),
        Command("prompts", "the servers' prompts", prompts, "[SERVER]"),
        Command(
            "resources",
            "the servers' resources and templates; be told when one changes",
            resources,
            "[SERVER | subscribe|unsubscribe SERVER:URI]",
        ),
        Command("permissions", "what runs unasked and what never, or take an answer back", permissions, "[revoke ID]"),
        Command("clear", "forget this conversation", clear),
        Command("quit", "leave", leave),
    ):
        registry.command(command)


async def tools(chat: Chat, line: str) -> str:
    rows = [
        (tool.name, one_line(tool.for_model().description, 100))
        for tool in chat.toolbox.snapshot().values()
        if line in ("", tool.server)
    ]
    problems = [f"left out: {problem}" for problem in chat.toolbox.problems]
    return "\n".join([table(rows) or _none("tools", line), *problems])


async def model(chat: Chat, line: str) -> str:
    if line:
        chat.model = chat.host.open_model(line)
    info = chat.model.info
    kind = "" if info.is_llm else " · no language model: it matches words to tools"
    return f"{chat.model.name} · {info.api}{f' · {info.endpoint}' if info.endpoint else ''}{kind}"


async def prompts(chat: Chat, line: str) -> str:
    rows = []
    for server in _ready(chat, line):
        for prompt in server.prompts:
            words = [
                f"{argument['name']}=…" if argument.get("required") else f"[{argument['name']}=…]"
                for argument in prompt.get("arguments") or ()
            ]
            name = " ".join([f"/{server.name}:{prompt['name']}", *words])
            rows.append((one_line(name), one_line(prompt.get("description") or prompt.get("title") or "", 100)))
    return table(rows) or _none("prompts", line)


async def resources(chat: Chat, line: str) -> str:
    verb, _, what = line.partition(" ")
    if verb in ("subscribe", "unsubscribe") and what:
        return await _subscribe(chat, what, on=verb == "subscribe")
    rows = []
    for server in _ready(chat, line):
        for resource in server.resources:
            what = " · ".join(filter(None, [resource.get("title") or resource["name"], resource.get("mimeType")]))
            rows.append((one_line(f"@{server.name}:{resource['uri']}"), one_line(what, 100)))
        for template in server.templates:
            what = template.get("description") or template.get("title") or template["name"]
            rows.append((one_line(f"@{server.name}:{template['uriTemplate']}"), one_line(what, 100)))
    return table(rows) or _none("resources", line)


async def _subscribe(chat: Chat, what: str, *, on: bool) -> str:
    name, _, uri = what.partition(":")
    if not uri or name not in chat.host.servers:
        raise UsageError(f"{one_line(what)!r} names no server's resource", hint="Write SERVER:URI.")
    if on:
        await chat.host.servers[name].subscribe(uri)
        return f"You are told when {name} changes {one_line(uri)}."
    chat.host.servers[name].unsubscribe(uri)
    return f"You are no longer told when {name} changes {one_line(uri)}."


async def clear(chat: Chat, line: str) -> str:
    chat.clear()
    return "The conversation is forgotten."


async def permissions(chat: Chat, line: str) -> str:
    verb, _, name = line.partition(" ")
    if verb == "revoke":
        return revoke(chat.policy.remembered, name)
    return permitted(chat.policy)


def permitted(policy: Policy) -> str:
    """Every rule and every answer given for good, a line each, and what holds where there is none."""
    rows = [("rule", str(rule.decision), rule_text(rule), str(rule.source)) for rule in policy.rules]
    answers = policy.remembered.answers if policy.remembered else ()
    rows += [
        (answer.id, {"allow": "always", "deny": "never"}[answer.decision], answer_text(answer), answer.given)
        for answer in answers
    ]
    return "\n".join(filter(None, [table(rows), f"Anything else: {policy.default}. Mode: {policy.mode}."]))


def rule_text(rule: Rule) -> str:
    conditions = [f"{key} {_wanted(value)}" for key, value in (rule.arguments or {}).items()]
    conditions += [f"{hint}: {json.dumps(value)}" for hint, value in (rule.annotations or {}).items()]
    conditions += [f"origin {rule.origin}"] if rule.origin else []
    return one_line(f"{rule.server}__{rule.tool}" + (f" if {', '.join(conditions)}" if conditions else ""), 300)


def answer_text(answer: Answer) -> str:
    with_ = "" if answer.arguments is None else f" with {json.dumps(answer.arguments, ensure_ascii=False)}"
    return one_line(f"{answer.server}__{answer.tool}{with_}", 300)


def revoke(remembered: Remembered | None, name: str) -> str:
    """Forget the answer with this id, or all about SERVER__TOOL; says which.

    Raises:
        UsageError: there is none.
    """
    answers = remembered.answers if remembered else ()
    gone = [answer for answer in answers if name in (answer.id, f"{answer.server}__{answer.tool}")]
    if remembered is None or not gone:
        raise UsageError(f"nothing is remembered as {one_line(name)!r}", hint="Give an id, or SERVER__TOOL.")
    remembered.forget([answer.id for answer in gone])
    return "\n".join(f"Forgotten: {answer.decision} {answer_text(answer)}" for answer in gone)


def _wanted(value: object) -> str:
    match value:
        case Glob(pattern):
            return f"matches {pattern}"
        case Regex(pattern):
            return f"matches /{pattern}/"
        case _:
            return f"is {json.dumps(value, ensure_ascii=False)}"


async def leave(chat: Chat, line: str) -> str:
    raise Leave


def _ready(chat: Chat, name: str) -> Iterable[Server]:
    return (server for server in chat.host.servers.values() if server.state == "ready" and name in ("", server.name))


def _none(kind: str, server: str) -> str:
    return f"{server} offers no {kind}." if server else f"No {kind}: no server that is ready offers any."
