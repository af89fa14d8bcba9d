"""What each server may use up of models in one chat, in requests, tokens and dollars (law 4)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from mcphost.config.schema import SamplingBudget
from mcphost.messages import Usage


class OverBudget(Exception):
    """What a server asks for would pass its budget, or cannot be counted; the message says why."""


@dataclass(slots=True)
class _Spent:
    requests: int = 0
    tokens: int = 0
    dollars: float = 0.0


class Budgets:
    """`of` says what a server may use."""

    def __init__(self, of: Callable[[str], SamplingBudget]) -> None:
        self._of = of
        self._spent: defaultdict[str, _Spent] = defaultdict(_Spent)

    def allowance(self, server: str, model: str, *, input: int, output: int) -> int:
        """How many tokens an answer of `model` may have: `output`, or what is left once `input` is counted.

        Raises:
            OverBudget: not even one.
        """
        budget, spent = self._of(server), self._spent[server]
        if budget.requests is not None and spent.requests >= budget.requests:
            raise OverBudget(f"this would pass the {budget.requests:,} requests that a server may make in one chat")
        left = min(output, budget.tokens - spent.tokens - input)
        if left < 1:
            raise OverBudget(f"this would pass the {budget.tokens:,} tokens that a server may use in one chat")
        if budget.dollars is None:
            return left
        price = budget.prices.get(model)
        if price is None:
            raise OverBudget(f"its budget is in dollars, and mcphost.prices does not say what {model} costs")
        dollars = budget.dollars - spent.dollars - price.of(input, 0)
        if price.output:
            left = min(left, int(dollars / price.of(0, 1)))
        if dollars < 0 or left < 1:
            raise OverBudget(f"this would pass the ${budget.dollars:g} that a server may spend in one chat")
        return left

    def begin(self, server: str) -> None:
        """Take note of a request that goes to a model, whatever comes of it."""
        self._spent[server].requests += 1

    def spend(self, server: str, model: str, usage: Usage) -> None:
        """Take note of an answer."""
        spent, price = self._spent[server], self._of(server).prices.get(model)
        spent.tokens += usage.input + usage.output
        spent.dollars += price.of(usage.input, usage.output) if price else 0
