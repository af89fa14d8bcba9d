"""`mcphost replay`: a recorded run once more, with no model, no server and no person."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcphost.cli import options
from mcphost.cli.exits import Exit, report
from mcphost.cli.run import Wish, chosen_format
from mcphost.cli.setup import configured, log_to_stderr, wants_color
from mcphost.config.schema import Config
from mcphost.errors import McpHostError, UsageError

if TYPE_CHECKING:
    from mcphost.models.base import Model
    from mcphost.plugins import Registry
    from mcphost.recording import Recording


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--live-model", is_flag=True, help="Ask the model itself, -m or the recorded one; the servers stay as recorded."
)
@options.apply(options.CONFIG, options.MODEL, options.OUTPUT_FORMAT, options.JSON_FORMAT, options.OUTPUT)
@options.apply(options.QUIET, options.VERBOSE, options.DEBUG, options.NO_COLOR)
def replay(
    file: Path,
    live_model: bool,
    configs: tuple[Path, ...],
    model: str | None,
    output_format: str,
    output: Path | None,
    quiet: bool,
    verbose: bool,
    debug: bool,
    no_color: bool,
) -> int:
    """Run again what `mcphost run --record FILE` wrote down.

    Nothing is asked of any model, server or person: all of them answer as they did. Output and exit code are those of
    the recorded run. Where something differs from it, the replay ends with 1 and shows the difference.
    """
    from mcphost import app
    from mcphost.recording import read

    try:
        if debug:
            log_to_stderr()
        if (model or configs) and not live_model:
            raise UsageError("-m and -C are for --live-model", hint="Without it the recorded model answers.")
        recording = read(file)
        if len(recording.turns) != 1:
            raise UsageError(
                f"{file} is the recording of {len(recording.turns)} turns, and no run",
                hint="mcphost.testing.replay replays it in a test of yours.",
            )
        config = configured(configs) if live_model else Config()
        registry = app.registry(config)
        live = _live(recording, model, config, registry) if live_model else None
        wish = Wish(
            mode=recording.header["mode"],
            yolo=recording.header["yolo"],
            output_format=output_format,
            output=output,
            timeout=None,
            quiet=quiet,
            verbose=verbose,
            debug=debug,
            color=wants_color(no_color),
        )
        return _replay(recording, live, registry, wish)
    except (McpHostError, BrokenPipeError, Exit) as error:
        return report(error, machine=output_format != "text", debug=debug)


def _live(recording: Recording, model: str | None, config: Config, registry: Registry) -> Model:
    from mcphost.models import open_model

    name = model or recording.header["model"]["name"]
    return open_model(name, endpoints=config.endpoints, environ=os.environ, apis=registry.apis)


def _replay(recording: Recording, live: Model | None, registry: Registry, wish: Wish) -> int:
    from mcphost.cli import loop
    from mcphost.cli import task as tasks
    from mcphost.frontends.formats import Output
    from mcphost.host import Host
    from mcphost.recording import Replay

    output = Output(sys.stdout, sys.stderr, terminal=None, quiet=wish.quiet, verbose=wish.verbose, color=wish.color)
    frontend = chosen_format(registry.formats, wish.output_format)(output)
    replaying = Replay(recording, model=live)
    host = Host(
        replaying.config,
        model=replaying.recorded,
        frontend=frontend,
        system=replaying.system,
        environ={},
        edges=replaying,
    )
    gc.enable()

    async def main() -> int:
        try:
            code = await tasks.do(host, frontend, recording.turns[0], wish)
        except McpHostError:
            replaying.check()
            raise
        finally:
            if live is not None:
                await live.aclose()
        replaying.finish()
        return code

    return loop.run(main)
