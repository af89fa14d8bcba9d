"""Host and Chat: what an embedder holds."""

from mcphost.host.chat import Chat, Stream
from mcphost.host.host import Host

__all__ = ["Chat", "Host", "Stream"]
