"""The official Python servers, on the SDK's 1.x line, through mcphost's own pool."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.real.installs import legacy_python
from tests.real.pooled import connected, stdio, text


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    for command in (["init", "-q"], ["config", "user.name", "Ada"], ["config", "user.email", "ada@example.org"]):
        subprocess.run(["git", *command], check=True, cwd=folder)
    (folder / "poem.txt").write_text("roses\n")
    return folder


async def test_the_git_and_time_servers_work_side_by_side(repository: Path, tmp_path: Path) -> None:
    python = legacy_python()
    async with connected(
        stdio("git", (python, "-m", "mcp_server_git", "--repository", str(repository))),
        stdio("time", (python, "-m", "mcp_server_time", "--local-timezone", "UTC")),
    ) as servers:
        git, time = servers["git"], servers["time"]
        here = {"repo_path": str(repository)}
        assert "poem.txt" in text(await git.call("git_status", here))
        await git.call("git_add", {**here, "files": ["poem.txt"]})
        assert "committed" in text(await git.call("git_commit", {**here, "message": "A poem"})).lower()
        assert "A poem" in text(await git.call("git_log", here))
        elsewhere = await git.call("git_status", {"repo_path": str(tmp_path)})
        assert elsewhere.is_error

        converted = await time.call(
            "convert_time", {"source_timezone": "Europe/Berlin", "time": "12:00", "target_timezone": "Asia/Kolkata"}
        )
        assert "T1" in text(converted)
        assert (await time.call("get_current_time", {"timezone": "Mars/Base"})).is_error
