"""What the model may call: names, definitions, argument checks, result caps, and the Toolbox that ties them."""

from mcphost.tools.definitions import HOST, LOCAL, Tool
from mcphost.tools.host import HostServer
from mcphost.tools.local import LocalTool
from mcphost.tools.toolbox import Toolbox, ToolServer

__all__ = ["HOST", "LOCAL", "HostServer", "LocalTool", "Tool", "ToolServer", "Toolbox"]
