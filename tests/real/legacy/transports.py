# mypy: ignore-errors
"""Runs a FastMCP server over the transport that the command line names; a listening one says which port it picked."""

from __future__ import annotations

import socket
import sys

import uvicorn
from mcp.server.fastmcp import FastMCP


def serve(server: FastMCP) -> None:
    match sys.argv[1:]:
        case ["http"]:
            listen(server.streamable_http_app(), "/mcp")
        case ["sse"]:
            listen(server.sse_app(), "/sse")
        case _:
            server.run()


def listen(app, path: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}{path}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
