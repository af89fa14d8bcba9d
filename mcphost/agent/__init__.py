"""The loop, and what it works on."""

from mcphost.agent.conversation import Called, Conversation, OnUnknown, Reply, ReplyStop, unanswered
from mcphost.agent.loop import Agent, abandon

__all__ = ["Agent", "Called", "Conversation", "OnUnknown", "Reply", "ReplyStop", "abandon", "unanswered"]
