"""Reading a file: whatever the path leads to, it ends at once and says what it found."""

import grp
import os
from pathlib import Path

import pytest

from mcphost.config import load
from mcphost.config.files import SIZE, read_text
from mcphost.errors import ConfigError


def message(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read_text(path)
    assert caught.value.detail["file"] == str(path)
    return caught.value.message


def test_only_a_regular_file_is_read_and_nothing_blocks(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert message(tmp_path / "pipe") == f"{tmp_path}/pipe: found a pipe; expected a regular file"
    assert message(tmp_path) == f"{tmp_path}: found a directory; expected a regular file"
    assert message(Path("/dev/zero")) == "/dev/zero: found a device; expected a regular file"
    (tmp_path / "loop").symlink_to("loop")
    assert message(tmp_path / "loop").startswith(f"{tmp_path}/loop: cannot be read: ")
    assert message(Path("a\0b")).endswith("cannot be read: embedded null byte")


def test_a_link_to_a_regular_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("{}")
    (tmp_path / "link").symlink_to("real")
    assert read_text(tmp_path / "link") == ("{}", ())


def test_a_file_beyond_one_mebibyte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "big"
    path.write_text(" " * (SIZE + 1))
    assert message(path) == f"{path}: larger than 1 MiB; such a file is not"


def test_a_file_that_is_not_utf_8_is_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(b'{\n"a": "\xe9"}')
    assert message(path) == f"{path}:2: found the byte 0xE9; expected UTF-8"
    path.write_text("{}", encoding="utf-16")
    assert message(path) == f"{path}:1: found UTF-16; expected UTF-8"


def test_a_file_that_others_may_change_gets_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text("{}")
    path.chmod(0o666)
    assert load([path], user=None, environ={}).warnings == (
        f"{path}: every user of this machine may change this file; run: chmod go-w '{path}'",
    )
    path.chmod(0o664)
    own = grp.getgrgid(path.stat().st_gid).gr_name
    words = f"{path}: the group {own} may change this file; run: chmod go-w '{path}'"
    assert load([path], user=None, environ={}).warnings == (() if own == path.owner() else (words,))
    path.chmod(0o644)
    assert load([path], user=None, environ={}).warnings == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_that_a_group_may_change_gets_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text("{}")
    path.chmod(0o664)
    os.chown(path, -1, 54_321)
    assert load([path], user=None, environ={}).warnings == (
        f"{path}: the group 54321 may change this file; run: chmod go-w '{path}'",
    )


def test_a_missing_file_is_an_error_unless_it_is_the_users(tmp_path: Path) -> None:
    missing = tmp_path / "missing.json"
    assert load([], user=missing, environ={}).files == ()
    with pytest.raises(ConfigError, match=r"missing\.json: no such file"):
        load([missing], user=None, environ={})
    with pytest.raises(ConfigError, match=r"missing\.json: no such file"):
        load([missing], user=missing, environ={})
