import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal

import anyio.to_thread
import pytest

from mcphost.errors import UsageError
from mcphost.messages import text_block
from mcphost.tools import LocalTool
from mcphost.tools.local import LocalServer


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: int
    y: int = 0


def schema_of(function: Callable[..., Any]) -> dict[str, Any]:
    return LocalTool.from_function(function).definition["inputSchema"]


def test_the_signature_becomes_the_schema_and_the_docstring_the_description() -> None:
    def search(
        query: Annotated[str, "what to look for"],
        limit: int = 10,
        mode: Literal["fast", "full"] = "fast",
        colour: Colour | None = None,
        *,
        weights: dict[str, float],
        tags: list[str],
        deep: bool = False,
    ) -> None:
        """Search the archive.

        Slowly.
        """

    definition = LocalTool.from_function(search).definition
    schema = definition["inputSchema"]
    properties = schema["properties"]
    assert definition["name"] == "search"
    assert definition["description"] == "Search the archive.\n\nSlowly."
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["query", "weights", "tags"]
    assert properties["query"] == {"type": "string", "description": "what to look for"}
    assert properties["limit"] == {"type": "integer", "default": 10}
    assert properties["mode"] == {"enum": ["fast", "full"], "type": "string", "default": "fast"}
    assert properties["weights"] == {"type": "object", "additionalProperties": {"type": "number"}}
    assert properties["tags"] == {"type": "array", "items": {"type": "string"}}
    assert schema["$defs"]["Colour"]["enum"] == ["red", "blue"]


def test_a_parameter_may_have_any_name_and_no_type() -> None:
    def odd(schema, copy: int, _hidden=1, model_config="x"):  # type: ignore[no-untyped-def]
        return None

    assert schema_of(odd)["properties"].keys() == {"schema", "copy", "_hidden", "model_config"}
    assert schema_of(lambda: None)["properties"] == {}


def only_by_position(a: int, /) -> None: ...
def any_number(*numbers: int) -> None: ...
def any_names(**names: int) -> None: ...
def unknown_type(a: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821
def no_json(a: threading.Thread) -> None: ...


@pytest.mark.parametrize("function", [only_by_position, any_number, any_names, unknown_type, no_json])
def test_a_function_that_cannot_be_called_with_json_is_refused_by_name(function: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match=function.__name__):
        LocalTool.from_function(function)


async def test_arguments_arrive_as_the_declared_types() -> None:
    got: list[Any] = []

    def take(when: date, at: Point, colour: Colour, many: tuple[Point, ...] = ()) -> str:
        got.extend([when, at, colour, many])
        return "taken"

    outcome = await LocalTool.from_function(take).run(
        {"when": "2026-07-28", "at": {"x": 1}, "colour": "blue", "many": [{"x": 2, "y": 3}]}
    )
    assert outcome.content == (text_block("taken"),)
    assert got == [date(2026, 7, 28), Point(1), Colour.BLUE, (Point(2, 3),)]


async def test_arguments_that_do_not_fit_are_an_error_for_the_model() -> None:
    def take(number: int) -> None: ...

    outcome = await LocalTool.from_function(take).run({"number": "x", "more": 1})
    assert outcome.is_error
    assert outcome.content[0]["text"].startswith("ValueError: number: Input should be a valid integer")
    assert "more: Extra inputs are not permitted" in outcome.content[0]["text"]


async def test_sync_functions_run_in_a_thread_and_async_ones_on_the_loop() -> None:
    loop = threading.get_ident()
    threads: list[int] = []

    def sync() -> None:
        threads.append(threading.get_ident())

    async def on_loop() -> None:
        threads.append(threading.get_ident())

    class Callable:
        async def __call__(self) -> str:
            threads.append(threading.get_ident())
            return "called"

    await LocalTool.from_function(sync).run({})
    await LocalTool.from_function(on_loop).run({})
    assert threads[0] != loop
    assert threads[1] == loop
    tool = LocalTool.from_function(Callable())
    assert tool.definition["name"] == "Callable"
    assert (await tool.run({})).content == (text_block("called"),)
    assert threads[2] == loop


IMAGE = {"type": "image", "data": "AAAA", "mimeType": "image/png"}


@pytest.mark.parametrize(
    ("value", "content", "structured"),
    [
        ("text", [text_block("text")], None),
        (None, [], None),
        (IMAGE, [IMAGE], None),
        ((IMAGE, text_block("x")), [IMAGE, text_block("x")], None),
        ({"type": "fruit"}, [text_block('{"type": "fruit"}')], {"type": "fruit"}),
        ({"type": "text", "text": 1}, [text_block('{"type": "text", "text": 1}')], {"type": "text", "text": 1}),
        ([], [text_block("[]")], []),
        ([1, "é"], [text_block('[1, "é"]')], [1, "é"]),
        (Point(1, 2), [text_block('{"x": 1, "y": 2}')], {"x": 1, "y": 2}),
        (date(2026, 7, 28), [text_block('"2026-07-28"')], "2026-07-28"),
    ],
)
async def test_what_a_function_returns_becomes_content(value: Any, content: list[Any], structured: Any) -> None:
    outcome = await LocalTool.from_function(lambda: value).run({})
    assert list(outcome.content) == content
    assert outcome.structured == structured
    assert not outcome.is_error


async def test_an_exception_is_an_error_result_with_its_type_and_message() -> None:
    def fail() -> None:
        raise LookupError("no such note")

    outcome = await LocalTool.from_function(fail).run({})
    assert outcome.is_error
    assert outcome.content == (text_block("LookupError: no such note"),)
    assert (await LocalTool.from_function(lambda: object()).run({})).is_error


async def test_cancelling_does_not_wait_for_a_thread() -> None:
    started, release = threading.Event(), threading.Event()

    def block() -> None:
        started.set()
        release.wait()

    async def run() -> None:
        await LocalTool.from_function(block).run({})

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await anyio.to_thread.run_sync(started.wait)
        group.cancel_scope.cancel()
    release.set()


async def test_local_tools_look_like_one_server() -> None:
    def double(number: int) -> int:
        return 2 * number

    server = LocalServer((LocalTool.from_function(double, read_only=True),))
    assert server.tools[0]["annotations"] == {"readOnlyHint": True}
    assert (await server.call("double", {"number": 4}, caller=None, progress=None)).structured == 8
