"""The chat as a person sees it, on an emulated terminal."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mcphost.demo.notes import NoteStore
from mcphost.demo.server import create_server
from mcphost.messages import AssistantMessage, ToolResult, UserMessage
from mcphost.models.scripted import ScriptedModel, call
from tests.terminal.tty import CTRL_C, CTRL_D, CTRL_J, CTRL_S, ENTER, ESC, UP, Streaming, Tty, chatting, plain

DOCUMENT = """\
# A title

A first paragraph that is **long** enough to be wrapped somewhere, as paragraphs usually are in answers of models.

- an apple
- a pear
  - a nested plum

1. eins
1. zwei

```python
def area(radius):
    return 3.14 * radius ** 2
```

| fruit | price |
|-------|-------|
| fig   | 3     |

The very last words."""

UNIQUE = [
    "A title",
    "A first paragraph",
    "an apple",
    "a pear",
    "nested plum",
    " 1. eins",
    " 2. zwei",
    "def area",
    "fig",
]


class Gate:
    """A tool that runs until it is told to end, and knows how it ended."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.go_on = asyncio.Event()
        self.cancelled = False

    async def wait(self, name: str = "") -> str:
        """Wait."""
        self.started.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return f"waited {name}"


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def subtract(a: int, b: int) -> int:
    """Subtract."""
    return a - b


def resize(tty: Tty, columns: int, rows: int) -> None:
    tty.screen.resize(columns, rows)
    tty.repl.screen.app._on_resize()


async def sent(tty: Tty, text: str) -> None:
    tty.type(text + ENTER)
    await tty.see(f"> {text}")


# -- answers -----------------------------------------------------------------------------------------------------------


async def test_every_block_of_an_answer_is_in_the_scrollback_once() -> None:
    model = Streaming()
    async with chatting(model, size=(60, 14)) as tty:
        await tty.ready()
        await sent(tty, "tell me")
        model.say(DOCUMENT)
        model.end()
        await tty.see("The very last words.", "ready ·")
        for text in (*UNIQUE, "The very last words."):
            assert tty.screen.text.count(text) == 1, text
        assert "**long" not in tty.screen.text
        assert not [line for line in tty.screen.raw.split("\n") if line.endswith("  \r")], "padded lines"


async def test_what_is_typed_while_an_answer_streams_stays_and_is_sent_after_it() -> None:
    model = Streaming()
    async with chatting(model) as tty:
        await tty.ready()
        await sent(tty, "first")
        model.say("An open paragr")
        await tty.see("An open paragr")
        tty.type("second")
        await tty.see("> second")
        model.say("aph.\n\nAnother")
        await tty.see("An open paragraph.", "Another", "> second")
        tty.type(ENTER)
        await tty.see("queued: second")
        model.end()
        await tty.miss("queued")
        model.say("The second answer.")
        model.end()
        await tty.see("The second answer.")
        assert [len(request.messages) for request in model.requests] == [1, 3]


async def test_up_takes_a_queued_message_back() -> None:
    model = Streaming()
    async with chatting(model) as tty:
        await tty.ready()
        await sent(tty, "first")
        await tty.see("Esc stops")
        tty.type("second" + ENTER)
        await tty.see("queued: second")
        tty.type(UP)
        await tty.miss("queued: second")
        await tty.see("> second")
        model.end()


async def test_ctrl_s_hands_a_message_to_the_running_turn() -> None:
    gate = Gate()
    model = ScriptedModel([call("local__wait"), lambda request: str(request.messages[-1])])
    async with chatting(model, tools=[gate.wait]) as tty:
        await tty.ready()
        await sent(tty, "go")
        await tty.choose("local wants to run wait", "y")
        await gate.started.wait()
        tty.type("and be brief" + CTRL_S)
        await tty.see("» and be brief")
        gate.go_on.set()
        await tty.see("ready ·")
        assert model.requests[1].messages[-1] == UserMessage(({"type": "text", "text": "and be brief"},), "steer")


async def test_three_calls_are_rows_while_they_run_and_one_line_each_afterwards() -> None:
    gate = Gate()
    calls = [call("local__wait", name=name) for name in ("one", "two", "three")]
    async with chatting(ScriptedModel([calls, "Done."]), tools=[gate.wait]) as tty:
        await tty.ready()
        await sent(tty, "go")
        await tty.choose("(2 more waiting)", "s")
        await tty.see(*(f'local__wait(name="{name}") 0s' for name in ("one", "two", "three")))
        gate.go_on.set()
        await tty.see("Done.", "ready ·")
        for name in ("one", "two", "three"):
            assert tty.screen.text.count(f'✓ local__wait(name="{name}")') == 1


