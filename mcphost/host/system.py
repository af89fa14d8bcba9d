"""The system text of a conversation: the user's, then what each server says of itself, marked as its words (law 5)."""

from __future__ import annotations

from collections.abc import Collection

from mcphost.servers import Server
from mcphost.text import safe

INSTRUCTIONS_CHARACTERS = 2048


def compose_system(system: str, servers: Collection[Server]) -> str:
    """The system text: `system`, then each server's own instructions, cut, sanitised and labelled as its words."""
    parts = [system] if system else []
    for server in sorted(servers, key=lambda server: server.name):
        wanted = server.config is None or server.config.instructions
        if server.state == "ready" and server.instructions and wanted:
            words = safe(server.instructions).replace("</server-instructions", "< /server-instructions")
            if len(words) > INSTRUCTIONS_CHARACTERS:
                words = words[:INSTRUCTIONS_CHARACTERS] + " […]"
            parts.append(f'<server-instructions server="{server.name}">\n{words}\n</server-instructions>')
    return "\n\n".join(parts)
