"""The parts of the chat on a screen, put together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit.input import Input

from mcphost.frontends import browser
from mcphost.frontends.paint import Paint
from mcphost.terminal.asking import PanelAsker
from mcphost.terminal.completion import ChatCompleter
from mcphost.terminal.editor import edited
from mcphost.terminal.frontend import ScreenFrontend
from mcphost.terminal.history import PrivateHistory
from mcphost.terminal.live import Live
from mcphost.terminal.panel import Panel
from mcphost.terminal.pictures import Pictures
from mcphost.terminal.repl import Repl
from mcphost.terminal.resize import wraps_anew
from mcphost.terminal.screen import Screen
from mcphost.terminal.scrollback import Scrollback, Terminal
from mcphost.terminal.suggesting import ArgumentCompleter, LineCompleter

if TYPE_CHECKING:
    from mcphost.approvals import Mode
    from mcphost.config.schema import Editing
    from mcphost.host import Host
    from mcphost.journal import Record
    from mcphost.plugins import Registry
    from mcphost.questions import PromptArgument
    from mcphost.terminal.render import Renderer


def on_screen(
    open_host: Callable[[ScreenFrontend], Awaitable[tuple[Host, Registry]]],
    *,
    output: Terminal,
    history: Path,
    environ: Mapping[str, str] | None = None,
    mode: Mode,
    yolo: bool = False,
    color: bool,
    verbose: bool = False,
    input: Input | None = None,
    resume: Record | None = None,
    editing: Editing = "emacs",
    pictures: Path | None = None,
) -> Repl:
    """A chat on the terminal `output`, ready to `run`. `open_host` as for Repl, given the frontend; so is `resume`.

    `environ` names the editor, the browser and the clipboard's program; `editing` is how the input line is edited;
    `pictures` is the directory for images of results.
    """

    @cache
    def renderer() -> Renderer:
        from mcphost.terminal.render import Renderer

        return Renderer(color)

    paint = Paint(color)
    live = Live(paint, renderer)
    panel = Panel(waiting=lambda: max(live.undecided() - 1, 0) + asker.waiting)

    async def open_url(url: str) -> None:
        frontend.say(await browser.visit(url, environ or {}))

    async def edit(text: str) -> str:
        return await repl.screen.lend(partial(edited, text, environ or {}))

    def completer(question: PromptArgument) -> LineCompleter | None:
        return ArgumentCompleter(repl.chat, question) if repl.chat else None

    asker = PanelAsker(panel, open_url=open_url, edit=edit, completer=completer)
    scrollback = Scrollback(output)
    frontend = ScreenFrontend(
        scrollback,
        live,
        asker=asker,
        renderer=renderer,
        width=lambda: output.get_size().columns,
        paint=paint,
        verbose=verbose,
        pictures=None if pictures is None else Pictures(pictures),
    )
    repl = Repl(
        lambda: open_host(frontend),
        frontend=frontend,
        live=live,
        environ=environ or {},
        mode=mode,
        yolo=yolo,
        resume=resume,
    )
    repl.screen = Screen(
        output,
        live=live,
        panel=panel,
        scrollback=scrollback,
        chatter=repl,
        status=repl.status,
        alarm=yolo,
        history=PrivateHistory(history),
        completer=ChatCompleter(lambda: repl.chat, lambda: repl.registry),
        color=color,
        input=input,
        editing=editing,
        wraps_anew=wraps_anew(environ or {}),
    )
    return repl