async def test_a_screen_of_30_by_8_does_not_break() -> None:
    model = ScriptedModel([[call("local__add", a=1, b=2), call("local__subtract", a=3, b=4)], DOCUMENT])
    async with chatting(model, tools=[add, subtract], size=(30, 8)) as tty:
        await tty.ready()
        tty.type("go" + ENTER)
        for tool in ("add", "subtract"):
            await tty.see(f"run {tool}", "y s n e")
            await tty.press("y")
        await tty.see("The very last words.", "ready ·")
        assert "✓ local__add(" in tty.screen.text
        assert "Window too small" not in tty.screen.raw
        counts = {text: tty.screen.text.count(text) for text in UNIQUE}
        assert counts == dict.fromkeys(UNIQUE, 1), tty.screen.text


async def test_a_resize_in_mid_answer_keeps_the_chat_usable() -> None:
    model = Streaming()
    async with chatting(model, size=(120, 30)) as tty:
        await tty.ready()
        await sent(tty, "go")
        model.say("word " * 30)
        await tty.see("word word")
        resize(tty, 60, 20)
        model.say("\n\nafter")
        model.end()
        await tty.see("after", "ready ·")
        assert max(map(len, tty.screen.display)) <= 60


# -- consent -----------------------------------------------------------------------------------------------------------


async def test_an_early_key_is_typed_and_does_not_approve() -> None:
    model = ScriptedModel([call("local__add", a=1, b=2), "Fine."])
    async with chatting(model, tools=[add]) as tty:
        await tty.ready()
        tty.type("go" + ENTER)
        await tty.see("local wants to run add")
        tty.type("y")
        await tty.see("> y", "[y] yes, once")
        assert "✓" not in tty.screen.text
        await tty.press(ENTER, "x", "y")
        await tty.see("Fine.", "> y")


async def test_a_key_on_a_screen_that_is_too_low_for_the_question_does_not_approve() -> None:
    model = ScriptedModel([call("local__add", a=1, b=2), "Fine."])
    async with chatting(model, tools=[add]) as tty:
        await tty.ready()
        tty.type("go" + ENTER)
        await tty.see("local wants to run add", "[y] yes, once")
        resize(tty, 20, 5)
        await tty.see("Window too small")
        await tty.press("y")
        resize(tty, 100, 30)
        await tty.see("> y", "[y] yes, once")
        await tty.press("y")
        await tty.see("Fine.", "> y")


async def test_arguments_are_edited_and_shown_again_before_they_run() -> None:
    model = ScriptedModel([call("local__add", a=1, b=2), "Fine."])
    async with chatting(model, tools=[add]) as tty:
        await tty.ready()
        await sent(tty, "go")
        await tty.choose("local wants to run add", "e")
        await tty.see("Arguments (JSON, or NAME=VALUE)")
        tty.type("\x15b=40" + ENTER)
        await tty.see('"b": 40', "[y] yes, once")
        await tty.miss("[s] yes")
        await tty.press("y")
        await tty.see("Fine.")
        results = [message for message in tty.conversation if isinstance(message, ToolResult)]
        assert results[0].content[0]["text"] == "41"


async def test_shift_tab_goes_through_the_modes() -> None:
    model = ScriptedModel([call("local__add", a=1, b=2), "Planned."])
    async with chatting(model, tools=[add]) as tty:
        await tty.ready()
        for mode in ("read-only", "plan", "auto", "ask", "read-only", "plan"):
            tty.type("\x1b[Z")
            await tty.see(f" · {mode} · ")
        await sent(tty, "go")
        await tty.see("Planned.", "plan mode: nothing runs")


async def test_two_approvals_come_one_after_the_other_and_each_takes_its_own_key() -> None:
    model = ScriptedModel([[call("local__add", a=1, b=2), call("local__subtract", a=3, b=4)], "Both."])
    async with chatting(model, tools=[add, subtract]) as tty:
        await tty.ready()
        await sent(tty, "go")
        await tty.see("(1 more waiting)", "local wants to run add", "[n] no")
        assert "local wants to run subtract" not in tty.screen.text
        tty.type("y")
        await tty.see("local wants to run subtract")
        assert "[n] no" not in "\n".join(tty.screen.display)
        await tty.choose("local wants to run subtract", "n")
        await tty.see("Why not")
        tty.type("too big" + ENTER)
        await tty.see("Both.", "refused: the person said no: too big")
        results = [message for message in tty.conversation if isinstance(message, ToolResult)]
        assert [result.is_error for result in results] == [False, True]


