"""Completion of the arguments of the prompts and of the notes template."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mcp.server import MCPServer
from mcp_types import (
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)

from mcphost.demo.clock import zone_names
from mcphost.demo.meeting import FOCUSES
from mcphost.demo.notes import NoteStore

_MOST = 100  # values in one answer, by the specification


def register(server: MCPServer[Any], store: NoteStore) -> None:
    @server.completion()  # type: ignore[no-untyped-call, untyped-decorator]
    async def complete(
        ref: PromptReference | ResourceTemplateReference, argument: CompletionArgument, _: CompletionContext | None
    ) -> Completion:
        return _starting_with(argument.value, _values(ref, argument.name, store))


def _values(ref: PromptReference | ResourceTemplateReference, argument: str, store: NoteStore) -> Iterable[str]:
    target = ref.name if isinstance(ref, PromptReference) else ref.uri
    match target, argument:
        case ("plan_day", "zone"):
            return zone_names()
        case ("plan_day", "focus"):
            return FOCUSES
        case ("explain_note" | "notes://{id}", "id"):
            return (str(note.id) for note in store.all())
    return ()


def _starting_with(beginning: str, values: Iterable[str]) -> Completion:
    found = [value for value in values if value.casefold().startswith(beginning.casefold())]
    return Completion(values=found[:_MOST], total=len(found), has_more=len(found) > _MOST)
