"""The question how a turn goes on that took all its steps or repeats itself, whoever asks it."""

from __future__ import annotations

from collections.abc import Mapping

from mcphost.questions import Further, StepLimit
from mcphost.text import one_line

KEYS: Mapping[str, str] = {
    "y": "go on",
    "m": "go on for some more steps",
    "w": "answer with what there is",
    "n": "stop",
}
HOW_MANY = "How many more steps"


def title(question: StepLimit) -> str:
    if question.repeated is None:
        return f"This turn took all of its {question.steps} steps"
    return f"{one_line(question.repeated, 200)} gave the same result {question.times} times"


def further(key: str | None, typed: str = "") -> Further:
    """The answer that `key` means; `typed` is the number of steps for "m".

    Raises:
        ValueError: it is no such number.
    """
    match key:
        case "y":
            return Further("go-on")
        case "m":
            if not typed.strip().isdecimal() or not 1 <= int(typed) <= 1000:
                raise ValueError("a whole number from 1 to 1000")
            return Further("go-on", int(typed))
        case "w":
            return Further("wrap-up")
        case _:
            return Further("stop")