async def test_esc_goes_back_from_the_reason_to_the_question() -> None:
    async with chatting(ScriptedModel([call("local__add", a=1, b=2), "Fine."]), tools=[add]) as tty:
        await tty.ready()
        await sent(tty, "go")
        await tty.choose("local wants to run add", "n")
        await tty.see("Why not")
        tty.type(ESC)
        await tty.choose("[y] yes, once", "y")
        await tty.see("✓ local__add")


async def test_a_paste_answers_nothing() -> None:
    async with chatting(ScriptedModel([call("local__add", a=1, b=2), "Fine."]), tools=[add]) as tty:
        await tty.ready()
        await sent(tty, "go")
        await tty.see("[y] yes, once")
        await tty.press("\x1b[200~y\x1b[201~", "yes\r", "n")  # the second: a paste from a terminal without brackets
        await tty.see("Why not")


async def test_long_arguments_scroll_and_none_of_them_is_cut() -> None:
    model = ScriptedModel([call("local__show", text="first" + " " * 10_000 + "rm -rf \x1b[8m\u202elast"), "Fine."])

    def show(text: str) -> None:
        """Show."""

    async with chatting(model, tools=[show], size=(80, 16)) as tty:
        await tty.ready()
        tty.type("go" + ENTER)
        await tty.see('"text": "first', "of 1", "[y] yes")
        await tty.press(*["\x1b[6~"] * 20)
        await tty.see("\\u001b[8m\\u202elast")
        tty.type("n")


@pytest.mark.parametrize("key", [ESC, CTRL_C])
async def test_stopping_at_a_question_leaves_a_consistent_chat(key: str) -> None:
    async with chatting(ScriptedModel([call("local__add", a=1, b=2), "Next."]), tools=[add]) as tty:
        await tty.ready()
        await sent(tty, "go")
        await tty.see("[y] yes, once")
        tty.type(key)
        await tty.see("Stopped.", "✗ local__add(a=1, b=2)")
        await sent(tty, "again")
        await tty.see("Next.")
        assert sum(isinstance(message, ToolResult) for message in tty.conversation) == 1


# -- stopping ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [ESC, CTRL_C])
async def test_stopping_a_stream_keeps_what_arrived_and_what_was_typed(key: str) -> None:
    model = Streaming()
    async with chatting(model) as tty:
        await tty.ready()
        await sent(tty, "go")
        model.say("Half an ans")
        await tty.see("Half an ans")
        tty.type("typed ahead")
        await tty.see("> typed ahead")
        tty.type(key)
        await tty.see("Stopped.", "> typed ahead")
        assert tty.screen.text.count("Half an ans") == 1
        tty.type(ENTER)
        model.say("All of it.")
        model.end()
        await tty.see("All of it.")
        halves = [message.text for message in tty.conversation if isinstance(message, AssistantMessage)]
        assert halves == ["Half an ans", "All of it."]


async def test_ctrl_c_during_a_tool_cancels_it_and_its_call_has_a_result() -> None:
    gate = Gate()
    async with chatting(ScriptedModel([call("local__wait"), "Next."]), tools=[gate.wait]) as tty:
        await tty.ready()
        await sent(tty, "go")
        await tty.choose("local wants to run wait", "y")
        await gate.started.wait()
        tty.type(CTRL_C)
        await tty.see("Stopped.", "✗ local__wait()")
        assert gate.cancelled
        await sent(tty, "again")
        await tty.see("Next.")
        assert sum(isinstance(message, ToolResult) for message in tty.conversation) == 1


async def test_ctrl_c_clears_the_line_and_twice_on_an_empty_one_leaves() -> None:
    async with chatting(ScriptedModel([])) as tty:
        await tty.ready()
        tty.type("some words")
        await tty.see("> some words")
        tty.type(CTRL_C)
        await tty.miss("some words")
        tty.type(CTRL_C)
        await tty.see("Ctrl+C again leaves")
        tty.type(CTRL_C)
        assert await tty.running == 0


