"""Files of this user alone, whatever the umask and whoever prepared the place."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcphost.config import private
from mcphost.errors import UsageError


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_files_and_every_new_directory_are_closed_to_others(tmp_path: Path) -> None:
    file = tmp_path / "state" / "mcphost" / "trust.json"
    with private.changing(file):
        private.replace(file, b"one")
    assert private.read(file) == b"one"
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {"state": 0o700, "mcphost": 0o700, "trust.json": 0o600, ".trust.json.lock": 0o600}


def test_a_directory_that_exists_stays_as_it_is_where_only_a_place_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o755)
    private.make(tmp_path / "shared" / "a" / "b")
    private.make(tmp_path / "shared")
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {"shared": 0o755, "a": 0o700, "b": 0o700}


def test_a_link_is_replaced_not_followed_and_never_read(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("theirs")
    file = tmp_path / "state" / "trust.json"
    file.parent.mkdir()
    file.symlink_to(target)
    with pytest.raises(UsageError, match="symbolic link"):
        private.read(file)
    private.replace(file, b"mine")
    assert (target.read_text(), file.is_symlink()) == ("theirs", False)


def test_a_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "state").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="cannot be written"):
        private.replace(tmp_path / "state" / "trust.json", b"x")
    assert not list((tmp_path / "elsewhere").iterdir())
