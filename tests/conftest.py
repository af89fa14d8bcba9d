"""Deadlines for every test: a test that hangs fails, with the stacks of all threads."""

from __future__ import annotations

import asyncio
import faulthandler
import inspect
import os
import random
import signal
from collections.abc import Generator
from typing import Any

import pytest

DEADLINE = 30.0  # seconds; a test that needs longer says @pytest.mark.deadline(SECONDS)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sample", type=float, default=1.0, help="run only this share of the selected tests, at least one"
    )
    parser.addoption("--seed", type=int, default=0, help="which ones --sample picks")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: a good part of the time tests wait for processes."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    share: float = config.getoption("--sample")
    if share >= 1.0 or not items:
        return
    count = max(1, round(len(items) * share))
    chosen = set(random.Random(config.getoption("--seed")).sample(range(len(items)), count))
    config.hook.pytest_deselected(items=[item for index, item in enumerate(items) if index not in chosen])
    items[:] = [item for index, item in enumerate(items) if index in chosen]


def pytest_configure(config: pytest.Config) -> None:
    # nohup and a shell's "&" have these ignored, and so would every program that tests send them to.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "deadline(seconds): how long an async test may take (default 30)")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run `async def` tests on a fresh asyncio loop, cancelled at their deadline."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    marker = pyfuncitem.get_closest_marker("deadline")
    seconds: float = marker.args[0] if marker else DEADLINE
    arguments: dict[str, Any] = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}

    async def main() -> None:
        async with asyncio.timeout(seconds):
            await pyfuncitem.obj(**arguments)

    asyncio.run(main())
    return True


@pytest.fixture(autouse=True)
def _hard_deadline(request: pytest.FixtureRequest) -> Generator[None, None, None]:
    """Dump all stacks and end the whole run if even cancelling does not help."""
    marker = request.node.get_closest_marker("deadline")
    faulthandler.dump_traceback_later((marker.args[0] if marker else DEADLINE) * 2 + 30, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(autouse=True)
def _no_ambient_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The developer's own keys, settings and home must not reach a test."""
    for name in list(os.environ):
        if name.startswith(("MCPHOST_", "ANTHROPIC_", "OPENAI_")) or name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "xdg-config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "xdg-state"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.getbasetemp() / "xdg-data"))
