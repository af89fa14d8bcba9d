"""`python -m mcphost.demo [--notes PATH]`: the demo server without the rest of the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from mcphost.demo.server import main

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="mcphost.demo", description="The bundled MCP demo server, over stdio.")
    parser.add_argument("--notes", type=Path, metavar="PATH", help="keep the notes in this file, not in memory")
    main(parser.parse_args().notes)
