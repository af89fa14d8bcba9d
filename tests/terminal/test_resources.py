"""Resources in a chat on a screen: told of once when they change, marked until they are read, weighed when attached."""

from __future__ import annotations

from pathlib import Path

from mcphost.demo.notes import NoteStore
from mcphost.demo.server import create_server
from mcphost.models.scripted import ScriptedModel
from tests.terminal.tty import CTRL_C, ENTER, chatting


async def test_a_subscribed_resource_is_marked_when_it_changes_until_it_is_read(tmp_path: Path) -> None:
    picture = tmp_path / "dot.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\xff")
    servers = {"demo": create_server(NoteStore())}
    async with chatting(ScriptedModel(["Seen."]), servers=servers, size=(200, 30)) as tty:
        await tty.see("servers 1/1 ready")
        tty.type(f"/resources subscribe @demo:notes://all{ENTER}")
        await tty.see("You are told when demo changes notes://all")
        assert tty.repl.chat is not None
        demo = tty.repl.chat.host.servers["demo"]
        for _ in range(2):
            await demo.call("add_note", {"title": "Milk", "text": "two"})
        await tty.see("· 1 changed (/resources) ·")
        tty.type("look at @demo:notes://a")
        await tty.see("@demo:notes://all  changed since it was read · All notes")
        tty.type(CTRL_C)
        tty.type(f"look at @demo:notes://all and @{picture} {ENTER}")
        await tty.see("Seen.", "attached notes://all: text/markdown, 32 characters", "image/png, 9 bytes, an image")
        await tty.miss("1 changed")
        assert tty.screen.text.count("@demo:notes://all changed") == 1
