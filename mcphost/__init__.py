"""mcphost: a host for the Model Context Protocol.

    import mcphost

    async with mcphost.Host("claude_desktop_config.json", model="offline") as host:
        reply = await host.chat().send("what time is it in Tokyo?")

Importing this package imports nothing, so that `__main__` comes before any module of the working directory; every
public name is loaded when it is first used.
"""

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mcphost.agent import Called, Reply
    from mcphost.approvals import Policy
    from mcphost.config.schema import Config, Rule
    from mcphost.errors import McpHostError
    from mcphost.events import Event
    from mcphost.host import Chat, Host
    from mcphost.models.base import Model, ModelRequest
    from mcphost.questions import Frontend, Question
    from mcphost.tools import LocalTool

_HOMES = {
    "Called": "mcphost.agent",
    "Chat": "mcphost.host",
    "Config": "mcphost.config.schema",
    "Event": "mcphost.events",
    "Frontend": "mcphost.questions",
    "Host": "mcphost.host",
    "LocalTool": "mcphost.tools",
    "McpHostError": "mcphost.errors",
    "Model": "mcphost.models.base",
    "ModelRequest": "mcphost.models.base",
    "Policy": "mcphost.approvals",
    "Question": "mcphost.questions",
    "Reply": "mcphost.agent",
    "Rule": "mcphost.config.schema",
}

__all__ = [
    "Called",
    "Chat",
    "Config",
    "Event",
    "Frontend",
    "Host",
    "LocalTool",
    "McpHostError",
    "Model",
    "ModelRequest",
    "Policy",
    "Question",
    "Reply",
    "Rule",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
