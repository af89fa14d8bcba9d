"""The demo server over streamable HTTP on a free loopback port, which its first line of output names."""

from __future__ import annotations

import socket

import uvicorn

from mcphost.demo.notes import NoteStore
from mcphost.demo.server import create_server

if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    app = create_server(NoteStore()).streamable_http_app()
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
