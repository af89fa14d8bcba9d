"""The server of the screenshots. A measurement goes on until its FIFO in the directory `argv[1]` is opened."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import SamplingMessage, TextContent
from pydantic import BaseModel, Field

server = MCPServer("lab")


class Booking(BaseModel):
    name: str = Field(title="Your name")
    email: str = Field(title="Where to write to", json_schema_extra={"format": "email"})
    hours: int = Field(2, title="Hours", ge=1, le=8)
    remind: bool = Field(True, title="Remind me")


@server.tool()
async def measure(sample: str, ctx: Context) -> str:
    """Measure a sample. It takes a while."""
    done = {"iron": 3, "copper": 8}.get(sample, 11)
    await ctx.report_progress(done, 12, f"reading {done} of 12")
    await anyio.to_thread.run_sync(lambda: Path(sys.argv[1], sample).open().close())
    return f"{sample}: {done / 4:.2f} g/cm³, 12 readings"


@server.tool()
async def erase(path: str) -> str:
    """Erase a measurement for good."""
    return f"erased {path}"


@server.tool()
async def book(ctx: Context) -> str:
    """Book the laboratory."""
    answer = await ctx.elicit("For whom is the laboratory to be booked?", Booking)
    return answer.action


@server.tool()
async def explain(ctx: Context) -> str:
    """Explain a measurement."""
    question = SamplingMessage(role="user", content=TextContent(type="text", text="What does 7.87 g/cm³ mean?"))
    answer = await ctx.session.create_message(messages=[question], max_tokens=100)
    return str(answer.content)


if __name__ == "__main__":
    server.run()
