"""Everything that knows the SDK: transports, the Edge, connections. Above it stand wire JSON and our own errors."""

import logging

# The SDK logs what peers do wrong, with tracebacks: without any handler that would reach the terminal.
for _name in ("client", "mcp", "mcphost"):
    logging.getLogger(_name).addHandler(logging.NullHandler())