async def test_ctrl_c_twice_during_a_turn_leaves_with_130() -> None:
    async with chatting(Streaming()) as tty:
        await tty.ready()
        await sent(tty, "go")
        tty.type(CTRL_C + CTRL_C)
        assert await tty.running == 130


async def test_a_closed_keyboard_leaves() -> None:
    async with chatting(ScriptedModel([])) as tty:
        await tty.ready()
        tty.hang_up()
        assert await tty.running == 0


@pytest.mark.parametrize("keys", [CTRL_D, "/quit\r"])
async def test_leaving_gives_the_terminal_back(keys: str) -> None:
    async with chatting(ScriptedModel([])) as tty:
        await tty.ready()
        tty.type(keys)
        assert await tty.running == 0
        assert tty.screen.raw.rindex("\x1b[?2004l") > tty.screen.raw.rindex("\x1b[?2004h")
        assert "ready ·" not in "\n".join(tty.screen.display)


# -- what is typed -----------------------------------------------------------------------------------------------------


async def test_typing_works_before_anything_is_loaded_and_an_early_message_is_sent() -> None:
    opening = asyncio.Event()
    async with chatting(ScriptedModel(["Here."]), opening=opening) as tty:
        await tty.see("starting")
        tty.type("early" + ENTER + "more")
        await tty.see("queued: early", "> more")
        opening.set()
        await tty.see("Here.", "> more")


async def test_a_first_message_waits_for_servers_until_enter_is_pressed_again() -> None:
    model = ScriptedModel(["Here."])
    async with chatting(model, servers={"slow": Never()}) as tty:
        await tty.ready()
        await sent(tty, "go")
        await tty.see("waiting for slow")
        assert not model.requests
        tty.type(ENTER)
        await tty.see("Here.")


class Never:
    """A transport that does not come up."""

    async def __aenter__(self) -> Any:
        await asyncio.Event().wait()

    async def __aexit__(self, *args: object) -> None:
        pass


async def test_a_paste_is_text_whatever_it_begins_with() -> None:
    model = ScriptedModel(["One.", "Two."])
    with_notes = create_server(NoteStore(None))
    async with chatting(model, servers={"demo": with_notes}) as tty:
        await tty.see("servers 1/1 ready")
        tty.paste("/quit\nand @demo:demo://about")
        tty.type(ENTER)
        await tty.see("One.")
        tty.type("typed ")
        tty.paste("@demo:demo://about")
        tty.type(ENTER)
        await tty.see("Two.")
        texts = [message.content for message in tty.conversation if isinstance(message, UserMessage)]
        assert [[block["type"] for block in content] for content in texts] == [["text"], ["text"]]
        assert texts[0][0]["text"] == "/quit\nand @demo:demo://about"


async def test_newlines_by_ctrl_j_and_alt_enter() -> None:
    model = ScriptedModel(["Fine."])
    async with chatting(model) as tty:
        await tty.ready()
        tty.type("one" + CTRL_J + "two" + ESC + ENTER + "three" + ENTER)
        await tty.see("Fine.")
        assert tty.conversation[0].content[0]["text"] == "one\ntwo\nthree"


async def test_commands_run_during_a_turn_too_but_for_those_that_would_end_its_conversation() -> None:
    model = Streaming()
    async with chatting(model, tools=[add]) as tty:
        await tty.ready()
        await sent(tty, "go")
        await tty.see("Esc stops")
        tty.type("/tools" + ENTER)
        await tty.see("local__add  Add.")
        tty.type("/clear" + ENTER)
        await tty.see("queued: /clear")
        model.say("done")
        model.end()
        await tty.see("done", "> /clear", "The conversation is forgotten", "ready ·")


async def test_prompts_and_resources_of_a_server() -> None:
    model = ScriptedModel(["Planned.", "Read."])
    async with chatting(model, servers={"demo": create_server(NoteStore(None))}) as tty:
        await tty.see("servers 1/1 ready")
        tty.type("/demo:plan_day focus=writing zone=UTC" + ENTER)
        await tty.see("Send this?", "│ Plan the rest of my day around writing", "[y] send (Enter)")
        tty.type(ENTER)
        await tty.see("Planned.", "│ ")
        assert "writing" in str(model.requests[0].messages[0])
        tty.type("what is in @demo:demo://about ?" + ENTER)
        await tty.see("Read.", "attached demo://about")
        assert "mcphost demo server" in str(model.requests[1].messages[-1])
        tty.type("/demo:plan_dai" + ENTER)
        await tty.see("did you mean 'plan_day'?")


