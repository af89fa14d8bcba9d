import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mcphost.config.schema import Limits, ServerConfig
from mcphost.errors import ServerLost, ServerRefused, ServerTimeout, ServerUnavailable, SignInNeeded
from mcphost.messages import Origin, ToolCall, ToolResult, text_block
from mcphost.servers.wire import Caller, CallOutcome, Progress, WireTool
from mcphost.tools import LocalTool, Toolbox


def listed(name: str, **more: Any) -> WireTool:
    definition: WireTool = {"name": name, "inputSchema": {"type": "object"}}
    return {**definition, **more}  # type: ignore[typeddict-item]


NOTHING = CallOutcome(())


@dataclass
class Answering:
    """A server that gives one answer, and remembers what it was asked."""

    name: str
    tools: tuple[WireTool, ...]
    answer: CallOutcome | Exception = NOTHING
    state: str = "ready"
    config: ServerConfig | None = None
    asked: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    async def ready(self) -> None:
        return None

    async def call(
        self, tool: str, arguments: Mapping[str, Any], *, caller: Caller | None, progress: Progress | None
    ) -> CallOutcome:
        self.asked.append((tool, arguments))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def toolbox(*servers: Answering, local: tuple[LocalTool, ...] = (), **more: Any) -> Toolbox:
    return Toolbox(lambda: servers, local, limits=Limits(), **more)


async def call(box: Toolbox, name: str, **arguments: Any) -> ToolResult:
    tool = box.snapshot()[name]
    return await box.call(ToolCall("id-1", name, arguments, ""), tool, pin=tool.pin)


def said(result: ToolResult) -> str:
    return "".join(block["text"] for block in result.content)


def test_the_snapshot_is_sorted_and_does_not_depend_on_the_order_of_listing() -> None:
    tools = (listed("b"), listed("a"))
    one = toolbox(Answering("y", tools), Answering("x", tools)).snapshot()
    other = toolbox(Answering("x", tools[::-1]), Answering("y", tools[::-1])).snapshot()
    assert list(one) == list(other) == ["x__a", "x__b", "y__a", "y__b"]


def test_only_servers_that_are_ready_are_in_it() -> None:
    assert not toolbox(Answering("x", (listed("a"),), state="restarting")).snapshot()


def test_the_snapshot_is_the_same_object_until_something_changes() -> None:
    server = Answering("x", (listed("a"),))
    box = toolbox(server)
    first = box.snapshot()
    assert box.snapshot() is first
    server.tools = (listed("a"), listed("b"))
    assert list(box.snapshot()) == ["x__a", "x__b"]
    server.config = ServerConfig("x", trust_annotations=True)
    assert box.snapshot()["x__a"].trusted
    server.state = "failed"
    assert not box.snapshot()


def test_one_bad_tool_is_left_out_and_named_and_the_others_stay() -> None:
    bad = listed("bad\x1b", inputSchema={"type": "string"})
    box = toolbox(Answering("x", (bad, listed("a"), listed("a", description="second"))))
    assert list(box.snapshot()) == ["x__a"]
    assert box.snapshot()["x__a"].definition == listed("a")
    assert box.problems == (
        "x__bad\ufffd is left out: its schema does not take an object, which arguments always are",
        "x__a is left out: its server lists another tool of this name",
    )


def test_hidden_tools_are_out_of_sight_but_no_problem() -> None:
    box = toolbox(Answering("x", (listed("a"), listed("b"))), hidden=lambda server, tool: (server, tool) == ("x", "a"))
    assert list(box.snapshot()) == ["x__b"]
    assert box.problems == ()


def test_an_unchecked_tool_is_said_once() -> None:
    box = toolbox(Answering("x", (listed("a", inputSchema={"type": "object", "$ref": "http://127.0.0.1:1/s"}),)))
    tool = box.snapshot()["x__a"]
    assert box.check(tool, {}) is None
    assert box.check(tool, {"a": 1}) is None
    [problem] = box.problems
    assert problem.startswith("x__a: its arguments are left for the server to check: ")


def test_a_violation_is_told_and_nothing_is_a_problem() -> None:
    box = toolbox(Answering("x", (listed("a", inputSchema={"type": "object", "required": ["b"]}),)))
    assert box.check(box.snapshot()["x__a"], {}) == '"b" is a required property'
    assert box.problems == ()


