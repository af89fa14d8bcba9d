"""The notes as tools, resources and a prompt; `summarize_notes` asks the client's model."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Resolve, Sample, UserMessage
from mcp.server.mcpserver.exceptions import ResourceNotFoundError, ToolError
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CreateMessageResult,
    EmbeddedResource,
    SamplingMessage,
    TextContent,
    TextResourceContents,
    ToolAnnotations,
)
from pydantic import BaseModel, Field

from mcphost.demo.notes import Note, NoteStore, as_markdown

ALL = "notes://all"

Title = Annotated[str, Field(description="A short title", min_length=1, max_length=200)]
Text = Annotated[str, Field(description="The note itself", max_length=100_000)]
NoteId = Annotated[int, Field(description="The note's number, as list_notes and search_notes give it")]
Notebook = Context[NoteStore, Any]


class Notes(BaseModel):
    notes: list[Note]


class Imported(BaseModel):
    imported: int
    ids: list[int]


def register(server: MCPServer[NoteStore], store: NoteStore) -> None:
    look = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
    write = ToolAnnotations(destructive_hint=False, idempotent_hint=False, open_world_hint=False)
    delete = ToolAnnotations(destructive_hint=True, idempotent_hint=True, open_world_hint=False)
    server.tool(title="Add a note", annotations=write)(add_note)
    server.tool(title="Search the notes", annotations=look)(search_notes)
    server.tool(title="List all notes", annotations=look)(list_notes)
    server.tool(title="Delete a note", annotations=delete)(delete_note)
    server.tool(title="Import notes", annotations=write)(import_notes)
    server.tool(
        title="Summarize the notes",
        annotations=ToolAnnotations(read_only_hint=True, idempotent_hint=False, open_world_hint=False),
    )(summarize_notes)

    # A resource without a template gets no Context.
    @server.resource(ALL, name="notes", title="All notes", mime_type="text/markdown")
    async def all_notes() -> str:
        """Every note, as Markdown."""
        return as_markdown(store.all()) or "There are no notes yet."

    server.resource("notes://{id}", name="note", title="One note", mime_type="text/markdown")(one_note)
    server.prompt(title="Explain a note")(explain_note)


async def add_note(title: Title, text: Text, ctx: Notebook) -> Note:
    """Save a note. Use it when the user wants something remembered or written down."""
    note = _store(ctx).add(title, text)
    await ctx.notify_resource_updated(ALL)
    return note


async def search_notes(
    query: Annotated[str, Field(description="Words that the note must contain, whole or their beginnings")],
    ctx: Notebook,
) -> Notes:
    """Find saved notes by the words in them, best first. Use it when the user asks what was noted about something."""
    if not query.strip():
        raise ToolError("the query is empty; list_notes gives every note")
    return Notes(notes=_store(ctx).search(query))


async def list_notes(ctx: Notebook) -> Notes:
    """List every saved note with its number, oldest first."""
    return Notes(notes=_store(ctx).all())


async def delete_note(id: NoteId, ctx: Notebook) -> str:
    """Delete one note for good, by its number. Use it only when the user wants that very note gone."""
    note = _store(ctx).delete(id)
    if note is None:
        raise ToolError(f"there is no note {id}")
    await ctx.notify_resource_updated(ALL)
    return f"Deleted note {note.id}, {note.title!r}."


async def import_notes(
    lines: Annotated[list[str], Field(description='One note each, as "title: text"', min_length=1, max_length=1000)],
    ctx: Notebook,
) -> Imported:
    """Save many notes at once, one per line, reporting progress. Use it for lists; add_note is for a single note."""
    ids = []
    for done, line in enumerate(lines, 1):
        title, _, text = (part.strip() for part in line.partition(":"))
        note = _store(ctx).add(title[:200] or "untitled", text or title)
        ids.append(note.id)
        await ctx.report_progress(done, len(lines), note.title)
    await ctx.notify_resource_updated(ALL)
    return Imported(imported=len(ids), ids=ids)


async def _summary(ctx: Notebook) -> Sample:
    notes = _store(ctx).all()
    if not notes:
        raise ToolError("there are no notes to summarize; add_note saves one")
    question = f"Summarize these notes in at most three sentences.\n\n{as_markdown(notes)}"
    return Sample([SamplingMessage(role="user", content=TextContent(text=question))], max_tokens=400)


async def summarize_notes(summary: Annotated[CreateMessageResult, Resolve(_summary)]) -> str:
    """Summarize all saved notes in a few sentences, written by the client's own model."""
    if not isinstance(summary.content, TextContent):
        raise ToolError(f"the client's model answered with {summary.content.type} instead of text")
    return summary.content.text


async def one_note(id: str, ctx: Notebook) -> str:
    """One note by its number, as Markdown."""
    note = _find(ctx, id)
    if note is None:
        raise ResourceNotFoundError(f"there is no note {id}")
    return as_markdown([note])


async def explain_note(id: Annotated[str, Field(description="The note's number")], ctx: Notebook) -> list[UserMessage]:
    """Explain one saved note in plain words."""
    note = _find(ctx, id)
    if note is None:
        raise MCPError(code=INVALID_PARAMS, message=f"there is no note {id}")
    contents = TextResourceContents(uri=f"notes://{note.id}", mime_type="text/markdown", text=as_markdown([note]))
    return [
        UserMessage("Explain this note of mine in plain words, and say what is still open in it."),
        UserMessage(EmbeddedResource(resource=contents)),
    ]


def _find(ctx: Notebook, id: str) -> Note | None:
    return _store(ctx).get(int(id)) if id.isascii() and id.isdigit() and len(id) < 19 else None


def _store(ctx: Notebook) -> NoteStore:
    return ctx.request_context.lifespan_context
