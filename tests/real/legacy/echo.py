# mypy: ignore-errors
"""The echo server of the SDK's first tutorial: one tool, one template, one prompt."""

from mcp.server.fastmcp import FastMCP
from transports import serve

mcp = FastMCP("Echo")


@mcp.tool()
def echo_tool(message: str) -> str:
    """Echo a message as a tool"""
    return f"Tool echo: {message}"


@mcp.resource("echo://{message}")
def echo_resource(message: str) -> str:
    """Echo a message as a resource"""
    return f"Resource echo: {message}"


@mcp.prompt()
def echo_prompt(message: str) -> str:
    """Create an echo prompt"""
    return f"Please process this message: {message}"


if __name__ == "__main__":
    serve(mcp)
