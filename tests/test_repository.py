"""What the repository promises about itself."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_constraints_txt_is_the_tested_set_of_pyproject() -> None:
    listed = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert listed == PROJECT["tool"]["uv"]["constraint-dependencies"], "make constraints writes both anew"


def test_every_dependency_has_a_lower_bound_and_a_major_cap() -> None:
    for requirement in PROJECT["project"]["dependencies"]:
        assert ">=" in requirement
        assert "<" in requirement or requirement.startswith("tzdata")  # tzdata counts in years


def test_agents_md_stays_short() -> None:
    assert len((ROOT / "AGENTS.md").read_text().splitlines()) <= 80


def test_every_layer_of_the_contract_exists() -> None:
    [contract, _] = PROJECT["tool"]["importlinter"]["contracts"]
    layers = {name.strip() for layer in contract["layers"] for name in re.split("[:|]", layer) if "(" not in name}
    assert all((ROOT / "mcphost" / layer).is_dir() or (ROOT / "mcphost" / f"{layer}.py").exists() for layer in layers)


@pytest.mark.parametrize("module", ["mcphost", "mcphost.cli", "mcphost.config", "mcphost.messages"])
def test_importing_the_light_parts_loads_nothing_heavy(module: str) -> None:
    heavy = {"mcp", "anthropic", "openai", "rich", "prompt_toolkit", "pydantic", "click", "httpx2", "anyio"}
    code = f"import sys, {module}; print(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_no_commit_names_a_registry_or_locks_one() -> None:
    assert "uv.lock" in (ROOT / ".gitignore").read_text().split()
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    hosts = re.compile(r"https?://[^/\s]*(?:py" + r"pi|python" + r"hosted|npm" + r"js)\.", re.IGNORECASE)
    for name in tracked:
        path = ROOT / name
        if path.is_file():
            assert not hosts.search(path.read_bytes().decode(errors="replace")), name
