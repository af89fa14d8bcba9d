"""Times in IANA zones. A zone that does not exist is an error that names the nearest one."""

from __future__ import annotations

import difflib
import functools
import zoneinfo
from datetime import datetime
from typing import Annotated, Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

Zone = Annotated[str, Field(description="IANA zone name, for example Europe/Berlin", examples=["Asia/Tokyo", "UTC"])]


class Moment(BaseModel):
    """One moment as one zone's clocks show it."""

    zone: str
    time: str = Field(description="ISO 8601, with the offset from UTC")
    weekday: str


class Conversion(BaseModel):
    source: Moment
    target: Moment


def register(server: MCPServer[Any]) -> None:
    server.tool(
        title="Current time",
        annotations=ToolAnnotations(read_only_hint=True, idempotent_hint=False, open_world_hint=False),
    )(now)
    server.tool(
        title="Convert a time between zones",
        annotations=ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False),
    )(convert_time)


async def now(zone: Zone = "UTC") -> Moment:
    """Tell the current date and time in a time zone. Use it whenever the answer depends on what time or day it is."""
    return _moment(datetime.now(_zone(zone)), zone)


async def convert_time(
    time: Annotated[str, Field(description="HH:MM (today) or an ISO 8601 date and time")],
    from_zone: Zone,
    to_zone: Zone,
) -> Conversion:
    """Convert a time, or a date and time, from one time zone to another. Use it to compare the clocks of two places."""
    source = _parse(time, _zone(from_zone))
    target = source.astimezone(_zone(to_zone))
    return Conversion(source=_moment(source, from_zone), target=_moment(target, to_zone))


@functools.cache
def zone_names() -> list[str]:
    """All zone names, sorted."""
    return sorted(zoneinfo.available_timezones())


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ToolError(f"there is no time zone {name!r}; the nearest name is {_nearest(name)!r}") from None


def _nearest(name: str) -> str:
    """The zone whose name, or whose city, is spelled most like `name`; UTC where none is."""
    spellings = {zone.rpartition("/")[2].casefold(): zone for zone in zone_names()}
    spellings |= {zone.casefold(): zone for zone in zone_names()}
    found = difflib.get_close_matches(name.strip().replace(" ", "_").casefold(), spellings, n=1, cutoff=0.5)
    return spellings[found[0]] if found else "UTC"


def _parse(time: str, zone: zoneinfo.ZoneInfo) -> datetime:
    """A time with an offset of its own is that moment, seen from `zone`; any other is `zone`'s local time."""
    text = time.strip()
    for form in (text, f"{datetime.now(zone).date()}T{text.zfill(5)}"):
        try:
            moment = datetime.fromisoformat(form)
        except ValueError:
            continue
        return moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)
    raise ToolError(f"cannot read the time {time!r}; write HH:MM or ISO 8601, for example 2026-03-01T14:30")


def _moment(moment: datetime, zone: str) -> Moment:
    return Moment(zone=zone, time=moment.isoformat(timespec="seconds"), weekday=moment.strftime("%A"))
