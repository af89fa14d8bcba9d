"""When a request is repeated: transient failures only, visibly, and never after something was shown."""

from __future__ import annotations

import random
from dataclasses import dataclass

from mcphost.errors import ModelBusy


@dataclass(frozen=True, slots=True)
class Retries:
    """`tries` in all; full jitter under a ceiling that doubles from `first` to `most`; a wait that the API names is
    kept up to `patience`. All times in seconds."""

    tries: int = 4
    first: float = 1.0
    most: float = 16.0
    patience: float = 60.0

    def wait(self, failed: int, error: ModelBusy) -> float:
        """How long to wait before the next try, after `failed` of them.

        Raises:
            ModelBusy: no further try is worth it.
        """
        asked = error.detail.get("retry_after")
        if asked is not None and asked > self.patience:
            raise ModelBusy(
                f"{error.message} It asks to wait {round(asked)} s.",
                hint=f"Try again in {round(asked)} s, or use another model.",
                **error.detail,
            ) from error
        if failed >= self.tries:
            raise error
        if asked is not None:
            return float(asked)
        return random.uniform(0, min(self.most, self.first * 2.0 ** (failed - 1)))  # not secret: jitter
