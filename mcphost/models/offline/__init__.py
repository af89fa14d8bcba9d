"""The offline model: deterministic rules instead of a language model, so that the host works with no key."""

from mcphost.models.offline.model import OfflineModel

__all__ = ["OfflineModel"]
