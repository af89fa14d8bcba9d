"""Fixtures for pytest: `pytest_plugins = ["mcphost.testing.fixtures"]` in a conftest.py."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

import pytest

from mcphost.host import Host
from mcphost.testing import replay as replayed

ReplayFile: TypeAlias = Callable[..., AbstractAsyncContextManager[Host]]


@pytest.fixture
def replay(request: pytest.FixtureRequest) -> ReplayFile:
    """`mcphost.testing.replay` for a recording that lies beside the test."""

    def opened(name: str, **options: Any) -> AbstractAsyncContextManager[Host]:
        return replayed(request.path.parent / name, **options)

    return opened
