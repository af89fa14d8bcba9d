"""Files -> Config: `load` reads them, `from_mapping` is for the library; nothing here ever writes a file."""

from mcphost.config.layers import from_mapping, load

__all__ = ["from_mapping", "load"]
