"""Wide, combining and joined characters, on terminals that differ in how many columns the last take."""

from __future__ import annotations

import pytest

from mcphost.models.scripted import ScriptedModel, call
from tests.terminal.test_repl import Gate, sent
from tests.terminal.tty import CTRL_C, ENTER, chatting

PEOPLE = {
    "latin": "Eve",
    "han": "漢字",
    "combined": "e\u0301te\u0301",
    "emoji": "🎉",
    "joined": "👩\u200d🔬",
    "family": "👨\u200d👩\u200d👧",
    "tone": "👍🏽",
    "presented": "❤\ufe0f",
    "flag": "🇩🇪",
    "keycap": "1\ufe0f\u20e3",
}
TERMINALS = pytest.mark.parametrize("clusters", [False, True])
LEFT, HOME, END = "\x1b[D", "\x1b[H", "\x1b[F"


@TERMINALS
async def test_the_columns_of_a_table_are_aligned(clusters: bool) -> None:
    rows = "\n".join(f"| {name} | {text} | {text} | ! |" for name, text in PEOPLE.items())
    model = ScriptedModel([f"| who | name | n | end |\n|---|---|--:|---|\n{rows}\n\nDone."])
    async with chatting(model, clusters=clusters, size=(60, 40)) as tty:
        await tty.ready()
        await sent(tty, "go")
        await tty.see("Done.", "ready ·")
        assert len(tty.screen.column(" !")) == len(PEOPLE)
        assert len(set(tty.screen.column(" !"))) == 1, "\n".join(tty.screen.display)


@TERMINALS
async def test_what_is_typed_stands_where_the_cursor_is(clusters: bool) -> None:
    async with chatting(ScriptedModel(["ok"] * len(PEOPLE)), clusters=clusters) as tty:
        await tty.ready()
        for text in PEOPLE.values():
            await tty.press(*f"{text}bc", LEFT, LEFT)
            tty.type("a")
            await tty.see("abc")
            before, at = tty.screen.cursor
            assert before == "a", "\n".join(tty.screen.display)
            tty.type(END + "d" + HOME + ">")
            await tty.see("> >", "abcd")
            assert tty.screen.column("bcd") == [at + 1]
            tty.type(CTRL_C)
            await tty.miss("abcd")
        tty.type(PEOPLE["family"] + ENTER)
        await tty.see("ok")
        assert f"> {PEOPLE['family']}" in tty.screen.raw, "what is sent is what was typed"


async def test_rows_of_calls_do_not_wrap() -> None:
    gate = Gate()
    calls = [call("local__wait", name=PEOPLE[name] * 20) for name in ("han", "combined", "family")]
    async with chatting(ScriptedModel([calls, "Done."]), tools=[gate.wait], size=(50, 20)) as tty:
        await tty.ready()

        def rows() -> list[str]:
            return [line for line in tty.screen.display if "local__wait" in line]

        tty.type("go" + ENTER)
        await tty.choose("[s] yes", "s")
        await tty.screen.until(lambda: [row[-3:] for row in rows()] == [" 0s"] * 3, "three rows")
        gate.go_on.set()
        await tty.see("Done.", "ready ·")
        assert [row[0] for row in rows()] == ["✓"] * 3
        assert len(tty.screen.text.strip().split("\n")) == 10, tty.screen.text
