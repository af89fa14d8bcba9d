from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcphost.text import safe
from tests.cli.program import PROGRAM, config, fast_server, mcphost


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    return config(tmp_path, {"demo": (PROGRAM[0], *PROGRAM[1:], "demo-server"), "broken": ("no-such-command",)})


async def test_tools_are_listed_by_the_names_a_model_sees(demo: Path) -> None:
    ran = await mcphost("tools", "-C", demo, "--server", "demo")
    assert ran.code == 0, ran.err
    assert "demo__add  " in ran.out


async def test_servers_show_the_broken_ones_too_and_why(demo: Path) -> None:
    ran = await mcphost("servers", "-C", demo, "--json")
    states = {server["name"]: server for server in ran.json}
    assert ran.code == 0
    assert (states["demo"]["state"], states["demo"]["era"]) == ("ready", "modern")
    assert states["broken"]["state"] == "failed"
    assert "no-such-command" in states["broken"]["detail"]


async def test_the_name_of_a_server_that_cannot_be_acts_on_no_terminal(tmp_path: Path) -> None:
    ran = await mcphost("servers", "-v", "-C", config(tmp_path, {"a\u202eb\x9b2J": ["true"]}))
    assert "a\ufffdb\ufffd2J  failed" in ran.out
    assert safe(ran.out) == ran.out


async def test_resources_are_listed_and_read(demo: Path) -> None:
    listed = await mcphost("resources", "-C", demo, "--server", "demo")
    assert "@demo:demo://about" in listed.out
    read = await mcphost("resources", "-C", demo, "demo:demo://about")
    assert read.code == 0, read.err
    assert "demo" in read.out.lower()


async def test_prompts_are_listed_and_filled_in(demo: Path) -> None:
    ran = await mcphost("prompts", "-C", demo, "demo:plan_day", "zone=UTC", "focus=writing")
    assert ran.code == 0, ran.err
    assert "writing" in ran.out


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("fast__echo", "text=5"), 0, "5"),
        (("fast__echo", '{"text": "as JSON"}'), 0, "as JSON"),
        (("fast__wait", "seconds=0.01"), 0, "waited"),
        (("fast__echo", "text"), 2, "KEY=VALUE"),
        (("fast__echo", '{"text": '), 2, "no JSON"),
        (("fast__wait", "seconds=soon"), 2, "seconds"),
        (("fast__nothing",), 2, "offers no tool 'nothing'"),
        (("slow__echo", "text=5"), 2, "slow"),
    ],
)
async def test_a_tool_is_called_with_values_as_its_schema_wants_them(
    tmp_path: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    ran = await mcphost("call", "-C", config(tmp_path, {"fast": fast_server()}), *words)
    assert ran.code == code, ran.err
    assert says in ran.out + ran.err


async def test_a_tool_that_fails_is_exit_5_and_json_holds_the_whole_result(demo: Path) -> None:
    ran = await mcphost("call", "-C", demo, "demo__divide", "a=1", "b=0", "--json")
    assert ran.code == 5
    assert json.loads(ran.out)["is_error"]


async def test_looking_needs_no_key_even_where_the_model_does(tmp_path: Path) -> None:
    file = config(tmp_path, {"fast": fast_server()}, model="anthropic/claude-sonnet-5-5")
    ran = await mcphost("tools", "-C", file)
    assert (ran.code, ran.err) == (0, "")
