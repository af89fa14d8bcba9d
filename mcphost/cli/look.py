"""`mcphost tools|servers|resources|prompts|call`: look and poke without a model."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcphost.cli import options
from mcphost.cli.exits import DONE, TOOL_FAILED
from mcphost.cli.setup import boot, keep_from_log, log_to_stderr, terminal, wants_color, warm
from mcphost.config.schema import Config
from mcphost.errors import UsageError
from mcphost.text import one_line, safe

if TYPE_CHECKING:
    from mcphost.host import Chat
    from mcphost.servers import Server

SERVERS_SECONDS = 30.0

LOOKING = options.apply(options.CONFIG, options.SERVER, options.JSON, options.DEBUG)


@click.command()
@LOOKING
def tools(configs: tuple[Path, ...], only: tuple[str, ...], as_json: bool, debug: bool) -> int:
    """List the tools that a model would be offered, by the names it would see."""

    async def show(chat: Chat) -> int:
        snapshot = chat.toolbox.snapshot().values()
        if as_json:
            return _json([{"model_name": tool.name, "server": tool.server, **tool.definition} for tool in snapshot])
        for tool in snapshot:
            click.echo(f"{tool.name}  {one_line(tool.for_model().description, 100)}")
        for problem in chat.toolbox.problems:
            click.echo(f"left out: {one_line(problem, 300)}", err=True)
        return DONE

    return look(configs, only, show, debug=debug)


@click.command()
@LOOKING
@options.VERBOSE
def servers(configs: tuple[Path, ...], only: tuple[str, ...], as_json: bool, debug: bool, verbose: bool) -> int:
    """List the servers: state, transport, era and version of the protocol, and what they offer."""

    async def show(chat: Chat) -> int:
        from mcphost.commands.servers import describe
        from mcphost.commands.tables import table

        known = chat.host.servers.values()
        if as_json:
            return _json([_server_json(server) for server in known])
        click.echo(table([describe(server) for server in known]) or "No servers are configured.")
        if verbose:
            for server in known:
                click.echo(safe(chat.host.secrets.redact(_details(server, chat.host.environ))))
        return DONE

    return look(configs, only, show, debug=debug, require=False, met_anew=True)


@click.command()
@click.argument("what", required=False, metavar="[SERVER:URI]")
@LOOKING
def resources(what: str | None, configs: tuple[Path, ...], only: tuple[str, ...], as_json: bool, debug: bool) -> int:
    """List resources and templates, or read one."""

    async def show(chat: Chat) -> int:
        if what:
            server, uri = _split(chat, what)
            contents = await server.read(uri, caller=chat.requests)
            return _json(contents) if as_json else _print_contents(contents)
        ready = [server for server in chat.host.servers.values() if server.state == "ready"]
        if as_json:
            listed = {server.name: {"resources": server.resources, "templates": server.templates} for server in ready}
            return _json(listed)
        return await _print_command(chat, "resources")

    return look(configs, _named(what, only), show, debug=debug)


@click.command()
@click.argument("what", required=False, metavar="[SERVER:PROMPT]")
@click.argument("arguments", nargs=-1, metavar="[KEY=VALUE]…")
@LOOKING
def prompts(
    what: str | None,
    arguments: tuple[str, ...],
    configs: tuple[Path, ...],
    only: tuple[str, ...],
    as_json: bool,
    debug: bool,
) -> int:
    """List prompts, or fill one in and print its messages."""

    async def show(chat: Chat) -> int:
        if what:
            server, name = _split(chat, what)
            filled = await server.get_prompt(name, _pairs(arguments), caller=chat.requests)
            return _json(filled) if as_json else _print_messages(filled)
        if as_json:
            ready = [server for server in chat.host.servers.values() if server.state == "ready"]
            return _json({server.name: server.prompts for server in ready})
        return await _print_command(chat, "prompts")

    return look(configs, _named(what, only), show, debug=debug)


@click.command()
@click.argument("name", metavar="SERVER__TOOL")
@click.argument("arguments", nargs=-1, metavar="[KEY=VALUE|JSON]…")
@LOOKING
def call(
    name: str,
    arguments: tuple[str, ...],
    configs: tuple[Path, ...],
    only: tuple[str, ...],
    as_json: bool,
    debug: bool,
) -> int:
    """Call one tool without a model. Asking for it is the consent; exit code 5 says that the tool failed.

    A VALUE is taken as the tool's schema wants it: as JSON where that is no string.
    """
    server, _, tool_name = name.partition("__")

    async def poke(chat: Chat) -> int:
        from mcphost.messages import ToolCall

        tool = next(
            (tool for tool in chat.toolbox.snapshot().values() if name in (tool.name, f"{tool.server}__{tool.tool}")),
            None,
        )
        if tool is None:
            raise UsageError(
                f"{server} offers no tool {tool_name!r}", hint=f"`mcphost tools --server {server}` lists them."
            )
        given = _arguments(arguments, tool.definition["inputSchema"])
        problem = chat.toolbox.check(tool, given)
        if problem:
            raise UsageError(problem)
        wish = ToolCall("call", tool.name, given, json.dumps(given))
        result = await chat.toolbox.call(wish, tool, pin=tool.pin, caller=chat.requests, progress=_progress)
        if as_json:
            _json({"content": result.content, "structured": result.structured, "is_error": result.is_error})
        else:
            _print_blocks(result.content)
        return TOOL_FAILED if result.is_error else DONE

    return look(configs, only or (server,), poke, debug=debug)


def look(
    configs: Sequence[Path],
    only: Sequence[str],
    show: Callable[[Chat], Awaitable[int]],
    *,
    debug: bool,
    require: bool = True,
    met_anew: bool = False,
) -> int:
    """Start the servers, wait for them, let `show` look at what they list.

    `require` False: failed servers are something to look at. `met_anew`: what they say of themselves is, too, so that
    nothing remembered may stand in for it.
    """
    if debug:
        log_to_stderr()
    started = boot(configs, only=only)
    try:
        keep_from_log(started.secrets)
        from mcphost import app
        from mcphost.cli import loop
        from mcphost.frontends.formats import Output
        from mcphost.servers.eras import EraFile

        narrator = Output(
            sys.stdout, sys.stderr, terminal=terminal(), color=wants_color(False), environ=started.environ
        ).narrator()
        host = app.host(
            started.config,
            app.registry(Config()),
            narrator,
            environ=started.environ,
            processes=started.processes,
            reaper=started.reaper,
            eras=None if met_anew else EraFile(started.paths.eras),
        )
        warm(None)

        async def main() -> int:
            async with host:
                chat = host.chat(patience=0)
                if require:
                    await host.settled(SERVERS_SECONDS)
                else:
                    await host.pool.settled(SERVERS_SECONDS)
                return await show(chat)

        return loop.run(main)
    finally:
        started.reaper.close()


# -- words of the command line -----------------------------------------------------------------------------------------


def _named(what: str | None, only: tuple[str, ...]) -> tuple[str, ...]:
    return (what.partition(":")[0],) if what and not only else only


def _split(chat: Chat, what: str) -> tuple[Server, str]:
    name, colon, rest = what.partition(":")
    if not colon or name not in chat.host.servers:
        raise UsageError(f"{what!r} names no server", hint="Write SERVER:URI, or SERVER:PROMPT.")
    return chat.host.servers[name], rest


def _pairs(words: Sequence[str]) -> dict[str, str]:
    wrong = next((word for word in words if "=" not in word), None)
    if wrong is not None:
        raise UsageError(f"{wrong!r} is no KEY=VALUE")
    return dict(word.split("=", 1) for word in words)


def _arguments(words: Sequence[str], schema: dict[str, Any]) -> dict[str, Any]:
    """One JSON object, or `key=value` words whose values are JSON where the schema wants no string."""
    if len(words) == 1 and words[0].lstrip().startswith("{"):
        try:
            whole = json.loads(words[0])
        except ValueError as error:
            raise UsageError(f"the arguments are no JSON: {error}") from None
        return dict(whole)
    arguments: dict[str, Any] = {}
    for key, value in _pairs(words).items():
        text = _wants_text(schema.get("properties", {}).get(key, {}))
        arguments[key] = value if text else _parse(value)
    return arguments


def _wants_text(schema: Any) -> bool:
    kind = schema.get("type") if isinstance(schema, dict) else None
    return kind == "string" or (isinstance(kind, list) and "string" in kind)


def _parse(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


# -- printing ----------------------------------------------------------------------------------------------------------


def _json(value: object) -> int:
    click.echo(json.dumps(value, indent=2))
    return DONE


async def _print_command(chat: Chat, name: str) -> int:
    from mcphost.commands.builtin import prompts
    from mcphost.commands.resources import listed

    click.echo(listed(chat) if name == "resources" else await prompts(chat, ""))
    return DONE


def _print_contents(contents: Sequence[Any]) -> int:
    return _print_blocks([{"type": "resource", "resource": content} for content in contents])


def _print_messages(messages: Sequence[Any]) -> int:
    for message in messages:
        click.echo(f"[{one_line(message['role'])}]")
        _print_blocks([message["content"]])
    return DONE


def _print_blocks(blocks: Sequence[Any]) -> int:
    for block in blocks:
        content = block.get("resource", block)
        text = content.get("text")
        if text is not None:
            click.echo(safe(text))
        else:
            size = len(content.get("data") or content.get("blob") or "") * 3 // 4
            about = " ".join(filter(None, [block["type"], content.get("mimeType"), content.get("uri")]))
            click.echo(f"[{one_line(about)}{f', {size} bytes' if size else ''}]")
    return DONE


async def _progress(progress: float, total: float | None, message: str | None) -> None:
    share = f"{progress:g}" + ("" if total is None else f"/{total:g}")
    click.echo(f"  {share} {one_line(message or '')}".rstrip(), err=True)


def _server_json(server: Server) -> dict[str, Any]:
    return {
        "name": server.name,
        "state": server.state,
        "detail": server.detail,
        "transport": server.transport,
        "era": server.era,
        "version": server.version,
        "pid": server.pid,
        "latency_seconds": None if server.latency is None else round(server.latency, 4),
        "attempt": server.status.attempt,
        "exit_code": server.status.exit_code,
        "hint": server.status.hint,
        "tools": len(server.tools),
        "resources": len(server.resources),
        "templates": len(server.templates),
        "prompts": len(server.prompts),
        "problems": server.problems,
    }


def _details(server: Server, environ: Mapping[str, str]) -> str:
    from mcphost.servers.definition import executable

    config, status = server.config, server.status
    lines = [f"\n{server.name}:"]
    if config is not None:
        program = executable(config, environ) or config.command
        lines.append(f"  runs {one_line(' '.join([program, *config.args]), 1000)}" if program else "")
        lines.append(f"  at {one_line(config.url or '')}" if config.url else "")
        lines.append(f"  from {config.source}")
        if config.timeout:
            unit = "milliseconds" if config.timeout_unit == "ms" else "seconds"
            lines.append(f"  a call may take {config.timeout:g} seconds (its timeout was read as {unit})")
    lines += [f"  exit code {status.exit_code}"] if status.exit_code is not None else []
    lines += [f"  {safe(status.hint)}"] if status.hint else []
    lines += [f"  left out: {one_line(problem, 300)}" for problem in server.problems]
    lines += [f"  stderr: {one_line(line, 300)}" for line in server.stderr_tail.splitlines()[-10:]]
    return "\n".join(filter(None, lines))
