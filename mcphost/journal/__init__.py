"""The durable record of a run: intents before acts, outcomes before anything builds on them (law 3)."""

from mcphost.journal.base import Effect, Journal, Record, Run
from mcphost.journal.memory import MemoryJournal

__all__ = ["Effect", "Journal", "MemoryJournal", "Record", "Run"]
