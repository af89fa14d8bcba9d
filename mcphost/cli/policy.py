"""`mcphost policy …`: what the rules say, without starting a server or asking anybody."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from mcphost.cli import options
from mcphost.cli.exits import DONE, ERROR
from mcphost.cli.setup import Paths, configured, with_project
from mcphost.config import checks
from mcphost.config.files import read_text
from mcphost.config.jsonc import Node, fault, parse
from mcphost.config.schema import MODES
from mcphost.config.settings import DECISIONS, ORIGINS
from mcphost.errors import UsageError
from mcphost.text import one_line

if TYPE_CHECKING:
    from mcphost.approvals import Judgement, Mode, Policy
    from mcphost.config.schema import CallOrigin, Config
    from mcphost.tools import Tool

CASE = ("call", "arguments", "annotations", "origin", "mode", "expect")

RULES = options.apply(options.CONFIG, options.ALLOW, options.DENY, options.TRUST_PROJECT, options.NO_PROJECT)


@click.group()
def policy() -> None:
    """Look at the rules that decide which calls run."""


@policy.command()
@click.argument("name", metavar="SERVER__TOOL")
@click.argument("arguments", default="{}", metavar="[JSON]")
@RULES
@click.option("--mode", type=click.Choice(MODES), default="ask", help="The mode to judge in.  [default: ask]")
@click.option("--origin", type=click.Choice(ORIGINS[:2]), default="chat", help="Where the call comes from.")
@options.JSON
def explain(
    name: str,
    arguments: str,
    configs: tuple[Path, ...],
    allow: tuple[str, ...],
    deny: tuple[str, ...],
    accepted: tuple[str, ...],
    no_project: bool,
    mode: Mode,
    origin: CallOrigin,
    as_json: bool,
) -> int:
    """Say whether a call would run, be asked about or be refused, and which rule says so.

    No server is started: the tool is taken as it was when you were asked about it, or when a rule was first seen; one
    that no session saw yet, as listed from the beginning.
    """
    config = _config(configs, allow, deny, accepted, no_project)
    given = _object(arguments)
    rules = _policy(config, mode, origin)
    tool = _tool(config, name, rules)
    judgement = _judge(rules, tool, given)
    others = [rule for rule in rules.matching(tool, given) if rule is not judgement.rule]
    if as_json:
        click.echo(json.dumps(_judgement_json(judgement), indent=2))
        return DONE
    click.echo(f"{judgement.decision}: {one_line(judgement.why, 1000)}")
    for rule in others:
        click.echo(f"  also about this call: {rule.decision} {one_line(f'{rule.server}__{rule.tool}')} ({rule.source})")
    for rule in rules.rules:
        if rule.annotations and rule.server in ("*", tool.server):
            click.echo(f"  depends on what the server says of its tool, which was not asked: {rule.source}")
    return DONE


@policy.command("test")
@click.argument("file", type=click.Path(path_type=Path))
@RULES
def test_(
    file: Path,
    configs: tuple[Path, ...],
    allow: tuple[str, ...],
    deny: tuple[str, ...],
    accepted: tuple[str, ...],
    no_project: bool,
) -> int:
    """Judge the calls in FILE and compare; exit code 1 says that one came out differently.

    FILE is a JSON list of cases: {"call": "SERVER__TOOL", "arguments": {…}, "expect": "allow|ask|deny"}, and if wanted
    "mode", "origin" (chat, run) and "annotations" (what the tool says of itself).
    """
    config = _config(configs, allow, deny, accepted, no_project)
    cases = list(_cases(file))
    failed = 0
    for case in cases:
        rules = _policy(config, case.mode, case.origin)
        judgement = _judge(rules, _tool(config, case.call, rules, case.annotations), case.arguments)
        if judgement.decision != case.expect:
            failed += 1
            about = one_line(f"{case.call} {json.dumps(case.arguments, ensure_ascii=False)}", 300)
            why = one_line(judgement.why, 500)
            click.echo(f"{case.place}: {about}: expected {case.expect}, got {judgement.decision}: {why}")
    click.echo(f"{len(cases) - failed} of {len(cases)} cases are as expected.")
    return ERROR if failed else DONE


@policy.command("list")
@RULES
def list_(
    configs: tuple[Path, ...],
    allow: tuple[str, ...],
    deny: tuple[str, ...],
    accepted: tuple[str, ...],
    no_project: bool,
) -> int:
    """List every rule; what its patterns cover, and every answer you gave for good, with the id to revoke it by."""
    from mcphost.commands.builtin import permitted

    config = _config(configs, allow, deny, accepted, no_project)
    click.echo(permitted(_policy(config, "ask", "chat")))
    return DONE


@policy.command()
@click.argument("name", metavar="ID|SERVER__TOOL")
def revoke(name: str) -> int:
    """Take back what you answered for good: the call is asked about again.

    With the id of what a pattern covers, the pattern covers what its server lists next.
    """
    from mcphost.approvals import Coverage, Remembered
    from mcphost.commands.builtin import revoke as forget

    paths = Paths.of_user()
    click.echo(forget(Remembered(paths.answers), Coverage(paths.coverage), name))
    return DONE


def _config(
    configs: Sequence[Path], allow: Sequence[str], deny: Sequence[str], accepted: Sequence[str], no_project: bool
) -> Config:
    """What a run here would go by, with what is trusted of the project."""
    config = configured(configs, allow=allow, deny=deny)
    if not no_project:
        config = with_project(config, configs, "leave", accepted)
    for line in config.warnings:
        print(f"! {one_line(line, 1000)}", file=sys.stderr)
    return config


@dataclass(frozen=True)
class _Case:
    call: str
    arguments: Mapping[str, Any]
    annotations: Mapping[str, Any]
    origin: CallOrigin
    mode: Mode
    expect: str
    place: str


def _cases(file: Path) -> Iterator[_Case]:
    """Raises UsageError: FILE is missing or is no list of cases."""
    try:
        text, _ = read_text(file)
    except FileNotFoundError:
        raise UsageError(f"{file}: no such file") from None
    for node in checks.items(parse(text, file)):
        yield _case(node)


def _case(node: Node) -> _Case:
    entries = checks.members_of(node, CASE)

    def plain(key: str) -> Any:
        checks.optional(entries, key, checks.members)
        return entries[key].plain() if key in entries else {}

    def choice(key: str, known: tuple[str, ...]) -> str:
        return checks.optional(entries, key, lambda at: checks.choice(at, known)) or known[0]

    call = checks.filled(checks.required(node, entries, "call", "SERVER__TOOL"))
    if "__" not in call:
        raise fault(entries["call"], "found no '__'; expected SERVER__TOOL")
    return _Case(
        call,
        plain("arguments"),
        plain("annotations"),
        cast("CallOrigin", choice("origin", ORIGINS[:2])),
        cast("Mode", choice("mode", MODES)),
        checks.choice(checks.required(node, entries, "expect", f"one of {', '.join(DECISIONS)}"), DECISIONS),
        str(node.source),
    )


def _tool(config: Config, name: str, rules: Policy, annotations: Mapping[str, Any] | None = None) -> Tool:
    """A stand-in for a tool whose server is not asked: as it was when an answer about it was given, or a rule seen."""
    from mcphost.servers.definition import defined
    from mcphost.tools import HOST, LOCAL, Tool

    server, joint, tool = name.partition("__")
    if not joint or not tool:
        raise UsageError(f"{one_line(name)!r} is no SERVER__TOOL")
    if server not in config.servers and server not in (HOST, LOCAL):
        known = checks.did_you_mean(server, config.servers)
        raise UsageError(f"there is no server {one_line(server)!r}{known}")
    entry = config.servers.get(server)
    answers = rules.remembered.answers if rules.remembered else ()
    before = next((answer for answer in answers if (answer.server, answer.tool) == (server, tool)), None)
    pin = before.pin if before else rules.coverage.latest(server, tool) or ""
    seen = before.definition if before else rules.coverage.definition(pin) or {}
    definition: Any = {"name": tool, "inputSchema": {"type": "object"}, **seen}
    if annotations:
        definition["annotations"] = dict(annotations)
    return Tool.of(name, server, entry, definition, pin, defined(entry, os.environ) if entry else {})


def _policy(config: Config, mode: Mode, origin: CallOrigin) -> Policy:
    from mcphost.approvals import Coverage, Policy, Remembered

    paths = Paths.of_user()
    return Policy(
        config.rules,
        default=config.default,
        mode=mode,
        origin=origin,
        remembered=Remembered(paths.answers),
        coverage=Coverage(paths.coverage),
    )


def _judge(policy: Policy, tool: Tool, arguments: Mapping[str, Any]) -> Judgement:
    policy.cover([tool])
    return policy.judge(tool, arguments)


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text, parse_constant=_no_json)
    except RecursionError:
        raise UsageError("the arguments are nested too deeply") from None
    except ValueError as error:
        raise UsageError(f"the arguments are no JSON: {error}") from None
    if not isinstance(value, dict):
        raise UsageError("the arguments are no JSON object")
    return value


def _no_json(word: str) -> None:
    """Python reads NaN and Infinity; no call carries them."""
    raise ValueError(f"there is no {word} in JSON")


def _judgement_json(judgement: Judgement) -> dict[str, Any]:
    source = judgement.rule.source if judgement.rule else None
    return {
        "decision": judgement.decision,
        "why": judgement.why,
        "rule": f"{judgement.rule.server}__{judgement.rule.tool}" if judgement.rule else None,
        "file": str(source.file) if source and source.file else None,
        "line": source.line if source else None,
    }
