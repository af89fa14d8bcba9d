"""Python functions as tools: the schema comes from the signature, a failure is a result.

pydantic is imported only when there are such functions.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from mcphost.config.schema import ServerConfig
from mcphost.errors import UsageError
from mcphost.messages import text_block
from mcphost.servers.wire import Caller, CallOutcome, Progress, WireTool
from mcphost.tools.definitions import LOCAL

if TYPE_CHECKING:
    from pydantic import BaseModel


_BLOCK_TEXTS = {
    "text": ("text",),
    "image": ("data", "mimeType"),
    "audio": ("data", "mimeType"),
    "resource_link": ("uri", "name"),
}


@dataclass(frozen=True, slots=True)
class LocalTool:
    """A tool that runs in this process. `run` takes arguments as JSON values and never raises for its own fault."""

    definition: WireTool
    run: Callable[[Mapping[str, Any]], Awaitable[CallOutcome]]

    @classmethod
    def from_function(cls, function: Callable[..., Any], *, read_only: bool = False) -> LocalTool:
        """The tool `local__NAME`, described by its docstring, its parameters by `Annotated[TYPE, "description"]`.

        A sync function runs in a worker thread; on cancellation its thread is left to end by itself. A returned `str`
        is text, a content block (or a list of them) is itself, anything else is JSON. An exception becomes an error
        result with its type and message.

        Raises:
            UsageError: its parameters cannot be given by name as JSON.
        """
        parameters = _Parameters(function)
        definition: WireTool = {"name": _name(function), "inputSchema": parameters.schema()}
        if description := inspect.getdoc(function):
            definition["description"] = description
        if read_only:
            definition["annotations"] = {"readOnlyHint": True}

        async def run(arguments: Mapping[str, Any]) -> CallOutcome:
            try:
                return _outcome(await _called(function, parameters.read(arguments)))
            except Exception as error:
                return CallOutcome((text_block(f"{type(error).__name__}: {error}"),), is_error=True)

        return cls(definition, run)


class LocalServer:
    """Local tools in the shape of a server, so that nothing treats them apart; the user's own code is trusted."""

    name = LOCAL
    state = "ready"

    def __init__(self, local: Sequence[LocalTool]) -> None:
        self.config = ServerConfig(LOCAL, trust_annotations=True)
        self.tools = tuple(tool.definition for tool in local)
        self._by_name = {tool.definition["name"]: tool for tool in reversed(local)}

    async def ready(self) -> None:
        return None

    async def call(
        self, tool: str, arguments: Mapping[str, Any], *, caller: Caller | None, progress: Progress | None
    ) -> CallOutcome:
        return await self._by_name[tool].run(arguments)


class _Parameters:
    """A function's parameters as a pydantic model; fields are numbered, since a parameter may be called anything."""

    def __init__(self, function: Callable[..., Any]) -> None:
        import pydantic

        self.names: list[str] = []
        fields: dict[str, Any] = {}
        try:
            for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
                if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                    raise UsageError(f"{_name(function)}() cannot be a tool: {parameter} has no name to be given by.")
                annotation = Any if parameter.annotation is parameter.empty else parameter.annotation
                default = ... if parameter.default is parameter.empty else parameter.default
                field = pydantic.Field(default, alias=name, description=_description(annotation))
                fields[f"field{len(self.names)}"] = (annotation, field)
                self.names.append(name)
            self.model: type[BaseModel] = pydantic.create_model(
                _name(function), __config__=pydantic.ConfigDict(extra="forbid"), **fields
            )
            self.model.model_json_schema()
        except (NameError, TypeError, ValueError, pydantic.PydanticUserError) as error:
            raise UsageError(f"{_name(function)}() cannot be a tool: {error}") from error

    def schema(self) -> dict[str, Any]:
        schema = self.model.model_json_schema()
        for part in (schema, *schema.get("properties", {}).values()):
            part.pop("title", None)
        return schema

    def read(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Keyword arguments of the types that the function declares.

        Raises:
            ValueError: they do not fit.
        """
        import pydantic

        try:
            values = self.model.model_validate(dict(arguments))
        except pydantic.ValidationError as error:
            lines = (f"{'/'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors())
            raise ValueError("\n".join(lines)) from None
        return {name: getattr(values, f"field{index}") for index, name in enumerate(self.names)}


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _description(annotation: Any) -> str | None:
    extras = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return next((extra for extra in extras if isinstance(extra, str)), None)


async def _called(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    import anyio.to_thread

    if inspect.iscoroutinefunction(function):
        return await function(**arguments)
    value = await anyio.to_thread.run_sync(lambda: function(**arguments), abandon_on_cancel=True)
    return await value if inspect.isawaitable(value) else value


def _outcome(value: Any) -> CallOutcome:
    from pydantic_core import to_jsonable_python

    if value is None:
        return CallOutcome(())
    if isinstance(value, str):
        return CallOutcome((text_block(value),))
    if _is_block(value):
        return CallOutcome((value,))
    if isinstance(value, (list, tuple)) and value and all(map(_is_block, value)):
        return CallOutcome(tuple(value))
    structured = to_jsonable_python(value)
    return CallOutcome((text_block(json.dumps(structured, ensure_ascii=False)),), structured)


def _is_block(value: Any) -> bool:
    if not isinstance(value, dict) or value.get("type") not in _BLOCK_TEXTS:
        return False
    return all(isinstance(value.get(key), str) for key in _BLOCK_TEXTS[value["type"]])
