"""The options that several commands share. Each may also be set as MCPHOST_…, except what grants consent or trust."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

CONFIG = click.option(
    "-C",
    "--config",
    "configs",
    multiple=True,
    envvar="MCPHOST_CONFIG",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A claude_desktop_config.json-style file; later ones win over earlier ones and over the user's own.",
)
SERVER = click.option(
    "--server",
    "only",
    multiple=True,
    envvar="MCPHOST_SERVER",
    metavar="NAME",
    help="Use only this server, and require it (repeatable).",
)
TRUST_PROJECT = click.option(
    "--trust-project",
    "accepted",
    multiple=True,
    metavar="HASH",
    help="Use the project file, or the server of one, that has this SHA-256 (repeatable).",
)
NO_PROJECT = click.option(
    "--no-project",
    is_flag=True,
    envvar="MCPHOST_NO_PROJECT",
    help="Leave .mcp.json and .mcphost.json of the working directory out.",
)
MODEL = click.option(
    "-m",
    "--model",
    envvar="MCPHOST_MODEL",
    metavar="PROVIDER/NAME",
    help="e.g. anthropic/claude-sonnet-5-5, openai/gpt-6-sol, ollama/qwen4, offline.",
)
ALLOW = click.option(
    "--allow", multiple=True, metavar="PATTERN", help="Let these tools run unasked: SERVER__TOOLGLOB (repeatable)."
)
DENY = click.option(
    "--deny",
    multiple=True,
    envvar="MCPHOST_DENY",
    metavar="PATTERN",
    help="Never run these tools: SERVER__TOOLGLOB (repeatable).",
)
MODE = click.option(
    "--mode",
    type=click.Choice(["ask", "read-only", "plan", "auto"]),
    default="ask",
    envvar="MCPHOST_MODE",
    help="ask: what no rule decides is asked; read-only: only what you call read-only runs; "
    "plan: nothing runs, the model says what it would call; auto: rules decide, nothing is asked.  [default: ask]",
)
YOLO = click.option("--yolo", is_flag=True, help="Run every call unasked, but for what a deny rule forbids.")
GUARD = click.option(
    "--guard",
    is_flag=True,
    envvar="MCPHOST_GUARD",
    help="Refuse, where nobody is asked, to carry one server's answers to another.",
)
SYSTEM = click.option(
    "--system", envvar="MCPHOST_SYSTEM", metavar="TEXT|@FILE", help="The system text, or a file that holds it."
)
OUTPUT_FORMAT = click.option(
    "--output-format",
    metavar="text|json|stream-json",
    default="text",
    envvar="MCPHOST_OUTPUT_FORMAT",
    help="The answer, one JSON document, or a JSON line for everything that happens.  [default: text]",
)
JSON_FORMAT = click.option("--json", "output_format", flag_value="json", help="Same as --output-format json.")
OUTPUT = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="MCPHOST_OUTPUT",
    metavar="FILE",
    help="Write the answer to FILE as well.",
)
QUIET = click.option("-q", "--quiet", is_flag=True, envvar="MCPHOST_QUIET", help="Only warnings on stderr.")
MAX_STEPS = click.option(
    "--max-steps",
    type=click.IntRange(min=1),
    envvar="MCPHOST_MAX_STEPS",
    metavar="N",
    help="Model requests in one turn [default: 25].",
)
VERBOSE = click.option("-v", "--verbose", is_flag=True, envvar="MCPHOST_VERBOSE", help="Say more on stderr.")
DEBUG = click.option(
    "--debug", is_flag=True, envvar="MCPHOST_DEBUG", help="Log to stderr, and show tracebacks of failures."
)
NO_COLOR = click.option(
    "--no-color", is_flag=True, envvar=["MCPHOST_NO_COLOR", "NO_COLOR"], help="No colour (also NO_COLOR)."
)
NO_JOURNAL = click.option(
    "--no-journal", is_flag=True, envvar="MCPHOST_NO_JOURNAL", help="Record nothing: no resume, no history."
)
ON_UNKNOWN = click.option(
    "--on-unknown",
    type=click.Choice(["ask", "retry", "fail"]),
    help="With --resume, for a call that was under way when its run was killed and that is neither read-only nor "
    "idempotent: ask you, run it again, or tell the model that nobody knows.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def apply(*options: Callable[[F], F]) -> Callable[[F], F]:
    """One decorator for several options, listed in help in this order."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate
