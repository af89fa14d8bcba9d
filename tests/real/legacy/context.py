# mypy: ignore-errors
"""What a tool can do with its Context: progress, logging, elicitation, sampling, roots, and being cancelled."""

import sys

import anyio
from mcp.server.fastmcp import Context, FastMCP
from mcp.types import SamplingMessage, TextContent, ToolListChangedNotification
from pydantic import BaseModel
from transports import serve

mcp = FastMCP("Context", instructions="Every tool here uses its Context.")


class Booking(BaseModel):
    guests: int
    vegetarian: bool = False


@mcp.tool()
async def long_task(ctx: Context, steps: int = 3) -> str:
    """Work through some steps, reporting each"""
    await ctx.info(f"starting {steps} steps")
    for step in range(steps):
        await ctx.report_progress(step + 1, steps, f"step {step + 1}")
        await anyio.sleep(0.15)
    await ctx.warning("done")
    return f"{steps} steps done"


@mcp.tool()
async def wait_for_ever(ctx: Context) -> str:
    """Report progress once, then wait until cancelled"""
    try:
        await ctx.report_progress(0, 1, "waiting")
        await anyio.sleep_forever()
    finally:
        print("wait_for_ever: cancelled", file=sys.stderr, flush=True)


@mcp.tool()
async def book_table(ctx: Context, date: str) -> str:
    """Book a table, asking the user for details"""
    answer = await ctx.elicit(message=f"Details for {date}?", schema=Booking)
    if answer.action != "accept":
        return f"not booked: {answer.action}"
    return f"booked for {answer.data.guests}, vegetarian: {answer.data.vegetarian}"


@mcp.tool()
async def poem(ctx: Context, topic: str) -> str:
    """Write a poem with the client's model"""
    question = SamplingMessage(role="user", content=TextContent(type="text", text=f"A poem about {topic}"))
    answer = await ctx.session.create_message(messages=[question], max_tokens=100)
    return f"{answer.model}: {answer.content.text}"


@mcp.tool()
async def roots(ctx: Context) -> str:
    """The client's roots"""
    return "\n".join(str(root.uri) for root in (await ctx.session.list_roots()).roots)


@mcp.tool()
async def learn_trick(ctx: Context) -> str:
    """Add a tool to this server and tell the client"""

    def trick() -> str:
        """Roll over"""
        return "rolled over"

    mcp.add_tool(trick)
    await ctx.session.send_notification(ToolListChangedNotification(method="notifications/tools/list_changed"))
    return "learned"


@mcp.tool()
def fail() -> str:
    """Fail always"""
    raise RuntimeError("it is broken")


if __name__ == "__main__":
    serve(mcp)
