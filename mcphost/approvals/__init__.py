"""Consent: the Policy judges, the Gate checks, a human decides."""

from mcphost.approvals.coverage import Coverage, Covered
from mcphost.approvals.gate import Gate, Go, Refuse, Wait
from mcphost.approvals.guard import Flow, Guard
from mcphost.approvals.lock import Lock, Locked
from mcphost.approvals.policy import Judgement, Policy
from mcphost.approvals.remembered import Answer, Remembered
from mcphost.config.schema import Mode

__all__ = [
    "Answer",
    "Coverage",
    "Covered",
    "Flow",
    "Gate",
    "Go",
    "Guard",
    "Judgement",
    "Lock",
    "Locked",
    "Mode",
    "Policy",
    "Refuse",
    "Remembered",
    "Wait",
]