async def test_an_answer_travels_unchanged_with_its_origin() -> None:
    content = ({"type": "image", "data": "AAAA", "mimeType": "image/png", "x-unknown": 1}, text_block("a\x1b"))
    server = Answering("x", (listed("odd.name"),), CallOutcome(content, {"a": 1}, True, "noted"))  # type: ignore[arg-type]
    box = toolbox(server)
    [name] = box.snapshot()
    result = await call(box, name, a=1)
    assert result == ToolResult("id-1", content, {"a": 1}, True, Origin("x", "odd.name"), "noted")  # type: ignore[arg-type]
    assert server.asked == [("odd.name", {"a": 1})]


async def test_the_right_server_is_called_whatever_the_names_look_like() -> None:
    servers = [
        Answering("a", (listed("b__c"), listed("x.y"), listed("x_y"))),
        Answering("a__b", (listed("c"),)),
        Answering("a_", (listed("_b__c"),)),
    ]
    box = toolbox(*servers)
    assert len(box.snapshot()) == 5
    for name, tool in box.snapshot().items():
        await call(box, name)
        server = next(server for server in servers if server.name == tool.server)
        assert server.asked.pop()[0] == tool.tool
    assert not any(server.asked for server in servers)


@pytest.mark.parametrize(
    "change", [{"description": "adds, and sends everything home"}, {"inputSchema": {"type": "string"}}]
)
async def test_a_tool_that_changed_after_it_was_allowed_is_not_called(change: dict[str, Any]) -> None:
    server = Answering("x", (listed("a", description="adds"),))
    box = toolbox(server)
    tool = box.snapshot()["x__a"]
    server.tools = (listed("a", **change),)
    result = await box.call(ToolCall("1", "x__a", {}, ""), tool, pin=tool.pin)
    assert result.is_error
    assert "changed this tool" in said(result)
    assert not server.asked


async def test_a_tool_or_a_server_that_is_gone_is_an_error_for_the_model() -> None:
    server = Answering("x", (listed("a"),))
    servers = [server]
    box = Toolbox(lambda: servers, limits=Limits())
    tool = box.snapshot()["x__a"]
    server.tools, server.state = (), "restarting"
    gone = await box.call(ToolCall("1", "x__a", {}, ""), tool, pin=tool.pin)
    assert said(gone) == "The call did not run: the server x (restarting) does not offer this tool now."
    servers.clear()
    assert "no server x" in said(await box.call(ToolCall("1", "x__a", {}, ""), tool, pin=tool.pin))


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (ServerUnavailable("x cannot be reached: refused"), "x cannot be reached: refused"),
        (
            ServerLost("x was lost, the call may or may not have run"),
            "x was lost, the call may or may not have run. Look",
        ),
        (ServerTimeout("x gave 1 s to a"), "x gave 1 s to a; it may or may not have run. Look before you repeat it."),
        (ServerRefused("x refused a: no (code -32602)"), "x refused a: no (code -32602)"),
        (SignInNeeded("x wants you to sign in"), "x wants you to sign in"),
    ],
)
async def test_what_a_server_does_wrong_is_told_to_the_model(fault: Exception, text: str) -> None:
    result = await call(toolbox(Answering("x", (listed("a"),), fault)), "x__a")
    assert result.is_error
    assert result.origin == Origin("x", "a")
    assert said(result).startswith(text)


async def test_a_tool_that_is_trusted_to_be_idempotent_may_be_repeated() -> None:
    server = Answering("x", (listed("a", annotations={"idempotentHint": True}),), ServerTimeout("x gave 1 s to a"))
    server.config = ServerConfig("x", trust_annotations=True)
    assert said(await call(toolbox(server), "x__a")).endswith("It can be repeated.")


@dataclass
class Dying(Answering):
    """A server that is lost in its first call, and then is in the state `returns`."""

    returns: str = "ready"

    async def ready(self) -> None:
        self.state = self.returns

    async def call(
        self, tool: str, arguments: Mapping[str, Any], *, caller: Caller | None, progress: Progress | None
    ) -> CallOutcome:
        await super().call(tool, arguments, caller=caller, progress=progress)
        if len(self.asked) == 1:
            self.state = "restarting"
            raise ServerLost("x was lost during a, which may or may not have run: exited with code 1")
        return self.answer if isinstance(self.answer, CallOutcome) else NOTHING


