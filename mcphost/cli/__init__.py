"""The command line: the only place that reads argv and environ, knows paths, and picks exit codes.

`main` is the entry point. Nothing heavy is imported here: `--version` and `--help` answer at once, and each command's
module is loaded when it is called.
"""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

COMMANDS = {
    "chat": ("mcphost.cli.chat", "Talk with a model that may use your servers' tools (the default)."),
    "run": ("mcphost.cli.run", "Do one task and print the answer."),
    "replay": ("mcphost.cli.replay", "Run a recorded run again, with no model and no server."),
    "tools": ("mcphost.cli.look", "List the tools that a model would be offered."),
    "servers": ("mcphost.cli.look", "List the servers and how they are."),
    "resources": ("mcphost.cli.look", "List resources, or read one."),
    "prompts": ("mcphost.cli.look", "List prompts, or fill one in."),
    "call": ("mcphost.cli.look", "Call one tool without a model."),
    "ps": ("mcphost.cli.processes", "List the server processes of every mcphost of yours."),
    "gc": ("mcphost.cli.processes", "End server processes whose mcphost is gone."),
    "trust": ("mcphost.cli.project", "Look at this directory's own servers, and trust them or not."),
    "lock": ("mcphost.cli.lock", "Write down what the servers offer now, for `run --locked`."),
    "config": ("mcphost.cli.config", "Show the configuration and where it is from; keep secrets in the keyring."),
    "policy": ("mcphost.cli.policy", "Explain and test the rules that decide which calls run."),
    "chats": ("mcphost.cli.chats", "List, search, show and export what was recorded; rename, fork, archive, delete."),
    "runs": ("mcphost.cli.runs", "List the runs that wait for an answer or were interrupted; answer them."),
    "audit": ("mcphost.cli.audit", "Say who allowed which call, by which rule or answer, and what became of it."),
    "demo-server": ("mcphost.cli.demo", "Be the bundled demo MCP server, on stdio."),
}


def main(argv: Sequence[str] | None = None) -> None:
    # Importing allocates a great deal and frees nothing; the collector is switched on again after the last import.
    gc.disable()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("--help", "-h", "--version")):
        arguments.insert(0, "chat")
    if arguments == ["--version"]:
        from mcphost import __version__

        print(f"mcphost {__version__}")
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _leave)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no UTF-8 is no reason to fail
    with leaving_at_once():
        from mcphost.cli.exits import report
        from mcphost.cli.group import group

    try:
        code = group.main(arguments, prog_name="mcphost", standalone_mode=False)
    except BaseException as error:
        code = report(error)
    sys.exit(code if isinstance(code, int) else 0)


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """Inside, Ctrl+C ends the program as the other signals do: while modules are imported, a KeyboardInterrupt passes
    for their failure. Only where nothing is asked: a prompt must be able to put the terminal right."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(number: int, frame: object) -> None:
    """Until the event loop takes signals over. Servers may run by then: the reaper ends them. An exception would be
    somebody else's: it could be raised, and swallowed, anywhere."""
    os._exit(128 + number)
