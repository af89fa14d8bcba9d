# mypy: ignore-errors
"""A server on the SDK's low-level class, as before FastMCP: schemas by hand, listings in pages, completion.

Over http it is stateless and answers with plain JSON; over sse it is the mounting of the SDK's documentation.
"""

import contextlib
import sys

import anyio
import mcp.types as types
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.models import InitializationOptions
from mcp.server.sse import SseServerTransport
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route
from transports import listen

server = Server("lowlevel")
CITIES = {"Berlin": 18.5, "Bern": 16.0, "Oslo": 9.25}
PAGE = 2


def _tool(name: str, description: str, **more) -> types.Tool:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "enum": sorted(CITIES)}},
        "required": ["city"],
    }
    return types.Tool(name=name, description=description, inputSchema=schema, **more)


TOOLS = [
    _tool(
        "get_weather",
        "The temperature of a city",
        outputSchema={"type": "object", "properties": {"celsius": {"type": "number"}}, "required": ["celsius"]},
    ),
    _tool("get_forecast", "The weather of tomorrow, as a resource"),
    _tool("get_history", "The weather of yesterday, as a link"),
]


@server.list_tools()
async def list_tools(request: types.ListToolsRequest) -> types.ListToolsResult:
    # The SDK itself asks with None when it looks up a tool that it has not listed.
    start = int(request.params.cursor) if request and request.params and request.params.cursor else 0
    following = start + PAGE
    return types.ListToolsResult(
        tools=TOOLS[start:following], nextCursor=str(following) if following < len(TOOLS) else None
    )


@server.call_tool()
async def call_tool(name: str, arguments: dict):
    city = arguments["city"]
    if name == "get_weather":
        return {"celsius": CITIES[city]}
    if name == "get_history":
        return [types.ResourceLink(type="resource_link", name=city, uri=f"weather://{city}/yesterday")]
    text = types.TextResourceContents(uri=f"weather://{city}/tomorrow", mimeType="text/plain", text=f"rain in {city}")
    return [types.EmbeddedResource(type="resource", resource=text)]


@server.list_prompts()
async def list_prompts() -> list[types.Prompt]:
    city = types.PromptArgument(name="city", description="Which city", required=True)
    return [types.Prompt(name="report", description="A weather report", arguments=[city])]


@server.get_prompt()
async def get_prompt(name: str, arguments: dict | None) -> types.GetPromptResult:
    city = (arguments or {}).get("city", "nowhere")
    return types.GetPromptResult(
        messages=[
            types.PromptMessage(role="user", content=types.TextContent(type="text", text=f"Weather in {city}?")),
            types.PromptMessage(role="assistant", content=types.TextContent(type="text", text="Let me look.")),
        ]
    )


@server.completion()
async def complete(ref, argument, context) -> types.Completion:
    return types.Completion(values=[city for city in sorted(CITIES) if city.startswith(argument.value)])


def options() -> InitializationOptions:
    capabilities = server.get_capabilities(NotificationOptions(), {})
    return InitializationOptions(server_name="lowlevel", server_version="1", capabilities=capabilities)


async def main_stdio() -> None:
    async with stdio_server() as (read, write):
        await server.run(read, write, options())


def main_http() -> None:
    sessions = StreamableHTTPSessionManager(server, json_response=True, stateless=True)

    @contextlib.asynccontextmanager
    async def lifespan(_):
        async with sessions.run():
            yield

    listen(Starlette(routes=[Mount("/mcp", app=sessions.handle_request)], lifespan=lifespan), "/mcp/")


def main_sse() -> None:
    sse = SseServerTransport("/messages/")

    async def handle(request):
        async with sse.connect_sse(request.scope, request.receive, request._send) as (read, write):
            await server.run(read, write, options())
        return Response()

    listen(Starlette(routes=[Route("/sse", handle), Mount("/messages/", app=sse.handle_post_message)]), "/sse")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["http"]:
            main_http()
        case ["sse"]:
            main_sse()
        case _:
            anyio.run(main_stdio)
