"""The built-in slash commands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import anyio

from mcphost.approvals import Answer, Coverage, Covered, Policy, Remembered
from mcphost.commands import resources
from mcphost.commands.accounts import context, usage
from mcphost.commands.answers import copied, copy, edit, files, save
from mcphost.commands.complete import file_offers, last_word, server_offers
from mcphost.commands.local import attached
from mcphost.commands.model import ModelChoice
from mcphost.commands.records import clear, exports, fork, history, new, numbers, recorded, resume, rewind, write_out
from mcphost.commands.resources import weight
from mcphost.commands.servers import USAGE, servers, verbs
from mcphost.commands.tables import table
from mcphost.commands.typed import command_of
from mcphost.config.schema import MODES, Glob, Regex, Rule
from mcphost.errors import UsageError
from mcphost.host import Chat
from mcphost.plugins import Command, Fill, Help, Leave, Offer, Registry
from mcphost.servers import Server
from mcphost.text import one_line, safe

_MODES = {
    "ask": "what no rule decides is asked",
    "read-only": "only what you call read-only runs",
    "plan": "nothing runs, the model says what it would call",
    "auto": "rules decide, nothing is asked",
}
_BESIDE = (
    ("/SERVER:PROMPT …", "send a server's prompt; /PROMPT where it is the only one of its name"),
    ("@SERVER:URI, @PATH", "attach a server's resource or a file to the message it stands in"),
    ("!COMMAND", "run a command in your shell; the model does not see it"),
)


def register(registry: Registry) -> None:
    async def help_(chat: Chat, line: str) -> str | Help:
        name, _ = command_of(f"/{line.lstrip('/')}")
        if name in registry.commands:
            command = registry.commands[name]
            return f"{_usage(command)}\n{command.help}"
        rows = [(f"/{command.name}", command.help) for command in registry.commands.values()]
        return Help(table([*rows, *_BESIDE]))

    async def names(chat: Chat, line: str) -> Sequence[Offer]:
        return [(command.name, command.help) for command in registry.commands.values()]

    choice = ModelChoice()
    for command in (
        Command("help", "what can be typed here, or what COMMAND takes", help_, "[COMMAND]", names),
        Command("model", "show the model, or switch to another", choice.model, "[PROVIDER/NAME]", choice.offers),
        Command("tools", "the tools that the model may call", tools, "[SERVER]", _servers),
        Command(
            "servers", "the servers and how they are; start or stop one, or see what it said", servers, USAGE, verbs
        ),
        Command("prompts", "the servers' prompts", prompts, "[SERVER]", _servers),
        resources.COMMAND,
        Command("attach", "attach a file or a resource to your next message", attach, "PATH|@SERVER:URI", attachable),
        Command("permissions", "what runs unasked and what never, or take an answer back", permissions, "[revoke ID]"),
        Command("mode", "how calls are judged", mode, "[MODE]", modes),
        Command("context", "what fills the model's context window", context),
        Command("usage", "tokens by turn, as the replies reported them", usage),
        Command("clear", "forget this conversation", clear),
        Command("new", "leave this conversation, and begin another", new),
        Command("resume", "go on with another recorded chat", resume, "[ID]", recorded),
        Command("fork", "go on in a copy of this conversation, up to message N", fork, "[N]", numbers),
        Command("rewind", "go on from message N, as if nothing had been said after it", rewind, "N", numbers),
        Command("export", "write this conversation to a file", write_out, "[md|json|html] [FILE]", exports),
        Command("history", "the messages of this conversation, or message N whole", history, "[N]", numbers),
        Command("copy", "copy the last answer, or its code block N", copy, "[N]", copied),
        Command("save", "write the last answer to a file", save, "FILE", files),
        Command("edit", "change your last message in your editor, to send it again", edit),
        Command("system", "show the system text, or set it for the next conversation", system, "[TEXT]"),
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


async def permissions(chat: Chat, line: str) -> str:
    verb, _, name = line.partition(" ")
    if verb == "revoke":
        return revoke(chat.policy.remembered, chat.policy.coverage, name)
    return permitted(chat.policy)


def permitted(policy: Policy) -> str:
    """Rules, what patterns of files cover, and answers given for good, a line each; what holds where there is none."""
    rows = [("rule", str(rule.decision), rule_text(rule), str(rule.source)) for rule in policy.rules]
    rows += [(covered.id, "covers", coverage_text(covered), covered.seen) for covered in policy.coverage.kept()]
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


def coverage_text(covered: Covered) -> str:
    tools = f"{len(covered.tools)} tool" + "s" * (len(covered.tools) != 1)
    return one_line(f"{covered.server}__{covered.pattern} of {covered.file}: {tools}, as listed then", 300)


def revoke(remembered: Remembered | None, coverage: Coverage, name: str) -> str:
    """Forget the answer or coverage with this id, or all answers about SERVER__TOOL; says which.

    Raises:
        UsageError: there is none.
    """
    answers = remembered.answers if remembered else ()
    gone = [answer for answer in answers if name in (answer.id, f"{answer.server}__{answer.tool}")]
    patterns = [covered for covered in coverage.kept() if covered.id == name]
    if not gone and not patterns:
        raise UsageError(f"nothing is remembered as {one_line(name)!r}", hint="Give an id, or SERVER__TOOL.")
    if remembered and gone:
        remembered.forget([answer.id for answer in gone])
    if patterns:
        coverage.forget([covered.id for covered in patterns])
    lines = [f"Forgotten: {answer.decision} {answer_text(answer)}" for answer in gone]
    lines += [f"Forgotten: {coverage_text(covered)}; it covers what is listed next" for covered in patterns]
    return "\n".join(lines)


def _wanted(value: object) -> str:
    match value:
        case Glob(pattern):
            return f"matches {pattern}"
        case Regex(pattern):
            return f"matches /{pattern}/"
        case _:
            return f"is {json.dumps(value, ensure_ascii=False)}"


async def mode(chat: Chat, line: str) -> str:
    """Show how calls are judged, or let them be judged otherwise from the next one on."""
    if not line:
        return "\n".join([f"Mode: {chat.policy.mode}.", table([*_MODES.items()])])
    if line not in MODES:
        raise UsageError(f"there is no mode {one_line(line)!r}", hint=f"/mode {'|'.join(MODES)}")
    chat.policy.mode = line
    return f"Mode {line}: {_MODES[line]}."


async def modes(chat: Chat, line: str) -> Sequence[Offer]:
    return [(mode, _MODES[mode]) for mode in MODES]


async def system(chat: Chat, line: str) -> str:
    """Show the system text; or set it for the next conversation, as this one's is fixed (law 11)."""
    if not line:
        begun = chat.conversation.system if chat.conversation else chat.system
        return safe(begun) or "There is no system text."
    chat.system = line
    if chat.conversation is None:
        return "Set: this conversation begins with it."
    return "Set for the next conversation; this one keeps what it began with. /new begins one."