async def test_completion_offers_commands_prompts_their_arguments_and_resources() -> None:
    async with chatting(ScriptedModel([]), servers={"demo": create_server(NoteStore(None))}) as tty:
        await tty.see("servers 1/1 ready")
        tty.type("/re")
        await tty.see("/resources  the servers' resources")
        tty.type(CTRL_C + "/demo:plan")
        await tty.see("/demo:plan_day")
        tty.type(CTRL_C + "/demo:plan_day ")
        tty.type("f")
        await tty.see("focus=")
        tty.type(CTRL_C + "see @demo:demo")
        await tty.see("@demo:demo://about  About")
        tty.type("\t" + CTRL_J)
        await tty.see("> see @demo:demo://about")


async def test_ctrl_r_searches_the_history_and_ctrl_c_ends_the_search(tmp_path: Path) -> None:
    async with chatting(ScriptedModel(["One.", "Two."]), history=tmp_path / "history") as tty:
        await tty.ready()
        await sent(tty, "alpha beta")
        await tty.see("One.")
        await tty.press("\x12", *"pha")
        await tty.see("> alpha beta\nI-search backward: pha")
        await tty.press(CTRL_C, *"gamma", ENTER)
        await tty.see("> gamma", "Two.")


async def test_the_history_is_private_and_keeps_no_line_that_begins_with_a_space(tmp_path: Path) -> None:
    history = tmp_path / "state" / "history"
    async with chatting(ScriptedModel(["One.", "Two."]), history=history) as tty:
        await tty.ready()
        await sent(tty, "remember me")
        await tty.see("One.")
        tty.type(" secret" + ENTER)
        await tty.see("Two.")
    assert history.stat().st_mode & 0o777 == 0o600
    assert "remember me" in history.read_text()
    assert "secret" not in history.read_text()
    async with chatting(ScriptedModel([]), history=history) as tty:
        await tty.ready()
        tty.type(UP)
        await tty.see("> remember me")


async def test_a_history_that_cannot_be_read_costs_no_more_than_the_history(tmp_path: Path) -> None:
    async with chatting(ScriptedModel(["One."]), history=tmp_path) as tty:
        await tty.ready()
        await sent(tty, "hello")
        await tty.see("One.", "ready ·")
        tty.type(UP)
        await tty.see("> hello\n ready")


# -- text from outside -------------------------------------------------------------------------------------------------

EVIL = "\x1b]52;c;ZXZpbA==\x07\x1b[2J\x9b31m\u202e[red]markup[/red]\r"


async def test_no_escape_sequence_from_outside_reaches_the_terminal() -> None:
    def evil(text: str) -> str:
        raise ValueError(EVIL)

    evil.__doc__ = f"Evil. {EVIL}"
    answer = f"{EVIL} &#x1b;]0;title&#7; [{EVIL}](https://example.org/{EVIL}) `{EVIL}`\n\n```{EVIL}\n{EVIL}\n```\n"
    model = ScriptedModel([call("local__evil", text=EVIL), answer])
    async with chatting(model, tools=[evil]) as tty:
        await tty.ready()
        tty.paste(EVIL)
        tty.type(ENTER)
        await tty.choose("local wants to run evil", "y")
        await tty.see("ready ·")
        left = plain(tty.screen.raw)
        assert not [char for char in left if ord(char) < 32 or 127 <= ord(char) < 160 or char == "\u202e"]
        assert "\x1b[2J" not in tty.screen.raw
        assert "[red]markup[/red]" in tty.screen.text


async def test_links_show_where_they_lead_and_html_is_text() -> None:
    model = ScriptedModel(
        ["A [link](https://example.org/x), <https://example.org/y>, ![pic](https://e.org/z) <b>b</b>."]
    )
    async with chatting(model) as tty:
        await tty.ready()
        await sent(tty, "go")
        await tty.see("A link (https://example.org/x), https://example.org/y, [image: pic] (https://e.org/z) <b>b</b>.")


async def test_no_color_means_none() -> None:
    model = ScriptedModel([call("local__add", a=1, b=2), DOCUMENT])
    async with chatting(model, tools=[add], color=False) as tty:
        await tty.ready()
        await sent(tty, "go")
        await tty.choose("local wants to run", "y")
        await tty.see("The very last words.")
        assert not [code for code in ("\x1b[3", "\x1b[9", ";3", ";9") if f"{code}1m" in tty.screen.raw]
