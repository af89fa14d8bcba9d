"""Arithmetic that a model should not do in its head: integers stay exact, whatever their size."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Annotated, Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import Field, WithJsonSchema

Number = Annotated[int | Annotated[float, Field(allow_inf_nan=False)], WithJsonSchema({"type": "number"})]

_PURE = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)


def register(server: MCPServer[Any]) -> None:
    for function in (add, subtract, multiply, divide):
        server.tool(title=function.__name__.capitalize(), annotations=_PURE)(function)


async def add(a: Number, b: Number) -> Number:
    """Add two numbers: a + b. Use it for every sum, also of large numbers."""
    return _compute(operator.add, a, b)


async def subtract(a: Number, b: Number) -> Number:
    """Subtract the second number from the first: a - b. Use it for differences."""
    return _compute(operator.sub, a, b)


async def multiply(a: Number, b: Number) -> Number:
    """Multiply two numbers: a * b. Use it for products, also of large numbers."""
    return _compute(operator.mul, a, b)


async def divide(a: Number, b: Number) -> Number:
    """Divide the first number by the second: a / b. Use it for quotients, ratios and averages."""
    if b == 0:
        raise ToolError("cannot divide by zero")
    if isinstance(a, int) and isinstance(b, int) and a % b == 0:
        return a // b
    return _compute(operator.truediv, a, b)


def _compute(operation: Callable[[Any, Any], int | float], a: int | float, b: int | float) -> int | float:
    try:
        result = operation(a, b)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise ToolError("the result is too large")
    return int(result) if isinstance(result, float) and result.is_integer() and abs(result) < 2**53 else result