async def attach(chat: Chat, line: str) -> Fill:
    """Let a file or a resource stand in the input line, as what is attached to the message.

    Raises:
        UsageError: there is no such file, or it cannot be attached.
    """
    if not line:
        return Fill("/attach ", "Which file, or @SERVER:URI?", choose=True)
    word = line.removeprefix("@").strip('"')
    if word.partition(":")[0] in chat.host.servers:
        what = dict(resources.offers(chat)).get(f"@{word}", "not listed, so its type and size are seen when it is sent")
    elif block := await anyio.to_thread.run_sync(attached, word):
        what = weight(block["resource"])
    else:
        raise UsageError(f"there is no file {one_line(word, 300)!r}", hint="/attach PATH, or @SERVER:URI.")
    said = f"{one_line(word, 300)}: {one_line(what)}"
    return Fill(f'@"{word}" ' if " " in word else f"@{word} ", said)


async def attachable(chat: Chat, line: str) -> Sequence[Offer]:
    return [*await file_offers(last_word(line)), *resources.offers(chat)]


async def leave(chat: Chat, line: str) -> Leave:
    return Leave()


async def _servers(chat: Chat, line: str) -> Sequence[Offer]:
    return server_offers(chat)


def _usage(command: Command) -> str:
    return f"/{command.name} {command.usage}".rstrip()


def _ready(chat: Chat, name: str) -> Iterable[Server]:
    return (server for server in chat.host.servers.values() if server.state == "ready" and name in ("", server.name))


def _none(kind: str, server: str) -> str:
    return f"{server} offers no {kind}." if server else f"No {kind}: no server that is ready offers any."
