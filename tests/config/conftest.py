from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mcphost.config import load
from mcphost.config.schema import Config


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where relative file names lead, so that messages are short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def read(directory: Path) -> Callable[..., Config]:
    """Config of one -C file `c.json` with this text; keywords are the environment."""

    def read(text: str, **environ: str) -> Config:
        Path("c.json").write_text(text)
        return load([Path("c.json")], user=None, environ=environ)

    return read
