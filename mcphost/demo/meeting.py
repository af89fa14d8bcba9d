"""Planning: a tool that asks the user by a form, and a prompt."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from mcp.server import MCPServer
from mcp.server.mcpserver import AcceptedElicitation, Elicit, ElicitationResult, Resolve
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

from mcphost.demo.clock import Zone

FOCUSES = ("deep work", "errands", "learning", "rest")


# One field of each kind that a form may have. A docstring here would stand in the form.
class Details(BaseModel):
    title: str = Field(title="Title", min_length=1, max_length=80)
    day: date = Field(title="Day")
    minutes: int = Field(default=30, title="Length in minutes", ge=5, le=480)
    budget: float = Field(default=0, title="Budget", ge=0)
    place: Literal["office", "online", "outside"] = Field(default="online", title="Place")
    reminder: bool = Field(default=True, title="Send a reminder")


class Plan(BaseModel):
    planned: bool
    meeting: Details | None = None


def register(server: MCPServer[Any]) -> None:
    server.tool(
        title="Plan a meeting",
        annotations=ToolAnnotations(read_only_hint=True, idempotent_hint=False, open_world_hint=False),
    )(plan_meeting)
    server.prompt(title="Plan my day")(plan_day)


async def _details(topic: str) -> Elicit[Details]:
    return Elicit(f"Details of the meeting about {topic}", Details)


async def plan_meeting(
    topic: Annotated[str, Field(description="What the meeting is about")],
    answer: Annotated[ElicitationResult[Details], Resolve(_details)],
) -> Plan:
    """Plan a meeting: asks the user for title, day, length, budget, place and reminder by a form."""
    return Plan(planned=True, meeting=answer.data) if isinstance(answer, AcceptedElicitation) else Plan(planned=False)


async def plan_day(
    zone: Zone, focus: Annotated[str, Field(description="What the day is for, for example deep work")] = FOCUSES[0]
) -> str:
    """Plan today, from the current time on, around one focus."""
    return (
        f"Plan the rest of my day around {focus}. First find out what time it is in {zone}, then look through my notes "
        "for what is still open, and give me a short schedule."
    )
