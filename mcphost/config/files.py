"""Reading one configuration file, whatever the path leads to: never blocking, never more than a limit of bytes."""

from __future__ import annotations

import errno
import os
import stat
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from mcphost.errors import ConfigError

SIZE = 1024 * 1024  # bytes
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
MAX_PROGRAM = 256 * 1024 * 1024  # bytes of a file that a server runs

_OTHER_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def read_text(path: Path, *, limit: int = SIZE) -> tuple[str, tuple[str, ...]]:
    """The text of a configuration file, and warnings about the file itself.

    Raises:
        FileNotFoundError: there is none.
        ConfigError: it is no regular file, larger than `limit` bytes, not UTF-8, or cannot be read.
    """
    try:
        data, status = _read(path, limit)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{path}: cannot be read: {reason}", file=str(path)) from error
    if len(data) > limit:
        raise ConfigError(f"{path}: larger than {limit // 1024**2} MiB; such a file is not", file=str(path))
    writers = _writers(status)
    warning = f"{path}: {writers} may change this file; run: chmod go-w '{path}'"
    return decode(path, data), (warning,) if writers else ()


def opened(path: Path, flags: int = 0) -> tuple[BinaryIO, os.stat_result]:
    """A regular file to read, and what it is; never waits.

    Raises:
        OSError: there is none, it cannot be read, or it is no regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | flags)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file")
    return os.fdopen(descriptor, "rb"), status


def others_write(path: str) -> bool:
    """Whether other users may change the file; False also where there is none."""
    try:
        return bool(os.stat(path).st_mode & OTHERS_WRITE)
    except (OSError, ValueError):
        return False


def content_hash(path: str) -> str | None:
    """SHA-256 of a regular file; None: it is none, cannot be read, or is too large."""
    try:
        file, status = opened(Path(path))
        with file:
            if status.st_size > MAX_PROGRAM:
                return None
            digest = sha256()
            while chunk := file.read(1024 * 1024):
                digest.update(chunk)
    except (OSError, ValueError):
        return None
    return digest.hexdigest()


def _writers(status: os.stat_result) -> str:
    """Who but its owner may change a file, in words; empty: nobody. A group of the owner's own name is theirs alone."""
    import grp
    import pwd

    if status.st_mode & stat.S_IWOTH:
        return "every user of this machine"
    if not status.st_mode & stat.S_IWGRP:
        return ""
    try:
        group = grp.getgrgid(status.st_gid).gr_name
        return "" if group == pwd.getpwuid(status.st_uid).pw_name else f"the group {group}"
    except KeyError:
        return f"the group {status.st_gid}"


def _read(path: Path, limit: int) -> tuple[bytes, os.stat_result]:
    # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            kind = next((kind for test, kind in _OTHER_KINDS if test(status.st_mode)), "something else")
            raise ConfigError(f"{path}: found {kind}; expected a regular file", file=str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(limit + 1), status
    finally:
        os.close(descriptor)


def decode(path: Path, data: bytes) -> str:
    """The text of a file.

    Raises:
        ConfigError: it is not UTF-8.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        what = "found UTF-16" if utf16 else f"found the byte 0x{data[error.start]:02X}"
        raise ConfigError(
            f"{path}:{line}: {what}; expected UTF-8",
            hint='Save the file with the encoding "UTF-8".',
            file=str(path),
            line=line,
        ) from error