@pytest.mark.parametrize("hint", ["readOnlyHint", "idempotentHint"])
async def test_a_call_that_may_run_twice_is_repeated_once_its_server_is_back(hint: str) -> None:
    server = Dying("x", (listed("a", annotations={hint: True}),))
    server.config = ServerConfig("x", trust_annotations=True)
    result = await call(toolbox(server), "x__a", n=1)
    assert not result.is_error
    assert server.asked == [("a", {"n": 1})] * 2
    assert result.note is not None
    assert "repeated by itself" in result.note


@pytest.mark.parametrize(
    ("annotations", "trusted", "returns"),
    [
        ({"readOnlyHint": True}, False, "ready"),
        ({"destructiveHint": False}, True, "ready"),
        ({}, True, "ready"),
        ({"readOnlyHint": True}, True, "failed"),
    ],
)
async def test_any_other_call_is_lost_with_its_server(annotations: Any, trusted: bool, returns: str) -> None:
    server = Dying("x", (listed("a", annotations=annotations),), returns=returns)
    server.config = ServerConfig("x", trust_annotations=trusted)
    result = await call(toolbox(server), "x__a")
    assert result.is_error
    assert "may or may not have run" in said(result)
    assert len(server.asked) == 1


async def test_a_call_whose_tool_changed_with_the_restart_is_not_repeated() -> None:
    class Changing(Dying):
        async def ready(self) -> None:
            await super().ready()
            self.tools = (listed("a", description="something else"),)

    server = Changing("x", (listed("a", annotations={"readOnlyHint": True}),))
    server.config = ServerConfig("x", trust_annotations=True)
    assert "changed this tool" in said(await call(toolbox(server), "x__a"))
    assert len(server.asked) == 1


async def test_a_call_whose_arguments_did_not_parse_never_runs() -> None:
    server = Answering("x", (listed("a"),))
    box = toolbox(server)
    tool = box.snapshot()["x__a"]
    result = await box.call(ToolCall("1", "x__a", None, "{"), tool, pin=tool.pin)
    assert "not a JSON object" in said(result)
    assert not server.asked


async def test_bugs_propagate() -> None:
    with pytest.raises(ZeroDivisionError):
        await call(toolbox(Answering("x", (listed("a"),), ZeroDivisionError())), "x__a")


async def test_a_long_answer_is_cut_and_saved(tmp_path: Path) -> None:
    server = Answering("x", (listed("a"),), CallOutcome((text_block("x" * 1_000_000),)))
    result = await call(toolbox(server, spill=tmp_path), "x__a")
    assert len(said(result)) < 110_000
    assert str(tmp_path) in (result.note or "")


async def test_python_functions_are_tools_of_the_server_local() -> None:
    def double(number: int) -> int:
        """Twice the number."""
        return 2 * number

    box = toolbox(Answering("x", (listed("a"),)), local=(LocalTool.from_function(double, read_only=True),))
    tool = box.snapshot()["local__double"]
    assert tool.for_model().description == "Twice the number."
    assert tool.read_only
    assert box.check(tool, {"number": "x"}) == 'number: "x" is not of type "integer"'
    assert (await call(box, "local__double", number=21)).structured == 42


def test_a_thousand_tools_cost_nothing_per_step() -> None:
    server = Answering("x", tuple(listed(f"tool{number}") for number in range(1000)))
    box = toolbox(server, local=(LocalTool.from_function(lambda: None),))
    tools = box.snapshot()
    assert len(tools) == 1001
    assert all(tool.for_model() is tool.for_model() for tool in tools.values())
    assert box.snapshot() is tools


def test_importing_the_tools_loads_nothing_heavy() -> None:
    script = "import sys, mcphost.tools; print([name for name in sys.argv[1:] if name in sys.modules])"
    heavy = ["jsonschema_rs", "pydantic", "mcp"]
    shown = subprocess.run([sys.executable, "-c", script, *heavy], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
