"""Files of this user alone: 0600 in directories of 0700, replaced whole, and never reached through a link."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mcphost.config.files import opened
from mcphost.errors import UsageError

SIZE = 16 * 1024 * 1024  # bytes


def read(path: Path) -> bytes | None:
    """What is in the file; None: there is none.

    Raises:
        UsageError: it is a link, no regular file, another user's, or others may write to it.
    """
    try:
        file, status = opened(path, os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        why = "it is a symbolic link" if path.is_symlink() else error.strerror
        raise UsageError(f"{path} is not read: {why}", hint="Look who put it there, then remove it.") from error
    with file:
        if problem := _problem(status):
            raise UsageError(f"{path} is not read: {problem}", hint=f"Look at it, then: chmod 600 '{path}'")
        data = file.read(SIZE + 1)
    if len(data) > SIZE:
        raise UsageError(f"{path} is not read: larger than {SIZE // 1024 // 1024} MiB")
    return data


def replace(path: Path, data: bytes) -> None:
    """Put `data` in the file's place, whole or not at all, also through a crash.

    Raises:
        UsageError: it cannot be written, or its directory is a link that anybody may have put there.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        directory(path.parent)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, 0o600)
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            os.replace(draft, path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Keep other processes from changing the file meanwhile: a lock file beside it, which stays."""
    try:
        directory(path.parent)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path.with_name(f".{path.name}.lock"), flags, 0o600)
    except OSError as error:
        raise UsageError(f"{path} cannot be changed: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def make(path: Path) -> None:
    """Make a directory, and those above it, where there are none: for this user alone. One that exists stays as it is.

    Raises:
        OSError: it cannot be made.
    """
    for place in reversed((path, *path.parents)):
        if not place.is_dir():
            place.mkdir(mode=0o700, exist_ok=True)


def directory(path: Path) -> None:
    """Make sure of a directory that only this user enters.

    Raises:
        OSError: it cannot be made, or is no directory of this user.
    """
    make(path.parent)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise NotADirectoryError(20, "its directory is a link, no directory, or another user's") from None
    if path.stat().st_mode & 0o077:
        path.chmod(0o700)


def _problem(status: os.stat_result) -> str | None:
    if status.st_uid != os.geteuid():
        return "it belongs to another user"
    if status.st_mode & 0o022:
        return "other users may write to it"
    return None
